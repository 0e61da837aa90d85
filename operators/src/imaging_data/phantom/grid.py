# SPDX-License-Identifier: Apache-2.0
"""Where a phantom is sampled: an axial grid in patient coordinates."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Grid:
    """An axial grid: `shape` and `spacing_mm` as (slice, row, column).

    `origin_mm` is the centre of the first voxel as (x, y, z).  Slices run towards the head, rows towards the
    back, columns towards the left (LPS).
    """

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    origin_mm: tuple[float, float, float]

    @classmethod
    def over(
        cls,
        shape: tuple[int, int, int],
        z_range: tuple[float, float],
        field_of_view_mm: float,
        centre: tuple[float, float] = (0, 0),
    ) -> "Grid":
        """The grid of `shape` that fills `z_range` and, across, a field of view round `centre` (x, y)."""
        slices, rows, columns = shape
        dz, dy, dx = (z_range[1] - z_range[0]) / slices, field_of_view_mm / rows, field_of_view_mm / columns
        left, front = centre[0] - field_of_view_mm / 2, centre[1] - field_of_view_mm / 2
        return cls(shape, (dz, dy, dx), (left + dx / 2, front + dy / 2, z_range[0] + dz / 2))

    @property
    def voxel_ml(self) -> float:
        """The volume of one voxel."""
        return float(np.prod(self.spacing_mm)) / 1000

    @property
    def coordinates(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """z of each slice, y of each row, x of each column, in mm."""
        z, y, x = (
            (start + step * np.arange(count)).astype(np.float32)
            for start, step, count in zip(self.origin_mm[::-1], self.spacing_mm, self.shape, strict=True)
        )
        return z, y, x

    @property
    def affine(self) -> NDArray[np.float64]:
        """4x4, from (slice, row, column) to LPS mm."""
        affine = np.zeros((4, 4))
        affine[2, 0], affine[1, 1], affine[0, 2] = self.spacing_mm
        affine[:3, 3], affine[3, 3] = self.origin_mm, 1
        return affine

    def finer(self, factor: int) -> "Grid":
        """The grid with `factor` points along each axis of every voxel."""
        shape = (self.shape[0] * factor, self.shape[1] * factor, self.shape[2] * factor)
        spacing = (self.spacing_mm[0] / factor, self.spacing_mm[1] / factor, self.spacing_mm[2] / factor)
        x, y, z = (
            start - (old - new) / 2
            for start, old, new in zip(self.origin_mm, self.spacing_mm[::-1], spacing[::-1], strict=True)
        )
        return Grid(shape, spacing, (x, y, z))
