# SPDX-License-Identifier: Apache-2.0
"""Resampling as TotalSegmentator's `change_spacing` does it, without its copies in float64.

Like `scipy.ndimage.zoom` it puts the centres of the first and of the last voxel of both grids on each other.
Linear and nearest interpolation are separable, so an axis at a time needs only the voxels that it uses.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def linear(
    array: NDArray[Any], shape: tuple[int, ...], box: Sequence[slice] = (slice(None),) * 3
) -> NDArray[np.float32]:
    """`array` (x, y, z) on the points in `box` of a grid of `shape`, linearly interpolated."""
    result = array
    for axis in np.argsort(np.divide(shape, array.shape)):  # the axis that shrinks most goes first
        result = _linear_axis(result, shape[axis], box[axis], int(axis))
    return np.asarray(result, np.float32)


def _linear_axis(array: NDArray[Any], count: int, part: slice, axis: int) -> NDArray[Any]:
    if array.shape[axis] == count:
        return array[(slice(None),) * axis + (part,)]
    places = _places(array.shape[axis], count)[part]
    below = np.minimum(places.astype(int), array.shape[axis] - 1)
    above = np.minimum(below + 1, array.shape[axis] - 1)
    share = (places - below).astype(np.float32).reshape([-1 if each == axis else 1 for each in range(3)])
    low, high = _picked(array, below, axis), _picked(array, above, axis)
    return low + share * (high - low)


def nearest(labels: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """`labels` (x, y, z) on a grid of `shape`, each voxel the nearest one's."""
    for axis in range(3):
        if labels.shape[axis] != shape[axis]:
            places = np.floor(_places(labels.shape[axis], shape[axis]) + 0.5).astype(int)
            labels = _picked(labels, np.minimum(places, labels.shape[axis] - 1), axis)
    return labels


def _picked(array: NDArray[Any], places: NDArray[np.int64], axis: int) -> NDArray[Any]:
    """Whole planes; `np.take` would copy all of an array that is not contiguous first."""
    return np.asarray(array[(slice(None),) * axis + (places,)])


def _places(before: int, after: int) -> NDArray[np.float64]:
    """Where each of `after` voxels lies among `before`."""
    step = (before - 1) / (after - 1) if after > 1 else 0.0
    return np.arange(after) * step


def shape_for(shape: tuple[int, ...], spacing_mm: Any, wanted_mm: Any) -> tuple[int, ...]:
    """How many voxels of `wanted_mm` there are along each axis."""
    return tuple(
        round(count * each) for count, each in zip(shape, np.divide(spacing_mm, wanted_mm), strict=True)
    )
