# SPDX-License-Identifier: Apache-2.0
"""Pulmonary vessels as a branching tree of rods."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .shapes import Point

GENERATIONS = 7
SHRINK = 0.8  # of the radius at each branching: a little more than 2 ** (-1 / 3), Murray's law


@dataclass(frozen=True)
class Rod:
    """A piece of a tube: from `start` to `end`, `radius` thick, in mm."""

    start: Point
    end: Point
    radius: float

    def beyond(self, length_mm: float) -> Point:
        """The point `length_mm` past the end, straight on."""
        step = np.subtract(self.end, self.start)
        return _point(np.asarray(self.end) + step * length_mm / np.linalg.norm(step))


def branches(draw: np.random.Generator, hilum: Point, sign: int) -> Iterator[Rod]:
    """The vessels of one lung from its hilum outwards; `sign` +1 for the left lung, -1 for the right."""
    for rise in (-1.1, -0.4, 0.3, 1.1):
        for front in (-0.7, 0.6):
            yield from _grow(draw, hilum, (sign * 1.0, front, rise), 4.2, 1)


def _grow(
    draw: np.random.Generator, start: Point, direction: Point, radius: float, generation: int
) -> Iterator[Rod]:
    unit = np.asarray(direction) / math.hypot(*direction)
    end = _point(np.asarray(start) + unit * radius * draw.uniform(5, 9))
    yield Rod(start, end, radius)
    if generation < GENERATIONS and radius > 0.8:
        apart = np.cross(unit, draw.normal(size=3))
        apart /= max(float(np.linalg.norm(apart)), 1e-9)
        for turn in (-0.55, 0.55):
            yield from _grow(draw, end, _point(unit + turn * apart), radius * SHRINK, generation + 1)


def _point(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Point:
    x, y, z = (float(value) for value in values)
    return x, y, z
