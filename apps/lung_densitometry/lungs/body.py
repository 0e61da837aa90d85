# SPDX-License-Identifier: Apache-2.0
"""The body on a coarse grid, and the air within it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .levels import Level
from .morphology import IN_PLANE, Bools, dilate, erode

TISSUE_HU = -400.0  # halfway between lung and soft tissue, so that partial volume does not move the edge
GAS_HU = -950.0
FILLED = 0.45  # with less gas than this round a slice's edge, the body fills the field of view
LEAST_TISSUE = 0.1  # of a slice, or it is no slice of a body
DEPTH_MM = 40.0  # how far a lung that is cut off reaches from the edge; foam of a table does not
SHELL, HANG = 2, 6  # voxels: thinner parts are taken off, and put back where they are this close to the rest


@dataclass(frozen=True)
class Body:
    """`tissue`: the body without table; `hollow`: air within it; `cut`: hollow that the field cuts off."""

    tissue: Bools
    hollow: Bools
    cut: Bools

    @property
    def middle(self) -> float:
        """The column of the midline: halfway across the body, the median of the slices."""
        columns = np.asarray(self.tissue.any(1))
        first, last = columns.argmax(1), columns.shape[1] - 1 - columns[:, ::-1].argmax(1)
        filled = columns.any(1)
        return float(np.median((first + last)[filled] / 2)) if filled.any() else columns.shape[1] / 2


def find_body(level: Level) -> Body:
    """The body in `level`, whose voxels are about 3 mm wide."""
    padding = np.zeros(level.hu.shape, bool) if level.padding is None else level.padding
    tissue = _without_table((level.hu > TISSUE_HU) & ~padding, padding)
    regions, count = ndimage.label(~(tissue | padding), IN_PLANE)
    edge = np.zeros(padding.shape, bool)
    edge[:, [0, -1], :] = edge[:, :, [0, -1]] = True
    rim = (edge | dilate(padding, 1, (1, 2))) & ~padding
    is_open = np.zeros(count + 1, bool)
    is_open[np.unique(regions[rim])] = True
    is_cut = is_open & _lung_like(level, regions, rim, tissue)
    is_open[0], is_cut[0] = True, False  # the body itself, and padding
    return Body(tissue, (~is_open | is_cut)[regions], is_cut[regions])


def _without_table(tissue: Bools, padding: Bools) -> Bools:
    """The biggest solid part and what hangs closely on it; thin shells like a table's are left out.

    The body goes on beyond the field of view: what that cuts thin is not a shell.
    """
    solid = dilate(erode(tissue | padding, SHELL, (1, 2)), SHELL, (1, 2)) & tissue
    parts, count = ndimage.label(solid)
    if not count:
        return solid
    body = parts == 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))
    for _ in range(HANG):
        body = dilate(body) & tissue
    return np.asarray(body)


def _lung_like(level: Level, regions: NDArray[np.int32], rim: Bools, tissue: Bools) -> Bools:
    """Which regions are denser than gas, deep, and in slices whose field of view the body fills."""
    gas = (rim & (level.hu < GAS_HU)).sum((1, 2))
    filled = (gas < FILLED * rim.sum((1, 2))) & (tissue.mean((1, 2)) > LEAST_TISSUE)
    inside, count = regions[filled].ravel(), int(regions.max()) + 1
    voxels = np.bincount(inside, minlength=count)
    sums = np.bincount(inside, level.hu[filled].ravel(), minlength=count)
    edge = np.bincount(regions[rim], minlength=count)
    return np.asarray((sums > GAS_HU * voxels) & (voxels * level.spacing_mm[2] > DEPTH_MM * edge))
