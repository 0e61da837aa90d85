# SPDX-License-Identifier: Apache-2.0
"""Points, lines and outlines that an author draws in voxels, and where they are in the source's images."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imaging_data.radiograph import Radiograph

from ..errors import InvalidResult
from .evidence import Reference
from .source import Source

PIXEL_CENTRE = 0.5  # of the pixel in row 0, column 0: PS3.3 C.10.5.1.2 and C.18.6.1.2 count from its corner


@dataclass(frozen=True)
class Mark:
    """A point, a line or an outline in one image.

    points: (row, column) in pixels of the array, whole numbers being the centres of pixels; one is a point,
    several are a line, which is closed when the last is the first.
    slice_index: which slice of the volume; 0 for a radiograph.
    text: what a viewer writes beside it.
    Raises InvalidResult without points or for a coordinate that is not finite.
    """

    points: Sequence[tuple[float, float]]
    slice_index: int = 0
    text: str = ""

    def __post_init__(self) -> None:
        if not self.points:
            raise InvalidResult("A Mark without points.", "Leave it out.")
        if not all(math.isfinite(value) for point in self.points for value in point):
            raise InvalidResult(f"A Mark at {list(self.points)}.", "Leave out what has no place.")

    @property
    def is_closed(self) -> bool:
        """Whether it is an outline: at least three points, and the last is the first."""
        return len(self.points) > 3 and tuple(self.points[0]) == tuple(self.points[-1])

    @property
    def graphic_type(self) -> str:
        """POINT or POLYLINE (PS3.3 C.10.5.2 and C.18.6.1.1)."""
        return "POINT" if len(self.points) == 1 else "POLYLINE"

    @property
    def graphic_data(self) -> NDArray[np.float64]:
        """float64 (points, 2): column and row, counted from the corner of the image."""
        return np.asarray(self.points, np.float64)[:, ::-1] + PIXEL_CENTRE


@dataclass(frozen=True)
class ImagePlace:
    """One image of the source: the instance and, of an Enhanced one, the frame."""

    instance: Reference
    frame_number: int | None = None

    @property
    def frames(self) -> list[int] | None:
        """The frame numbers as references list them; None stands for all of a single-frame instance."""
        return None if self.frame_number is None else [self.frame_number]


def image_at(source: Source, slice_index: int) -> ImagePlace:
    """The image that is slice `slice_index` of what the app read.

    Raises InvalidResult for a slice that there is not, and for slices of a volume that was resampled: they are
    no images of the source.
    """
    if not isinstance(source.image, Radiograph) and source.image.resampling is not None:
        raise InvalidResult(
            "A place in a slice of a volume that was resampled: no image of the source is that slice.",
            "Give the place as points (slice, row, column) of a Measurement, or do not resample.",
        )
    count = 1 if isinstance(source.image, Radiograph) else len(source.image.sources)
    if not 0 <= slice_index < count:
        raise InvalidResult(f"There is no slice {slice_index}; the slices are 0 to {count - 1}.")
    if isinstance(source.image, Radiograph):
        return ImagePlace(source.references[0])
    piece = source.slices[slice_index]
    return ImagePlace(piece.instance, piece.frame_number)


def check_inside(mark: Mark, source: Source) -> None:
    """Raises InvalidResult for a mark outside its image."""
    rows, columns = source.image.array.shape[-2:]
    for row, column in mark.points:
        if not (
            -PIXEL_CENTRE <= row <= rows - PIXEL_CENTRE and -PIXEL_CENTRE <= column <= columns - PIXEL_CENTRE
        ):
            raise InvalidResult(f"A mark at row {row}, column {column} of an image of {rows} x {columns}.")
