# SPDX-License-Identifier: Apache-2.0
"""From grey values to what the model takes: a centred square of 224 pixels, -1024 to 1024."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

SIDE = 224
HIGHEST = 1024.0
Floats = NDArray[np.float32]


def centre_square(array: Floats) -> Floats:
    """The largest square in the middle of `array` (rows, columns), as torchxrayvision crops."""
    rows, columns = array.shape
    side = min(rows, columns)
    top, left = rows // 2 - side // 2, columns // 2 - side // 2
    return array[top : top + side, left : left + side]


def resized(array: Floats, side: int) -> Floats:
    """`array`, a square, in side x side pixels: bilinear, and averaged over what a smaller pixel covers.

    As Pillow resizes, rows first: a smaller image is then left for the columns.
    """
    weights = _weights(len(array), side)
    rows = weights @ np.ascontiguousarray(array)
    return np.ascontiguousarray((weights @ np.ascontiguousarray(rows.T)).T)


@lru_cache(maxsize=16)
def _weights(pixels: int, side: int) -> csr_array:
    """What each of `pixels` adds to each of the `side` new ones: a triangle about its middle, sum 1."""
    step = pixels / side
    reach = max(step, 1.0)
    middles = (np.arange(side) + 0.5) * step
    span = np.arange(-int(reach) - 1, int(reach) + 2)
    old = np.floor(middles).astype(int)[:, None] + span
    weights = np.maximum(1 - np.abs(old + 0.5 - middles[:, None]) / reach, 0)
    weights[(old < 0) | (old >= pixels)] = 0
    weights /= weights.sum(axis=1, keepdims=True)
    new, place = np.nonzero(weights)
    entries = weights[new, place].astype(np.float32)
    return csr_array((entries, (new, old[new, place])), shape=(side, pixels))


def model_input(square: Floats) -> Floats:
    """`square`, 0 to 1, as the model takes it."""
    small = np.clip(resized(square, SIDE), 0, 1)  # a mean of ones is 1 but for its rounding
    return (small * 2 - 1) * np.float32(HIGHEST)
