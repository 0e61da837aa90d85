# SPDX-License-Identifier: Apache-2.0
"""Volumes and pictures to DICOM: a file, or a folder tree in which each file becomes a series."""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from ..errors import ImagingDataError, naming
from ..identity import is_valid
from . import arrays, nifti, pictures
from .attributes import Attributes, WrongTable
from .converted import Converted, Skipped
from .cross_sections import CrossSections, UnsupportedModality
from .errors import NothingToConvert, UnreadableInput
from .grids import Affine
from .targets import whole_file, whole_folder
from .tree import VOLUMES, Item, find_items
from .voxels import Voxels, check_shape
from .writer import ConvertedSeries, NewSeries, Studies, write_series

Progress = Callable[[int, int], None]  # done, of how many
DICOM_ENDING = ".dcm"


@dataclass(frozen=True, eq=False)
class ToDicom:
    """How files become DICOM.

    modality: CT, MR or PT for volumes, any for pictures.  attributes: for all.  rows: for one file each, by its
    path below the source, as `read_table` reads them; then a file without a row is left out.
    slices: the pictures of a folder are the slices of one series.
    affine: LPS mm of index (slice, row, column), for files that do not say where they lie; with it, the slices of
    a folder make a volume.  overwrite: replace a folder of DICOM files.
    """

    modality: str
    attributes: Attributes = field(default_factory=Attributes)
    rows: Mapping[str, Mapping[str, str]] | None = None
    slices: bool = False
    affine: Affine | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Z][A-Z0-9]{1,15}", self.modality) or not is_valid("CS", self.modality):
            raise UnsupportedModality("Pictures and volumes need one (PS3.3 section C.7.3.1.1.1).")

    def attributes_of(self, item: Item) -> Attributes:
        """Those of one item.  Raises KeyError where it has no row."""
        if self.rows is None:
            return self.attributes
        return self.attributes.updated(Attributes.of(self.rows[item.name]))


def convert_to_dicom(
    source: Path,
    target: Path,
    options: ToDicom,
    on_progress: Progress = lambda done, total: None,
) -> Converted:
    """Each file of `source` as a series in the folder `target`, or the one instance as the file `target` (.dcm).

    In a tree, what cannot be converted is left out and named; when nothing can, its error is raised.  The folder
    is there when all is, or not at all.  Raises TargetExists, CannotWrite, MissingFolder, NothingToConvert,
    WrongTable for rows of files that are not there, and what is wrong with a file that is the only one.
    """
    items, skipped = find_items(source, options.slices)
    if not items:
        raise NothingToConvert(f"{source}: {skipped[0].reason if skipped else 'it is empty.'}")
    strange = set(options.rows or ()) - {item.name for item in items}
    if strange:
        raise WrongTable(f"It has rows for {len(strange)} files that are not there to be converted.")
    run = _Run(options, skipped, on_progress, len(items))
    if target.suffix.lower() == DICOM_ENDING:
        return run.into_file(items, target)
    with whole_folder(target, options.overwrite) as folder:
        run.convert_all(items, folder)
    return run.converted(target)


class SeveralInstances(ImagingDataError):
    """One file was asked for, and the input becomes several instances."""

    hint = "Give the name of a folder: one without `.dcm`."


class UnequalSlices(ImagingDataError):
    """The slices of the folder are not grey pictures of one size and depth."""

    hint = "Put the slices of each volume into a folder of their own."


