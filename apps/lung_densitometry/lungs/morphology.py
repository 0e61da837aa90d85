# SPDX-License-Identifier: Apache-2.0
"""Fast morphology on boolean volumes (slices, rows, columns): shifted arrays are ORed and ANDed.

Some ten times faster than scipy's iterated dilation at these sizes, because a plane stays in the cache.
"""

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
# Which neighbours ndimage.label joins: those in the same plane.
IN_PLANE = np.array([[[0, 0, 0]] * 3, [[0, 1, 0], [1, 1, 1], [0, 1, 0]], [[0, 0, 0]] * 3], bool)
DIAGONAL = 0.586  # an octagon of radius r is a square of 0.414 r swept over a diamond of 0.586 r


def block_mean(array: NDArray[np.float32], factors: tuple[int, int, int]) -> NDArray[np.float32]:
    """The mean of every block of `factors` voxels; what is left over at the far ends belongs to no block."""
    z, y, x = (count // factor for count, factor in zip(array.shape, factors, strict=True))
    total = np.zeros((z, y, x), np.float32)
    for plane in range(z):
        for k in range(factors[0]):
            rows = array[plane * factors[0] + k, : y * factors[1], : x * factors[2]]
            sums = rows.reshape(y, factors[1], -1).sum(1, dtype=np.float32)
            for column in range(factors[2]):
                total[plane] += sums[:, column :: factors[2]]
    total /= np.prod(factors)
    return total


def dilate(mask: Bools, steps: int = 1, axes: tuple[int, ...] | None = None) -> Bools:
    """Grow by a voxel to both sides along each of `axes` (None: all of them), `steps` times."""
    for _ in range(steps):
        grown = mask.copy()
        for axis in range(mask.ndim) if axes is None else axes:
            ahead, behind = _halves(mask.ndim, axis)
            grown[ahead] |= mask[behind]
            grown[behind] |= mask[ahead]
        mask = grown
    return mask


def erode(mask: Bools, steps: int = 1, axes: tuple[int, ...] | None = None) -> Bools:
    """Shrink by a voxel from both sides along `axes`, `steps` times; beyond the array counts as inside."""
    return ~dilate(~mask, steps, axes)


def close_planes(mask: Bools, radius: tuple[float, float]) -> Bools:
    """Close every plane with an octagon of `radius` voxels along rows and columns."""
    diamond = round(min(radius) * DIAGONAL)
    square = (max(0, round(radius[0]) - diamond), max(0, round(radius[1]) - diamond))
    return np.stack([_close(plane, diamond, square) for plane in mask]) if len(mask) else mask


def _close(plane: Bools, diamond: int, square: tuple[int, int]) -> Bools:
    if not plane.any():
        return plane
    top, left = (diamond + side for side in square)
    grown = _sweep(np.pad(plane, ((top, top), (left, left))), diamond, square)
    closed = ~_sweep(~grown, diamond, square)
    return closed[top : top + plane.shape[0], left : left + plane.shape[1]]


def _sweep(plane: Bools, diamond: int, square: tuple[int, int]) -> Bools:
    grown = dilate(plane, diamond)
    for axis, side in enumerate(square):
        grown = dilate(grown, side, (axis,))
    return grown


def grow_labels(labels: NDArray[np.uint8], within: Bools, steps: int) -> NDArray[np.uint8]:
    """Let every label grow into the zeros of `within`, a voxel a step; where two meet, the lower one wins."""
    labels = labels.copy()
    names = [int(name) for name in np.unique(labels) if name]
    for _ in range(steps):
        free = within & (labels == 0)
        fronts = [(name, dilate(labels == name) & free) for name in names]
        if not any(front.any() for _, front in fronts):
            break
        for name, front in reversed(fronts):
            labels[front] = name
    return labels


def _halves(ndim: int, axis: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    ahead, behind = [slice(None)] * ndim, [slice(None)] * ndim
    ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
    return tuple(ahead), tuple(behind)
