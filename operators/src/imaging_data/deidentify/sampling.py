# SPDX-License-Identifier: Apache-2.0
"""Which pictures of an instance are searched for text, and which slices need not be."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ImagingDataError
from .frames import Frames, Picture

MOST_FRAMES = 12  # whose borders differ and that are read
BORDER = 5  # a fifth of the height and width, on each side
DIFFERENT = 64  # of 255: what text differs by from what is around it
FEW_PIXELS = 30  # that differ: less than a word
LOWEST = 4  # values
A_WORD = 24  # pairs of pixels
SPIKE = 4  # times as often as its neighbours
NEIGHBOURS = 4  # values on either side


class TooManyFrames(ImagingDataError):
    """The frames differ too often at their borders to be read."""

    hint = "Look at it yourself, or cut it into shorter runs."


def pictures_of(frames: Frames) -> list[Picture]:
    """The pictures (rows, columns) that show what is written anywhere in the frames.

    Of several frames: the first, the middle and the last one, each whose border differs from those, and what is
    brightest and darkest at each place over time.  Raises TooManyFrames.
    """
    if len(frames.stored) == 1:
        return frames.pictures(0)
    chosen = sorted({0, len(frames.stored) // 2, len(frames.stored) - 1})
    read = {number: frames.pictures(number) for number in chosen}
    brightest, darkest = read[0][0].copy(), read[0][0].copy()
    for number in range(len(frames.stored)):
        shown = frames.pictures(number)
        np.maximum(brightest, shown[0], out=brightest)
        np.minimum(darkest, shown[0], out=darkest)
        if all(_differs(shown[0], known[0]) for known in read.values()):
            read[number] = shown
        if len(read) > MOST_FRAMES:
            raise TooManyFrames(f"{len(frames.stored)} frames, of which at most {MOST_FRAMES} are read.")
    return [*(picture for shown in read.values() for picture in shown), brightest, darkest]


def _differs(one: Picture, other: Picture) -> bool:
    """Whether text may have come or gone in the border: where contents of the body move, it says nothing."""
    rows, columns = (size // BORDER for size in one.shape)
    far = np.abs(one.astype(np.int16) - other) > DIFFERENT
    far[rows:-rows, columns:-columns] = False
    return int(far.sum()) >= FEW_PIXELS


def is_drawn_into(frames: Frames) -> bool:
    """Whether one grey value stands beside itself far oftener than those around it do: not the lowest, which is air.

    Text, lines and arrows have one grey value, or few, side by side; what a scanner measures has noise.
    """
    return any(_has_spike(frame[..., 0]) for frame in frames.stored)


def _has_spike(frame: NDArray[Any]) -> bool:
    if frame.dtype.itemsize > 2:
        return True  # not counted: it is read
    pairs = frame[:, 1:][frame[:, 1:] == frame[:, :-1]].astype(np.intp)
    if not len(pairs):
        return False
    counts = np.bincount(pairs - int(frame.min()))
    often = counts[counts > 0][LOWEST:].astype(np.float64)
    if len(often) <= NEIGHBOURS:
        return bool((often > A_WORD).any())
    sums = np.cumsum(np.pad(often, (NEIGHBOURS + 1, NEIGHBOURS), mode="reflect"))
    around = (sums[2 * NEIGHBOURS + 1 :] - sums[: -2 * NEIGHBOURS - 1] - often) / (2 * NEIGHBOURS)
    return bool(((often > A_WORD) & (often > SPIKE * around)).any())
