# SPDX-License-Identifier: Apache-2.0
"""From grey values to what the model takes: a centred square of 224 pixels, -1024 to 1024."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

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
    """`array`, a square, in side x side pixels: bilinear, and averaged over what a smaller pixel covers."""
    image = Image.fromarray(np.ascontiguousarray(array))
    return np.asarray(image.resize((side, side), Image.Resampling.BILINEAR))


def model_input(square: Floats) -> Floats:
    """`square`, 0 to 1, as the model takes it."""
    return (resized(square, SIDE) * 2 - 1) * np.float32(HIGHEST)
