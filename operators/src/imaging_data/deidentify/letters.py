# SPDX-License-Identifier: Apache-2.0
"""Letters in a row, told by how they are drawn and not by what they say: OCR overlooks some.

A letter is a thin stroke of one brightness with sharp edges, four to sixty pixels high.  Letters of a line stand
beside each other, have one brightness, and most of them the same top or the same bottom.  Anatomy seldom does.
"""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .text import Picture, Word, extreme, without_broad

FAINTEST = 24  # of 255: what a stroke differs by from its surroundings
SHARE = 0.5  # of the greatest difference nearby: where a stroke ends
LOWEST, HIGHEST = 4, 60  # pixels: heights of letters
WIDEST = 2.2  # times its height: what is one letter, or two that touch
SOLID = 0.95  # of its box: a line or a block
AS_AN_I = 0.35  # times its height: the width of what is a letter though it is solid
EDGE = 0.35  # of its contrast, within two pixels: less is no drawn edge
HIGHER = 1.7  # times: of two letters side by side, as are a capital and a small one
GAP = 1.5  # times the height: letters further apart are no line
ALIKE = 0.25  # of the contrast: by what the brightness of two letters may differ
CLEAR = 64  # of 255: a contrast that says as much as any greater one
AROUND = 2  # times the height, on either side of a line: what is masked with it
DOUBTFUL, SURE = 0.85, 1.5  # of `_evidence`: no real picture without text had 1.2


@dataclass(frozen=True)
class Shapes:
    """Things that may be letters, from left to right: boxes, ends excluded, brightness, contrast, edge."""

    left: NDArray[np.intp]
    top: NDArray[np.intp]
    right: NDArray[np.intp]
    bottom: NDArray[np.intp]
    level: NDArray[np.float64]
    contrast: NDArray[np.float64]
    edge: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.left)

    def __getitem__(self, which: Any) -> "Shapes":
        """Those that an index of numpy chooses."""
        return Shapes(*(getattr(self, each.name)[which] for each in fields(self)))

    @property
    def height(self) -> NDArray[np.intp]:
        """In pixels."""
        return self.bottom - self.top

    @property
    def width(self) -> NDArray[np.intp]:
        """In pixels."""
        return self.right - self.left


class Line(Word):
    """Letters in a row that nobody has read; `text` has one mark for each, `confidence` is the evidence."""

    @property
    def letters(self) -> int:
        """How many there are, two that touch counted once."""
        return len(self.text)

    @property
    def is_sure(self) -> bool:
        """Whether no anatomy looks like that."""
        return self.confidence >= SURE

    @property
    def is_doubtful(self) -> bool:
        """Whether it may be text still."""
        return not self.is_sure


def find_lines(picture: Picture) -> list[Line]:
    """Lines of letters in `picture` (rows, columns): bright and dark ones, and those that run up or down."""
    found = []
    for polarity in (picture, 255 - picture):
        found += _lines_across(polarity)
        for line in _lines_across(np.ascontiguousarray(polarity.T)):
            found.append(replace(line, left=line.top, top=line.left, right=line.bottom, bottom=line.right))
    return found


def _lines_across(picture: Picture) -> list[Line]:
    """Those that run from left to right and are brighter than what is around them."""
    found = []
    for line in _in_lines(_letters(picture)):
        evidence = _evidence(line)
        if evidence >= DOUBTFUL:
            more = AROUND * line.height.max()  # where letters that touch something may be
            box = line.left.min() - more, line.top.min(), line.right.max() + more, line.bottom.max()
            found.append(Line("?" * len(line), evidence, *map(int, box)))
    return found


def _evidence(line: Shapes) -> float:
    """How far these are letters: more of them, sharper, better aligned, clearer; 0 for ticks of a scale."""
    if len({*zip(line.width.tolist(), line.height.tolist(), strict=True)}) < 2:
        return 0.0
    near = max(1.0, 0.1 * float(np.median(line.height)))
    aligned = max(float(np.mean(abs(ends - np.median(ends)) <= near)) for ends in (line.top, line.bottom))
    contrast = float(np.median(line.contrast))
    sharp = min(1.0, float(np.median(line.edge)) / contrast)
    return (len(line) - 2) * sharp * aligned**2 * min(1.0, contrast / CLEAR)


def _in_lines(letters: Shapes) -> list[Shapes]:
    """Those that follow each other from left to right at one height, three at least."""
    last, one = _followers(letters)
    follower, lines = dict(zip(last.tolist(), one.tolist(), strict=True)), []
    for first in follower.keys() - set(follower.values()):
        line = [first]
        while line[-1] in follower:
            line.append(follower[line[-1]])
        if len(line) >= 3:
            lines.append(letters[line])
    return lines


