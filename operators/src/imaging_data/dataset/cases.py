# SPDX-License-Identifier: Apache-2.0
"""The series of a data set as trainers take them: a volume or pictures, and the labels that were drawn on them."""

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..convert.grids import Grid
from ..convert.labels.segmentations import read_segmentation
from ..instances import read_instance
from ..values import items_of, numbers_of, text_of
from .database import Database
from .diffusion import Gradient

BACKGROUND = "background"
CASES = (
    "SELECT series.id AS number, patient.id AS patient, split, patient_sex, modality, (SELECT count(*)"
    " FROM study AS earlier WHERE earlier.patient = patient.id AND earlier.id <= study.id) AS session,"
    " series_instance_uid, series_description, acquisition, grid, volume FROM series"
    " JOIN study ON study.id = series.study JOIN patient ON patient.id = study.patient"
    " WHERE series.id > ? ORDER BY series.id LIMIT 256"
)
PICTURES = (
    "SELECT place, image.id AS image, picture.stem, picture.path, pixel_rows AS rows, pixel_columns AS columns"
    " FROM image LEFT JOIN slice ON slice.image = image.id JOIN picture ON picture.image = image.id"
    " AND picture.frame = ifnull(slice.frame, picture.frame) WHERE image.series = ?"
    " ORDER BY ordinal, image.id, picture.id"
)


@dataclass(frozen=True)
class Exported:
    """What was handed over: cases of each split, and how many series were left out, by reason."""

    cases: dict[str, int]
    left_out: dict[str, int]


@dataclass
class Tally:
    """Counts while a format is written."""

    cases: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)

    def exported(self) -> Exported:
        """What it came to."""
        return Exported(dict(sorted(self.cases.items())), dict(sorted(self.left_out.items())))


@dataclass(frozen=True)
class Case:
    """One series.

    number, patient: rows of the data set, which stay and say nothing of a person.  session: the number of the study
    among the patient's, from 1, in the order in which they came.
    """

    folder: Path
    number: int
    patient: int
    session: int
    split: str
    patient_sex: str
    modality: str
    series_instance_uid: str
    series_description: str
    acquisition: dict[str, str]
    grid: str
    volume: str
    segmentations: tuple[Path, ...]

    @property
    def volumes(self) -> int:
        """How many volumes share the grid; 0 where it has no grid."""
        return int(json.loads(self.grid)["volumes"]) if self.grid else 0

    @property
    def gradients(self) -> list[Gradient]:
        """The diffusion gradient of each volume, none where it is no diffusion series."""
        return json.loads(self.grid).get("gradients", []) if self.grid else []

    @cached_property
    def space(self) -> Grid:
        """Where its voxels lie.  Only where it has a grid."""
        said = json.loads(self.grid)
        return Grid(tuple(said["shape"]), np.array(said["affine"]))

    @property
    def label_names(self) -> list[str]:
        """The names of the segments, in order."""
        return [name for path in self.segmentations for name in _names(path).values()]

    @property
    def unlabelled(self) -> str:
        """Why no label map belongs to its volume, "" where one does."""
        if not self.segmentations:
            return "It has no labels."
        return "" if self.volumes == 1 else "It has several volumes, and labels are of one."

    def labels(self, numbers: dict[str, int]) -> NDArray[Any]:
        """The label map (slices, rows, columns) with the number of each name; where segments overlap the last wins.

        Raises as `masks`.
        """
        found = np.zeros(self.space.shape, np.uint8 if len(numbers) < 256 else np.uint16)
        for name, mask in self.masks():
            found[mask] = numbers[name]
        return found

    def masks(self) -> Iterator[tuple[str, NDArray[np.bool_]]]:
        """Each segment's name, and where it is (slices, rows, columns).

        Raises ImagingDataError where a segmentation does not lie on the grid or cannot be read.
        """
        for path in self.segmentations:
            names = _names(path)
            labels = read_segmentation(read_instance(path), self.space)
            for segment in labels.segments:
                mask = labels.mask(segment.number)
                if labels.grid is not self.space:
                    mask = self.space.taken_from(mask, labels.grid.affine, nearest=True)
                yield names[segment.number], np.asarray(mask, np.bool_)


def _names(path: Path) -> dict[int, str]:
    """The name of each segment, by its number: SegmentLabel (PS3.3 section C.8.20.4), made one where it is empty."""
    names = {}
    for item in items_of(read_instance(path).dataset, "SegmentSequence"):
        number = numbers_of(item, "SegmentNumber", 1)
        if number and number[0] > 0:
            names[int(number[0])] = text_of(item, "SegmentLabel").strip() or f"segment {int(number[0])}"
    return names


def cases_of(database: Database) -> Iterator[Case]:
    """Every series of the data set."""
    last = 0
    while rows := database.rows(CASES, last):
        for row in rows:
            yield _case(database, row)
        last = rows[-1]["number"]


def _case(database: Database, row: Any) -> Case:
    paths = database.rows(
        "SELECT path FROM segmentation WHERE series_instance_uid = ? ORDER BY id", row["series_instance_uid"]
    )
    values = dict(row)
    values["acquisition"] = json.loads(row["acquisition"])
    values["series_description"] = row["series_description"] or ""
    segmentations = tuple(database.folder / one["path"] for one in paths)
    return Case(folder=database.folder, segmentations=segmentations, **values)


def pictures_of(database: Database, case: Case) -> list[Any]:
    """The pictures of a series by InstanceNumber: stem, path, rows, columns, and `place`, the slice (None: no grid)."""
    return database.rows(PICTURES, case.number)


def numbers_for(names: Iterator[str] | list[str]) -> dict[str, int]:
    """A number from 1 for each name, in order of the names: the same for every series."""
    return {name: number for number, name in enumerate(sorted(set(names)), start=1)}


def put(source: Path, target: Path) -> None:
    """The file at another place, without copying its bytes where the disk can."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
