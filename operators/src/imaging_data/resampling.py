# SPDX-License-Identifier: Apache-2.0
"""Slices that make no regular grid of their own, brought onto one; and labels brought back onto the slices.

A tilted gantry leaves each slice shifted within its plane, a change of slice distance leaves them unevenly
spaced.  The grid has the slices' own rows, columns and pixel spacing, is as wide as all of them together, and
is filled by linear interpolation between what is there.  Labels go back to the nearest voxel, so they lie
within half a voxel of where they lay in the grid.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

CLOSE = 1e-3  # voxels: nearer than this a slice lies on the grid and is taken as it is


@dataclass(frozen=True, eq=False)
class Resampling:
    """Where source slices lie in the grid.

    places: float64 (slices, 3), the index (slice, row, column) in the grid of the first pixel of each source
    slice, in their order; the first column grows.  shape: (slices, rows, columns) of the source.
    """

    places: NDArray[np.float64]
    shape: tuple[int, int, int]

    @property
    def grid_shape(self) -> tuple[int, int, int]:
        """(slices, rows, columns) of the grid: it holds every source slice whole."""
        slices = round(float(self.places[-1, 0])) + 1
        rows, columns = np.ceil(self.places[:, 1:].max(axis=0) - CLOSE).astype(int) + self.shape[1:]
        return slices, int(rows), int(columns)

    def onto_grid(
        self, array: NDArray[np.float32], padding: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Source slices (slices, rows, columns) as the grid's, and where the grid has no image.

        There it holds the smallest value, as a Volume does in its padding.
        """
        grid = np.full(self.grid_shape, np.nan, np.float32)
        for place, (below, above, weight) in enumerate(self._neighbours()):
            lower = self._in_plane(array, padding, below)
            upper = self._in_plane(array, padding, above) if weight else lower
            grid[place] = lower + np.float32(weight) * (upper - lower)
        outside = np.isnan(grid)
        grid[outside] = array.min()
        return grid, outside

    def labels_on_source(self, labelmap: NDArray[Any]) -> NDArray[Any]:
        """Labels of the grid on the source slices: of each pixel those of the voxel nearest to it.

        Raises ValueError when `labelmap` does not have the grid's shape.
        """
        if labelmap.shape != self.grid_shape:
            raise ValueError(f"the labelmap has shape {labelmap.shape}, the grid {self.grid_shape}")
        _, rows, columns = self.shape
        return np.stack(
            [
                labelmap[place, row : row + rows, column : column + columns]
                for place, row, column in np.rint(self.places).astype(int)
            ]
        )

    def _neighbours(self) -> Iterator[tuple[int, int, float]]:
        """For each slice of the grid the source slices below and above it, and the weight of the upper."""
        heights = self.places[:, 0]
        for place in range(self.grid_shape[0]):
            above = min(int(np.searchsorted(heights, place - CLOSE)), len(heights) - 1)
            below = max(above - 1, 0)
            gap = heights[above] - heights[below]
            weight = float((place - heights[below]) / gap) if gap else 0.0
            yield (above, above, 0.0) if weight > 1 - CLOSE else (below, above, weight)

    def _in_plane(
        self, array: NDArray[np.float32], padding: NDArray[np.bool_] | None, index: int
    ) -> NDArray[np.float32]:
        """One source slice on the grid's rows and columns; NaN where there is none of it."""
        image = array[index]
        if padding is not None and padding[index].any():
            image = np.where(padding[index], np.float32(np.nan), image)
        starts = []
        for axis, at in enumerate(self.places[index, 1:]):
            start = int(np.ceil(at - CLOSE))
            image = _between(image, axis, max(start - float(at), 0.0))
            starts.append(start)
        plane = np.full(self.grid_shape[1:], np.nan, np.float32)
        row, column = starts
        plane[row : row + image.shape[0], column : column + image.shape[1]] = image
        return plane


def _between(image: NDArray[np.float32], axis: int, weight: float) -> NDArray[np.float32]:
    """Values `weight` of a pixel behind each pixel along `axis`; one pixel fewer unless weight is 0."""
    if weight <= CLOSE:
        return image
    first, second = (image[:-1], image[1:]) if axis == 0 else (image[:, :-1], image[:, 1:])
    return first + np.float32(weight) * (second - first)