def _followers(letters: Shapes) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs of numbers of letters: each one, and the nearest one that goes on to the right of it."""
    reach = letters.right + GAP * 2 * letters.height
    count = np.searchsorted(letters.left, reach) - np.arange(len(letters)) - 1
    last = np.repeat(np.arange(len(letters)), count)
    one = last + 1 + np.arange(len(last)) - np.repeat(np.cumsum(count) - count, count)
    fits = _follows(letters[one], letters[last])
    last, one = last[fits], one[fits]
    nearest = np.unique(last, return_index=True)[1]
    last, one = last[nearest], one[nearest]
    nearest = len(one) - 1 - np.unique(one[::-1], return_index=True)[1]
    return last[nearest], one[nearest]


def _follows(one: Shapes, last: Shapes) -> NDArray[np.bool_]:
    smaller, greater = np.minimum(one.height, last.height), np.maximum(one.height, last.height)
    shared = np.minimum(one.bottom, last.bottom) - np.maximum(one.top, last.top)
    gap = one.left - last.right
    alike = abs(one.level - last.level) < ALIKE * np.maximum(30, last.contrast)
    beside = (gap <= GAP * greater) & (gap > -0.3 * greater) & (shared >= smaller / 2)
    fits: NDArray[np.bool_] = beside & alike & (greater <= HIGHER * smaller)
    return fits


def _letters(picture: Picture) -> Shapes:
    """What is brighter than its surroundings and may be letters."""
    thin = without_broad(picture)
    greatest = extreme(extreme(thin, np.maximum, 0), np.maximum, 1)
    row, start, stop, of = _connected((thin >= FAINTEST) & (thin > SHARE * greatest))
    count = int(of.max(initial=-1)) + 1
    left, top, right, bottom = (np.full(count, 1 << 30), np.full(count, 1 << 30), *np.zeros((2, count), int))
    for ends, function, values in (
        (left, np.minimum, start),
        (top, np.minimum, row),
        (right, np.maximum, stop),
        (bottom, np.maximum, row + 1),
    ):
        function.at(ends, of, values)
    level, contrast = (_mean(each, row, start, stop, of) for each in (picture, thin))
    wide = np.pad(picture.astype(np.int16), ((0, 0), (2, 2)), mode="edge")
    rise = wide[row, start + 2] - wide[row, start] + wide[row, stop + 1] - wide[row, stop + 3]
    edge = np.bincount(of, rise) / np.bincount(of) / 2
    shapes = Shapes(left, top, right, bottom, level, contrast, edge)
    drawn = _may_be_letters(shapes, np.bincount(of, stop - start))
    return shapes[drawn][np.argsort(left[drawn], kind="stable")]


def _may_be_letters(shapes: Shapes, area: NDArray[Any]) -> NDArray[np.bool_]:
    height, width = shapes.height, shapes.width
    fits = (height >= LOWEST) & (height <= HIGHEST) & (width <= WIDEST * height)
    thin = (area < SOLID * height * width) | (width <= AS_AN_I * height)
    letters: NDArray[np.bool_] = fits & thin & (shapes.edge >= EDGE * shapes.contrast)
    return letters


def _mean(values: Picture, row: Any, start: Any, stop: Any, of: Any) -> NDArray[np.float64]:
    """Of the pixels of each thing, which are runs from `start` to `stop` in `row`."""
    sums = np.pad(np.cumsum(values, axis=1, dtype=np.int32), ((0, 0), (1, 0)))
    return np.bincount(of, sums[row, stop] - sums[row, start]) / np.bincount(of, stop - start)


def _connected(mask: NDArray[np.bool_]) -> tuple[NDArray[np.intp], ...]:
    """The runs in the rows of `mask`: row, start, stop (excluded), and the number of the thing each is part of.

    Runs that touch, also by a corner, are parts of one thing.
    """
    steps = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    (row, start), stop = np.nonzero(steps == 1), np.nonzero(steps == -1)[1]
    wide = mask.shape[1] + 2
    low = np.searchsorted(row * wide + stop, (row + 1) * wide + start)
    high = np.searchsorted(row * wide + start, (row + 1) * wide + stop, side="right")
    below = np.maximum(high - low, 0)
    upper = np.repeat(np.arange(len(row)), below)
    lower = np.repeat(low - np.cumsum(below) + below, below) + np.arange(below.sum())
    of = np.arange(len(row))
    while len(upper) and (of[upper] != of[lower]).any():
        least = np.minimum(of[upper], of[lower])
        joined = of.copy()
        np.minimum.at(joined, of[upper], least)
        np.minimum.at(joined, of[lower], least)
        of = joined[joined]
    return row, start, stop, np.unique(of, return_inverse=True)[1]
