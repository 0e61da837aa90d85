# SPDX-License-Identifier: Apache-2.0
"""The same volume on coarser and coarser grids: decisions on the coarse one, edges on the fine one."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .morphology import Bools, block_mean

Box = tuple[slice, slice, slice]
Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Level:
    """HU (slices, rows, columns), where there is no image, voxel size, and voxels of the next finer level."""

    hu: NDArray[np.float32]
    padding: Bools | None
    spacing_mm: Triple
    factors: tuple[int, int, int] = (1, 1, 1)

    @property
    def voxel_ml(self) -> float:
        """The volume of one voxel."""
        return float(np.prod(self.spacing_mm)) / 1000

    def coarser(self, about_mm: float) -> "Level":
        """The level whose voxels are means over whole blocks, about `about_mm` wide."""
        z, y, x = (
            max(1, min(round(about_mm / step), count))
            for step, count in zip(self.spacing_mm, self.hu.shape, strict=True)
        )
        dz, dy, dx = self.spacing_mm
        hu = block_mean(self.hu, (z, y, x))
        padding = None if self.padding is None else block_any(self.padding, (z, y, x))
        return Level(hu, padding, (dz * z, dy * y, dx * x), (z, y, x))

    def part(self, box: Box) -> "Level":
        """What lies in `box`, without padding."""
        return Level(self.hu[box], None, self.spacing_mm)

    def finer_box(self, box: Box) -> Box:
        """The same box in voxels of the next finer level."""
        z, y, x = (slice(s.start * f, s.stop * f) for s, f in zip(box, self.factors, strict=True))
        return z, y, x

    def enlarge(self, array: NDArray[Any]) -> NDArray[Any]:
        """Values of this level in voxels of the next finer level."""
        for axis, factor in enumerate(self.factors):
            array = array.repeat(factor, axis) if factor > 1 else array
        return array


def block_any(mask: Bools, factors: tuple[int, int, int]) -> Bools:
    """Whether any voxel of each block is set."""
    for axis, factor in enumerate(factors):
        if factor > 1:
            whole = mask.shape[axis] // factor * factor
            starts = np.arange(0, whole, factor)
            mask = np.logical_or.reduceat(mask.take(range(whole), axis), starts, axis) if whole else mask[:0]
    return mask


def box_of(mask: Bools, margin: int) -> Box | None:
    """The box round what is set, wider by `margin` voxels across, within the array; None when nothing is."""
    if not mask.any():
        return None
    sides = []
    for axis in range(3):
        others = tuple(k for k in range(3) if k != axis)
        places = np.flatnonzero(mask.any(others))
        sides.append(slice(max(places[0] - margin, 0), min(places[-1] + 1 + margin, mask.shape[axis])))
    return sides[0], sides[1], sides[2]
