# SPDX-License-Identifier: Apache-2.0
"""Any stack of slices, seen as slices towards the head, rows towards the back, columns towards the left.

The axes are turned and flipped, never resampled, so every voxel keeps its value and nothing is copied.
"""

from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

TOWARDS = (2, 1, 0)  # the patient axis (LPS) that slices, rows and columns follow


@dataclass(frozen=True)
class Orientation:
    """How to turn the axes of a volume; `spacing_mm` is (slice, row, column) after the turn."""

    axes: tuple[int, int, int]
    flipped: tuple[int, ...]
    spacing_mm: tuple[float, float, float]

    @classmethod
    def of(cls, affine: NDArray[np.float64]) -> "Orientation":
        """The turn for an affine from (slice, row, column) to LPS mm, oblique ones to the nearest axes."""
        steps = np.asarray(affine, float)[:3, :3]
        lengths = np.linalg.norm(steps, axis=0)
        along = steps / lengths
        axes = max(
            permutations(range(3)),
            key=lambda order: sum(abs(along[to, axis]) for to, axis in zip(TOWARDS, order, strict=True)),
        )
        flipped = tuple(k for k, axis in enumerate(axes) if along[TOWARDS[k], axis] < 0)
        slice_mm, row_mm, column_mm = (float(lengths[axis]) for axis in axes)
        return cls((axes[0], axes[1], axes[2]), flipped, (slice_mm, row_mm, column_mm))

    def turn(self, array: NDArray[Any]) -> NDArray[Any]:
        """A view of `array` (slices, rows, columns) with its axes turned."""
        return np.flip(array.transpose(self.axes), self.flipped)

    def turn_back(self, array: NDArray[Any]) -> NDArray[Any]:
        """What was turned, as it was stored."""
        return np.ascontiguousarray(np.flip(array, self.flipped).transpose(np.argsort(self.axes)))
