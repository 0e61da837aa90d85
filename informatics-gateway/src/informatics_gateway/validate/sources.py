# SPDX-License-Identifier: Apache-2.0
"""Where the source's images lie in the patient, read again from the instances that came in."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from imaging_data import read_header
from imaging_data.values import frame_values, numbers_of

from ..model import InputSet

Vector = NDArray[np.float64]
Numbers = tuple[float, ...] | None


@dataclass(frozen=True, eq=False)
class Grid:
    """Where an image's pixels lie (PS3.3 section C.7.6.2): mm in the patient's coordinates.

    position: of the middle of the first pixel.  orientation: along a row and along a column, 2x3.
    spacing: between rows, between columns.
    """

    position: Vector
    orientation: Vector
    spacing: tuple[float, ...]

    @cached_property
    def normal(self) -> Vector:
        """The direction across the image."""
        return np.cross(self.orientation[0], self.orientation[1])

    def pixel(self, point: Vector) -> tuple[float, float, float]:
        """Row and column (0, 0 is the middle of the first pixel) of `point`, and how many mm it is off."""
        offset = point - self.position
        row = float(offset @ self.orientation[1]) / self.spacing[0]
        column = float(offset @ self.orientation[0]) / self.spacing[1]
        return row, column, float(offset @ self.normal)


@dataclass(frozen=True, eq=False)
class Plane:
    """One image, or one frame of a multi-frame one: `frame`, from 1, of `frames`.

    grid: None where the source does not say where it lies.  thickness: mm, 0 where it does not say.
    """

    sop_instance_uid: str
    frame: int
    frames: int
    rows: int
    columns: int
    frame_of_reference_uid: str
    grid: Grid | None
    thickness: float


class Sources:
    """The instances of an input set as images; their headers are read when they are first needed."""

    def __init__(self, input_set: InputSet) -> None:
        self._instances = input_set.instances

    @cached_property
    def headers(self) -> list[Dataset]:
        """The attributes of each instance, without pixel data."""
        return [read_header(instance.path) for instance in self._instances]

    @cached_property
    def planes(self) -> dict[tuple[str, int], Plane]:
        """All planes by SOPInstanceUID and frame number (from 1)."""
        return {
            (plane.sop_instance_uid, plane.frame): plane for each in self.headers for plane in _planes(each)
        }

    @cached_property
    def frames_of_reference(self) -> set[str]:
        """Every FrameOfReferenceUID of the source."""
        return {plane.frame_of_reference_uid for plane in self.planes.values()} - {""}

    def frames_of(self, sop_instance_uid: str) -> int:
        """How many frames an instance of the source has; 0 when it is none of the source."""
        first = self.planes.get((sop_instance_uid, 1))
        return 0 if first is None else first.frames

    @cached_property
    def _lying(self) -> list[tuple[Plane, Grid]]:
        return [(plane, plane.grid) for plane in self.planes.values() if plane.grid is not None]

    @cached_property
    def _depths(self) -> tuple[Vector, Vector]:
        """Each plane's normal, and how far it is from the origin along it."""
        normals = np.array([grid.normal for _, grid in self._lying]).reshape(-1, 3)
        positions = np.array([grid.position for _, grid in self._lying]).reshape(-1, 3)
        return normals, np.sum(normals * positions, axis=1)

    def nearest(self, point: Vector) -> tuple[Plane, Grid] | None:
        """The plane that passes nearest to `point`; None when no image says where it lies."""
        normals, depths = self._depths
        return self._lying[int(np.argmin(np.abs(normals @ point - depths)))] if len(depths) else None

    @cached_property
    def reach(self) -> float:
        """How far a slice stands for what is beside it: half of the widest gap between two of them, in mm."""
        depths = np.unique(np.round(self._depths[1], 3))
        widest = max((plane.thickness for plane, _ in self._lying), default=0.0)
        return float(np.max(np.diff(depths)) if len(depths) > 1 else widest) / 2


def _planes(header: Dataset) -> list[Plane]:
    frames = max(1, _whole(header, "NumberOfFrames"))
    positions = _per_frame(header, "ImagePositionPatient", 3, frames)
    orientations = _per_frame(header, "ImageOrientationPatient", 6, frames)
    spacings = _per_frame(header, "PixelSpacing", 2, frames)
    thicknesses = _per_frame(header, "SliceThickness", 1, frames)
    return [
        Plane(
            sop_instance_uid=str(header.SOPInstanceUID),
            frame=index + 1,
            frames=frames,
            rows=_whole(header, "Rows"),
            columns=_whole(header, "Columns"),
            frame_of_reference_uid=str(header.get("FrameOfReferenceUID") or ""),
            grid=_grid(positions[index], orientations[index], spacings[index]),
            thickness=(thicknesses[index] or (0.0,))[0],
        )
        for index in range(frames)
    ]


def _grid(position: Numbers, orientation: Numbers, spacing: Numbers) -> Grid | None:
    if position is None or orientation is None or spacing is None:
        return None
    return Grid(np.array(position), np.array(orientation).reshape(2, 3), spacing)


def _per_frame(header: Dataset, keyword: str, count: int, frames: int) -> list[Numbers]:
    """The attribute's numbers for each frame, None where it lacks them or they are not `count` numbers."""
    found = [_numbers(values, count) for values in frame_values(header, keyword)] or [None]
    return found * frames if len(found) == 1 else (found + [None] * frames)[:frames]


def _numbers(values: Sequence[Any], count: int) -> Numbers:
    try:
        numbers = tuple(float(value) for value in values)
    except (TypeError, ValueError):
        return None
    return numbers if len(numbers) == count and all(map(math.isfinite, numbers)) else None


def _whole(header: Dataset, keyword: str) -> int:
    return int((numbers_of(header, keyword, 1) or (0,))[0])
