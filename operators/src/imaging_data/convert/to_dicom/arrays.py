# SPDX-License-Identifier: Apache-2.0
"""NRRD and MetaImage files, and numpy arrays, as voxels."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ShearedGrid, UnreadableInput
from ..grids import Affine
from ..packages import package
from .damage import foreign
from .rescaling import UnsupportedValues
from .voxels import Voxels, check_shape

ITK_ENDINGS = (".nrrd", ".nhdr", ".mha", ".mhd")
NUMPY_ENDINGS = (".npy",)
HEAD = 1 << 20  # bytes of a file that may hold its header
DATA_FILE = re.compile(rb"\s*(?:data ?file|ElementDataFile)\s*[:=]\s*(.*?)\s*", re.IGNORECASE)
SPACING = re.compile(rb"^\s*(?:spacings|space directions|ElementSpacing|ElementSize)\s*[:=]", re.IGNORECASE)
ELSEWHERE = re.compile(r"[/\\%\0]|^LIST|^\.|^$")
LARGEST_JSON = 1 << 20


class NoPlace(UnreadableInput):
    """The file does not say where its voxels lie."""

    hint = "Give the distances: `--spacing 'SLICE ROW COLUMN'` in mm, or `--affine` with 16 numbers."


def read_itk(path: Path) -> Voxels:
    """The voxels of an NRRD or MetaImage file of 2 to 4 dimensions; its space is LPS.

    Raises UnreadableInput for a file that is damaged, or whose data lie outside its folder; TooLarge before
    anything of that size is read; NoPlace, ShearedGrid, UnsupportedValues, MissingPackage.
    """
    itk = package("SimpleITK")
    data_files(path)
    if not any(map(SPACING.match, _head(path))):
        raise NoPlace("It does not say how far apart its voxels are.", "Save it again with its spacing.")
    reader = itk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.SetImageIO("MetaImageIO" if path.suffix.lower().startswith(".mh") else "NrrdImageIO")
    try:
        reader.ReadImageInformation()
        size = [*reader.GetSize(), 1, 1][:4] if 2 <= reader.GetDimension() <= 4 else []
        if not size or reader.GetNumberOfComponents() != 1:
            raise UnsupportedValues(
                f"It has {reader.GetDimension()} dimensions and {reader.GetNumberOfComponents()} values a voxel."
            )
        check_shape(size[::-1], 8 if "64" in itk.GetPixelIDValueAsString(reader.GetPixelID()) else 4)
        image = reader.Execute()
    except RuntimeError as error:
        if "direction" in str(error).lower():
            raise ShearedGrid("Its directions are not at right angles.") from None
        raise UnreadableInput("It is damaged, cut off or of another format.") from error
    array = itk.GetArrayFromImage(image)
    return Voxels(array.reshape(size[::-1]), itk_affine(image))


def itk_affine(image: Any) -> Affine:
    """LPS of index (slice, row, column), of the first three dimensions; a 2-D image is one slice, 1 mm thick."""
    dimension = image.GetDimension()
    direction = np.reshape(image.GetDirection(), (dimension, dimension))
    steps, origin = np.eye(3), np.zeros(3)
    used = min(dimension, 3)
    steps[:used, :used] = (direction * image.GetSpacing())[:used, :used]
    origin[:used] = image.GetOrigin()[:used]
    affine = np.eye(4)
    affine[:3] = np.column_stack([steps[:, ::-1], origin])
    return affine


def data_files(path: Path) -> list[Path]:
    """The file that holds the data of an NRRD or MetaImage header; none where they follow the header.

    Raises UnreadableInput where that is not a file beside it: it may be anybody's.  Whatever line may name a file is
    looked at, since the readers take more than the formats allow.
    """
    nrrd, lines = path.suffix.lower() in (".nrrd", ".nhdr"), _head(path)
    naming = [line for line in lines if b"datafile" in line.replace(b" ", b"").lower()]
    if not (b"" in lines if nrrd else naming):
        raise UnreadableInput("Its header has no end.")
    if not naming:
        return []
    found = DATA_FILE.fullmatch(naming[0]) if len(naming) == 1 or not nrrd else None
    name = found[1].decode("utf-8", "replace") if found else ""
    if name.upper() == "LOCAL":
        return []
    beside = path.with_name(name) if not ELSEWHERE.search(name) else path
    if beside == path or beside.is_symlink() or not beside.is_file():
        raise UnreadableInput("Its data are in a file that is not beside it, or in several.")
    return [beside]


def _head(path: Path) -> list[bytes]:
    with path.open("rb") as file:
        return file.read(HEAD).splitlines()  # at a carriage return alone, too, as the readers do


def read_numpy(path: Path, affine: Affine | None = None) -> Voxels:
    """An array ([volumes,] slices, rows, columns) from a `.npy` file, or a picture (rows, columns).

    affine: LPS mm of index (slice, row, column), as `Volume.affine`; without it that of the `.json` beside it, as
    `gantry convert` writes it.  Raises NoPlace without either, UnreadableInput, TooLarge, UnsupportedValues.
    """
    with foreign():
        array = np.lib.format.open_memmap(path, mode="r")
    if not 2 <= array.ndim <= 4 or not array.size:
        raise UnsupportedValues(f"It has shape {array.shape}.")
    shape = (*(1,) * (4 - array.ndim), *array.shape)
    check_shape(shape, array.itemsize)
    place = affine if affine is not None else _affine_beside(path)
    if place is None:
        raise NoPlace("It is an array.")
    return Voxels(array.reshape(shape), place)


def _affine_beside(path: Path) -> Affine | None:
    beside = path.with_suffix(".json")
    if not beside.is_file() or beside.stat().st_size > LARGEST_JSON:
        return None
    try:
        found = np.array(json.loads(beside.read_text("utf-8"))["affine"], np.float64)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise NoPlace(f"{beside.name} holds no affine.") from None
    return found if found.shape == (4, 4) else None
