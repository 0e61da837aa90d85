# SPDX-License-Identifier: Apache-2.0
"""Volumes and pictures to DICOM: a file, or a folder tree in which each file becomes a series."""

import hashlib
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydicom import Dataset

from ...errors import ImagingDataError, naming
from ...identity import is_valid
from ..attributes import Attributes, WrongTable
from ..converted import Converted, ConvertedSeries, Skipped
from ..errors import NothingToConvert, UnreadableInput
from ..grids import Affine
from . import slides
from .cross_sections import CrossSections, UnsupportedModality
from .reading import images_of
from .targets import whole_file, whole_folder
from .tree import Item, find_items
from .writer import NewSeries, Studies, write_series

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
        """Those of one item.  Raises WrongTable where it has no row, WrongAttribute as `Attributes.updated`."""
        if self.rows is None:
            return self.attributes
        if item.name not in self.rows:
            raise WrongTable("It has no row.")
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
            with naming(item.name):
                self._convert(item, self.options.attributes_of(item), folder)
        except ImagingDataError as error:
            self.skipped.append(Skipped(item.name, str(error)))
            self.errors.append(error)

    def _convert(self, item: Item, attributes: Attributes, folder: Path) -> None:
        try:
            digest = _digest(item, self.options)
        except OSError as error:
            raise UnreadableInput(f"{error.strerror}.") from error
        series = NewSeries(attributes, self.options.modality, digest, self.studies.uid(attributes, digest))
        if series.uid in self.series:
            self.skipped.append(Skipped(item.name, "Another file holds the same."))
            return
        self.series[series.uid], notes = self._written(item, series, folder)
        self.notes += [f"{item.name}: {note}" for note in notes]

    def _written(
        self, item: Item, series: NewSeries, folder: Path
    ) -> tuple[ConvertedSeries, tuple[str, ...]]:
        name = f"{len(self.series) + 1:04}"
        if slides.is_slide(item.ending, series.modality):
            return self._slide(item.paths[0], series, folder, name), ()
        images, notes = images_of(item, series, self.options.affine)
        if self.total == 1 and isinstance(images, CrossSections):  # then its slices are what is counted
            images = _counted(images, self.at)
        return write_series(images, series, folder, name), notes

    def _slide(self, source: Path, series: NewSeries, folder: Path, name: str) -> ConvertedSeries:
        """Written by another package, under names of its own, in a folder that goes when it fails."""
        with tempfile.TemporaryDirectory(dir=folder) as own:
            made = slides.slide_to_dicom(source, series, Path(own), name)
            for file in made.files:
                Path(own, file).rename(folder / file)
        return made

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


def _digest(item: Item, options: ToDicom) -> str:
    """SHA-256 of what the pixels and their description come from."""
    digest = hashlib.sha256(item.sha256().encode())
    digest.update(repr((item.stacked, options.affine is not None and options.affine.tolist())).encode())
    if options.modality == "PT":  # whose date may be the file's
        digest.update("".join(item.written).encode())
    return digest.hexdigest()
