# SPDX-License-Identifier: Apache-2.0
"""Volumes and label maps as files of the formats that researchers use."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ShearedGrid, UnknownFormat
from ..grids import Grid, check_rectangular, spacing_of
from ..packages import package
from . import nifti
from .stored import Layout

ENDINGS = (".nii.gz", ".nii", ".npy", ".nrrd", ".mha")


def ending_of(path: Path, endings: tuple[str, ...] = ENDINGS) -> str:
    """The one of `endings` that the file's name has, in any case.  Raises UnknownFormat for another."""
    name = path.name.lower()
    found = next((ending for ending in endings if name.endswith(ending) and name != ending), None)
    if found is None:
        raise UnknownFormat(f"{path.name}: there are {', '.join(endings)}.")
    return found


def write_series(layout: Layout, path: Path) -> None:
    """A series as one file.  Raises as `Layout.read`, UnknownFormat, MissingPackage.

    NIfTI holds the stored integers with their rescale, the other formats real-world values.
    """
    if ending_of(path).startswith(".nii"):
        nifti.write_layout(layout, path)
    else:
        write_array(layout.values(), layout.grid, path)


def write_array(array: NDArray[Any], grid: Grid, path: Path, compressed: bool = False) -> None:
    """An array ([volumes,] slices, rows, columns) on `grid` as one file; `.npy` says no place in the patient.

    compressed: where the format leaves the choice.  Raises UnknownFormat, MissingPackage, ShearedGrid.
    """
    writers: dict[str, Callable[[], Any]] = {
        ".npy": lambda: np.save(path, array, allow_pickle=False),
        ".nrrd": lambda: _write_itk(array, grid, path, compressed),
        ".mha": lambda: _write_itk(array, grid, path, compressed),
    }
    writers.get(ending_of(path), lambda: nifti.write_array(array, grid.affine, path))()


def about_grid(array_shape: tuple[int, ...], grid: Grid) -> dict[str, Any]:
    """What a `.npy` does not say: its axes, and its place in the patient, as JSON has it."""
    axes = ["volume", "slice", "row", "column"][-len(array_shape) :]
    return {
        "shape": list(array_shape),
        "axes": axes,
        "spacing_mm": list(spacing_of(grid.affine)),
        "space": "LPS",
        "affine": grid.affine.tolist(),
    }


def write_json(content: dict[str, Any], path: Path) -> None:
    """UTF-8, for people and programs.  Raises FileExistsError."""
    with path.open("x", encoding="utf-8") as file:
        json.dump(content, file, indent=2, ensure_ascii=False)
        file.write("\n")


def itk_image(array: NDArray[Any], grid: Grid) -> Any:
    """A `SimpleITK.Image` of an array ([volumes,] slices, rows, columns); its physical points are LPS mm.

    Raises MissingPackage, and ShearedGrid, since ITK has no sheared grids.
    """
    itk = package("SimpleITK")
    check_rectangular(grid.affine)
    dimensions = array.ndim
    affine = np.eye(dimensions + 1)
    affine[:3, :3] = grid.affine[:3, 2::-1]
    affine[:3, -1] = grid.affine[:3, 3]
    spacing = np.linalg.norm(affine[:-1, :-1], axis=0)
    image = itk.GetImageFromArray(array, isVector=False)
    try:
        image.SetDirection((affine[:-1, :-1] / spacing).ravel().tolist())
    except RuntimeError as error:
        raise ShearedGrid("ITK does not take its directions.") from error
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(affine[:-1, -1].tolist())
    return image


def _write_itk(array: NDArray[Any], grid: Grid, path: Path, compressed: bool) -> None:
    try:
        package("SimpleITK").WriteImage(itk_image(array, grid), str(path), compressed)
    except RuntimeError as error:
        raise OSError(f"{path.name} cannot be written") from error
