# SPDX-License-Identifier: Apache-2.0
"""The slices of a series, before their pixels are read."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from .errors import NoPosition, UnreadableInstance, UnsupportedPixels
from .instances import Series, SeriesInstance
from .values import PER_FRAME, SHARED, items_of, numbers_of, values_of

SHOWN = 5  # slices a message names before it says 'and more'

MACROS = {  # the functional group an attribute stands in (PS3.3 section C.7.6.16.2)
    "ImagePositionPatient": "PlanePositionSequence",
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "PixelSpacing": "PixelMeasuresSequence",
    "SliceThickness": "PixelMeasuresSequence",
    "SpacingBetweenSlices": "PixelMeasuresSequence",
    "RescaleSlope": "PixelValueTransformationSequence",
    "RescaleIntercept": "PixelValueTransformationSequence",
}


@dataclass(frozen=True, eq=False)
class Slice:
    """One slice: a single-frame instance, or one frame of a multi-frame instance.

    frame: its number in the instance, from 1.  groups: its own and the shared functional groups, where the
    instance has any.  What is missing or unusable is NaN.
    """

    instance: SeriesInstance
    frame: int = 1
    groups: tuple[Dataset, ...] = ()

    @property
    def dataset(self) -> Dataset:
        """The attributes of the instance."""
        return self.instance.dataset

    @property
    def name(self) -> str:
        """How messages name the slice: file, and InstanceNumber or frame."""
        if _frame_count(self.dataset) > 1:
            return f"{self.instance.path.name} (frame {self.frame})"
        number = values_of(self.dataset, "InstanceNumber")
        return f"{self.instance.path.name} (InstanceNumber {number[0] if number else 'missing'})"

    @property
    def size(self) -> tuple[int, int]:
        """Rows and Columns; 0 where they are unusable."""
        rows, columns = (numbers_of(self.dataset, keyword, 1) or (0,) for keyword in ("Rows", "Columns"))
        return int(rows[0]), int(columns[0])

    @cached_property
    def position(self) -> NDArray[np.float64]:
        """ImagePositionPatient (3,): the centre of the first voxel, LPS mm (PS3.3 section C.7.6.2.1.1)."""
        return np.array(self.numbers("ImagePositionPatient", 3) or [np.nan] * 3)

    @cached_property
    def orientation(self) -> NDArray[np.float64]:
        """ImageOrientationPatient (2, 3): the directions in which column and row index grow."""
        return np.array(self.numbers("ImageOrientationPatient", 6) or [np.nan] * 6).reshape(2, 3)

    @cached_property
    def pixel_spacing(self) -> NDArray[np.float64]:
        """PixelSpacing (2,): mm between rows, and between columns; NaN unless both are positive."""
        numbers = self.numbers("PixelSpacing", 2)
        return np.array(numbers if numbers and min(numbers) > 0 else [np.nan] * 2)

    def numbers(self, keyword: str, count: int) -> tuple[float, ...] | None:
        """The numbers of an attribute: of this frame, of all frames, or of the instance, in this order."""
        macro = MACROS[keyword]
        places = [item for groups in self.groups for item in items_of(groups, macro)[:1]]
        found = (numbers_of(place, keyword, count) for place in (*places, self.dataset))
        return next((numbers for numbers in found if numbers is not None), None)


def slices_of(series: Series) -> list[Slice]:
    """The slices of `series`, frame by frame, in the order of the instances.

    Raises UnsupportedPixels for an instance that is no image, UnreadableInstance when a multi-frame instance
    does not describe every frame, NoPosition when it describes none.
    """
    return [one for instance in series.instances for one in frames_of(instance)]


def frames_of(instance: SeriesInstance) -> list[Slice]:
    """The slices of one instance, in the order of its frames.  Raises as `slices_of`."""
    dataset = instance.dataset
    if not values_of(dataset, "Rows"):
        raise UnsupportedPixels(f"{instance.path.name} is no image (it has no Rows).")
    count = _frame_count(dataset)
    own, shared = items_of(dataset, PER_FRAME), items_of(dataset, SHARED)[:1]
    if not own and not shared and count == 1:
        return [Slice(instance)]
    if not own:
        raise NoPosition(f"{instance.path.name} does not describe where its {count} frames lie.")
    if len(own) != count:
        raise UnreadableInstance(
            f"{instance.path.name} has {count} frames (NumberOfFrames) and describes {len(own)}."
        )
    return [Slice(instance, number, (groups, *shared)) for number, groups in enumerate(own, start=1)]


def _frame_count(dataset: Dataset) -> int:
    numbers = numbers_of(dataset, "NumberOfFrames", 1)
    return int(numbers[0]) if numbers else 1


def named(slices: Iterable[Slice]) -> str:
    """The first few slices by name, and how many more."""
    names = [one.name for one in slices]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
