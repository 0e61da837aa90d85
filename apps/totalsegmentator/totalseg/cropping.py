# SPDX-License-Identifier: Apache-2.0
"""The box round the body on CT: the air round the patient need not be searched for organs."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

BODY_HU = -300.0
COARSE_MM, MARGIN_MM = 4.0, 12.0
LEAST_ML = 20.0
STRIDE = 4  # voxels, of the first stages of a U-Net
Box = tuple[slice, slice, slice]
OPENING_MM = 8.0  # what is thinner than twice this, like a table's top, does not count


def body_box(hu: NDArray[Any], spacing_mm: Sequence[float], least_mm: Sequence[float]) -> Box:
    """Where what is not air lies in `hu`, with a margin; everything when there is nothing.

    Arms and legs may be pieces of their own; only what is smaller than any, LEAST_ML, is left out.
    least_mm: never smaller than this, where the image is not: a network's patch, which would else be filled up
    with what it has never seen.
    """
    steps = tuple(max(1, int(COARSE_MM / each)) for each in spacing_mm)
    tissue = hu[tuple(slice(None, None, step) for step in steps)] > BODY_HU
    coarse_mm = np.multiply(steps, spacing_mm)
    pieces, _ = ndimage.label(_opened(tissue, coarse_mm))
    large = np.bincount(pieces.ravel()) * np.prod(coarse_mm) / 1000 >= LEAST_ML
    large[0] = False
    if not large.any():
        return slice(0, hu.shape[0]), slice(0, hu.shape[1]), slice(0, hu.shape[2])
    [found] = ndimage.find_objects(large[pieces].astype(np.uint8))
    given = zip(found, steps, spacing_mm, least_mm, hu.shape, strict=True)
    x, y, z = (_widened(one, step, mm, least / mm, size) for one, step, mm, least, size in given)
    return x, y, z


def _opened(tissue: NDArray[np.bool_], spacing_mm: NDArray[np.float64]) -> NDArray[np.bool_]:
    """In the plane across the patient only: a body that ends at the scan's first slice is not thin."""
    for axis in (0, 1):
        reach = max(1, round(OPENING_MM / spacing_mm[axis]))
        line = np.ones([2 * reach + 1 if each == axis else 1 for each in range(3)], bool)
        tissue = ndimage.binary_opening(tissue, line)
    return tissue


def _widened(found: slice, step: int, mm: float, least: float, size: int) -> slice:
    """`found` in voxels of the full grid, with the margin, at least `least` voxels long."""
    first, last = found.start * step - MARGIN_MM / mm, found.stop * step + MARGIN_MM / mm
    more = max(0.0, least - (last - first)) / 2
    start = _even(max(0, round(first - more)))
    stop = min(size, max(round(last), start + round(least)))
    if stop == size:
        start = _even(min(start, max(0, size - round(least))))
    return slice(start, stop)


def _even(start: int) -> int:
    """Where a network's coarser stages lie as they would from the image's edge."""
    return start - start % STRIDE