class _Run:
    """One conversion under way: what was made so far, what was left out."""

    def __init__(self, options: ToDicom, skipped: Iterable[Skipped], at: Progress, total: int) -> None:
        self.options, self.at, self.total = options, at, total
        self.studies = Studies()
        self.series: dict[str, ConvertedSeries] = {}
        self.skipped = list(skipped)
        self.notes: list[str] = []
        self.errors: list[ImagingDataError] = []

    def convert_all(self, items: Iterable[Item], folder: Path) -> None:
        """Raises the first error when nothing was made."""
        for number, item in enumerate(items):
            self.at(number, self.total)
            self.convert(item, folder)
        if not self.series:
            raise self.errors[0]
        self.at(self.total, self.total)

    def convert(self, item: Item, folder: Path) -> None:
        """Add the series of one item, or say why not."""
        try:
            attributes = self.options.attributes_of(item)
        except KeyError:
            self._skip(item, WrongTable("It has no row."))
            return
        try:
            with naming(item.name):
                self._convert(item, attributes, folder)
        except ImagingDataError as error:
            self._skip(item, error)

    def _convert(self, item: Item, attributes: Attributes, folder: Path) -> None:
        try:
            digest = _digest(item, self.options)
        except OSError as error:
            raise UnreadableInput(f"{error.strerror}.") from error
        images, notes = _images(item, attributes, self.options)
        series = NewSeries(attributes, self.options.modality, digest, self.studies.uid(attributes, digest))
        if series.uid in self.series:
            self.skipped.append(Skipped(item.name, "Another file holds the same."))
            return
        name = f"{len(self.series) + 1:04}"
        if self.total == 1 and isinstance(images, CrossSections):  # then its slices are what is counted
            images = _counted(images, self.at)
        try:
            self.series[series.uid] = write_series(images, series, folder, name)
        except ImagingDataError:
            for path in folder.glob(f"{name}-*"):
                path.unlink()
            raise
        self.notes += [f"{item.name}: {note}" for note in notes]

    def _skip(self, item: Item, error: ImagingDataError) -> None:
        self.skipped.append(Skipped(item.name, str(error)))
        self.errors.append(error)

    def converted(self, folder: Path) -> Converted:
        """What was made, in `folder`."""
        series = tuple(self.series.values())
        files = tuple(folder / name for one in series for name in one.files)
        return Converted(series, files, tuple(self.skipped), tuple(self.notes))

    def into_file(self, items: list[Item], target: Path) -> Converted:
        """The one instance that `items` become, as the file `target`."""
        with whole_file(target, self.options.overwrite) as (folder, place):
            self.convert_all(items, folder)
            made = list(folder.iterdir())
            if len(made) != 1:
                raise SeveralInstances(f"There are {len(made)}.")
            made[0].rename(place)
        [series] = self.series.values()
        return Converted(
            (replace(series, files=(target.name,)),), (target,), tuple(self.skipped), tuple(self.notes)
        )


def _counted(sections: CrossSections, at: Progress) -> Iterator[Dataset]:
    for number, dataset in enumerate(sections):
        at(number, len(sections))
        yield dataset


def _images(
    item: Item, attributes: Attributes, options: ToDicom
) -> tuple[Iterable[Dataset], tuple[str, ...]]:
    """The datasets of one item, and what is not certain about them."""
    if item.ending in VOLUMES or (options.slices and options.affine is not None):
        voxels = _voxels(item, options.affine)
        moment = _written(item)
        sections = CrossSections.of(voxels, options.modality, attributes, moment)
        return sections, voxels.notes
    files = (pictures.secondary_captures(pictures.read_pages(path)) for path in item.paths)
    return chain.from_iterable(files), ()


def _voxels(item: Item, affine: Affine | None) -> Voxels:
    path = item.paths[0]
    if item.ending in nifti.ENDINGS:
        return nifti.read_nifti(path)
    if item.ending in arrays.ITK_ENDINGS:
        return arrays.read_itk(path)
    if item.ending in arrays.NUMPY_ENDINGS:
        return arrays.read_numpy(path, affine)
    assert affine is not None
    return Voxels(_stacked(item), affine)


def _stacked(item: Item) -> NDArray[Any]:
    """(1, slices, rows, columns) of the pictures of a folder, which are all grey and of one size."""
    slices: list[NDArray[Any]] = []
    for path in item.paths:
        for page in pictures.read_pages(path):
            first = slices[0] if slices else page.samples
            if page.samples.ndim != 2 or (page.samples.shape, page.samples.dtype) != (
                first.shape,
                first.dtype,
            ):
                raise UnequalSlices(f"{path.name} is the first that is not.")
            slices.append(page.samples if page.photometric == "MONOCHROME2" else ~page.samples)
            check_shape((1, len(slices), *first.shape))
    return np.stack(slices)[np.newaxis]


def _written(item: Item) -> tuple[str, str]:
    """Date and time (UTC) at which the file was written."""
    moment = datetime.fromtimestamp(int(item.paths[0].stat().st_mtime), UTC)
    return moment.strftime("%Y%m%d"), moment.strftime("%H%M%S")


def _digest(item: Item, options: ToDicom) -> str:
    """SHA-256 of what the pixels and their description come from."""
    digest = hashlib.sha256(item.sha256().encode())
    digest.update(repr((options.slices, options.affine is not None and options.affine.tolist())).encode())
    if options.modality == "PT":
        digest.update("".join(_written(item)).encode())
    return digest.hexdigest()
