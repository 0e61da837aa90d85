# SPDX-License-Identifier: Apache-2.0
"""A series as voxels with geometry."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread

from .errors import NoPosition
from .instances import Series, SeriesInstance


@dataclass(frozen=True, eq=False)
class Volume:
    """Real-world values on a regular grid in the patient.

    array: float32 (slices, rows, columns); HU for CT.
    affine: float64 (4, 4), LPS millimetres of index (slice, row, column).
    spacing_mm: distances of neighbouring voxels (slice, row, column).
    padding: bool (slices, rows, columns), True where there is no image; None when there is no padding.
    """

    array: NDArray[np.float32]
    affine: NDArray[np.float64]
    spacing_mm: tuple[float, float, float]
    series: Series
    frame_of_reference_uid: str | None
    sources: tuple[tuple[SeriesInstance, int], ...]
    padding: NDArray[np.bool_] | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """(slices, rows, columns)."""
        slices, rows, columns = self.array.shape
        return slices, rows, columns

    def source_of(self, slice_index: int) -> SeriesInstance:
        """The instance that slice came from."""
        return self.sources[slice_index][0]

    def frame_number_of(self, slice_index: int) -> int:
        """The frame of `source_of(slice_index)` that slice came from, from 1."""
        return self.sources[slice_index][1]

    def with_array(self, array: NDArray[Any]) -> "Volume":
        """The same grid with other values.  Raises ValueError when the shape differs."""
        if array.shape != self.array.shape:
            raise ValueError(f"the array has shape {array.shape}, the volume {self.array.shape}")
        return replace(self, array=np.asarray(array, np.float32))

    def to_highdicom(self) -> Any:
        """The same as a `highdicom.Volume`."""
        from highdicom import Volume as HighdicomVolume  # half a second, which few callers need

        return HighdicomVolume(
            self.array, self.affine, "PATIENT", frame_of_reference_uid=self.frame_of_reference_uid
        )


def read_volume(series: Series) -> Volume:
    """The series as one volume, sorted along the normal."""
    slices = []
    for instance in series.instances:
        dataset = dcmread(instance.path)
        if "ImagePositionPatient" not in dataset:
            raise NoPosition(instance.path.name)
        slices.append((dataset, instance))
    first = slices[0][0]
    right, down = np.array(first.ImageOrientationPatient, float).reshape(2, 3)
    normal = np.cross(right, down)
    slices.sort(key=lambda one: float(normal @ np.array(one[0].ImagePositionPatient, float)))
    array = np.stack(
        [
            one.pixel_array.astype(np.float32) * float(one.get("RescaleSlope", 1))
            + float(one.get("RescaleIntercept", 0))
            for one, _ in slices
        ]
    ).astype(np.float32)
    origin = np.array(slices[0][0].ImagePositionPatient, float)
    last = np.array(slices[-1][0].ImagePositionPatient, float)
    rows_mm, columns_mm = map(float, first.PixelSpacing)
    step = float(normal @ (last - origin)) / max(len(slices) - 1, 1) or float(
        first.get("SliceThickness") or 1
    )
    affine = np.eye(4)
    affine[:3] = np.stack([normal * step, down * rows_mm, right * columns_mm, origin], axis=1)
    return Volume(
        array=array,
        affine=affine,
        spacing_mm=(step, rows_mm, columns_mm),
        series=series,
        frame_of_reference_uid=first.get("FrameOfReferenceUID"),
        sources=tuple((instance, 1) for _, instance in slices),
    )
