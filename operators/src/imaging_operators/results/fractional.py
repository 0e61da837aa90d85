# SPDX-License-Identifier: Apache-2.0
"""Probabilities as a DICOM Segmentation of type FRACTIONAL (PS3.3 C.8.20.2.3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from ..errors import InvalidResult, NotANumber
from .base import ResultContext
from .frames import Frame
from .guard import Expected, check_frames
from .multiframe import put_frames
from .segmentation import put_pixels
from .segments import Segment, check_numbers, names_of, one_frame

FULL = 255  # MaximumFractionalValue: what stands for a probability of 1


@dataclass(frozen=True, eq=False)
class FractionalSegmentation:
    """How probable each segment is in each voxel of the volume that `predict` was given.

    probabilities: floats from 0 to 1 (segments, slices, rows, columns); of one segment the first axis may be
    left out.  They are kept in steps of 1/255.  For programs: OHIF loads such an object and draws nothing.
    Raises InvalidResult for another shape, values outside 0 to 1, or nothing but zeros; NotANumber.
    """

    probabilities: NDArray[Any]
    segments: Sequence[Segment]
    kind: ClassVar[str] = "fractional-segmentation"

    def __post_init__(self) -> None:
        check_numbers(self.segments)
        values = self.probabilities
        if values.ndim not in (3, 4) or self._by_segment.shape[0] != len(self.segments):
            raise InvalidResult(
                f"The probabilities have shape {values.shape}; ({len(self.segments)}, slices, rows, columns) "
                f"is needed."
            )
        if not np.isfinite(values).all():
            raise NotANumber("In the probabilities.")
        low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
        if low < 0 or high > 1:
            raise InvalidResult(
                f"The probabilities reach from {low:.4g} to {high:.4g}.", "Apply the softmax."
            )
        if not self._steps.any():
            raise InvalidResult("The probabilities are 0.", "Return none when nothing was found.")

    @property
    def _by_segment(self) -> NDArray[Any]:
        return self.probabilities[None] if self.probabilities.ndim == 3 else self.probabilities

    @cached_property
    def _steps(self) -> NDArray[np.uint8]:
        """Steps of 1/255 (segments, slices, rows, columns)."""
        steps: NDArray[np.uint8] = np.rint(self._by_segment * FULL).astype(np.uint8)
        return steps

    def to_dicom(self, context: ResultContext) -> Dataset:
        """The SEG, without empty frames.  Raises InvalidResult when the shape is not the volume's."""
        steps = self._on_source(context)
        shown = np.argwhere(steps.any(axis=(2, 3)))
        frames = [Frame(int(index), int(segment) + 1) for segment, index in shown]
        dataset = one_frame(self.segments, context, "FRACTIONAL")
        put_frames(dataset, frames, context)
        pixels = steps[tuple(shown.T)].tobytes()
        put_pixels(dataset, pixels + bytes(len(pixels) % 2))
        return dataset

    def check_written(self, content: bytes, context: ResultContext) -> None:
        """Compare every frame of the written object with the probabilities.  Raises WrongGeometry."""
        steps = self._on_source(context)
        expected = Expected(
            lambda index, number: steps[number - 1, index],
            int(np.count_nonzero(steps)),
            names_of(self.segments),
        )
        check_frames(content, context.volume, expected)

    def _on_source(self, context: ResultContext) -> NDArray[np.uint8]:
        volume = context.volume
        if self._steps.shape[1:] != volume.shape:
            raise InvalidResult(
                f"The probabilities have shape {self._steps.shape[1:]}, the volume has {volume.shape}.",
                "Bring them back to the volume's grid before returning them.",
            )
        return np.stack([volume.labels_on_source(values) for values in self._steps])
