# SPDX-License-Identifier: Apache-2.0
"""Trachea and main bronchi: gas whose axial sections are as large as an airway's and have a wall.

The trachea is found first, as a stack of such sections near the midline.  It is then followed from slice to
slice at rising thresholds; a section that has burst into lung or emphysema has lost its wall, or reaches far
beyond what was airway in the slice before, and is not taken.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .levels import Level
from .morphology import IN_PLANE, Bools, dilate

SEED_HU = -940.0
GROWTH_HU = (-920.0, -900.0, -880.0)
SHORTEST_MM = 15.0
SECTION_MM2 = (25.0, 900.0)
WALL_HU = -740.0  # lung is darker
WALLED, HALF_WALLED = 0.7, 0.45  # of a section's edge
LEAST_OVERLAP, OVERLAP = 0.15, 0.5  # of a section, with a good and with a poor wall, with airway next to it
OFF_MIDLINE_MM, REACH_MM = 45.0, 90.0  # of the trachea, of the main bronchi
EDGE_MM, WALL_MM = 1.0, 2.0


def find_airways(level: Level, hollow: Bools, middle_mm: float) -> Bools:
    """Trachea and main bronchi with their walls, as a mask of `level`; all False when there are none.

    `hollow`: air within the body; `middle_mm`: the body's midline, from the first column.
    """
    columns = np.arange(hollow.shape[2]) * level.spacing_mm[2]
    near = np.flatnonzero(np.abs(columns - middle_mm) < REACH_MM)
    airways = np.zeros(hollow.shape, bool)
    if near.size:
        window = slice(int(near[0]), int(near[-1]) + 1)
        part = Level(level.hu[..., window], None, level.spacing_mm)
        lumen = _lumen(part, hollow[..., window], middle_mm - window.start * level.spacing_mm[2])
        airways[..., window] = _with_walls(lumen, level.spacing_mm)
    return airways


def _lumen(level: Level, hollow: Bools, middle_mm: float) -> Bools:
    sections = _Sections.of(level, hollow & (level.hu < SEED_HU))
    lumen = _trachea(level, (sections.walled > WALLED)[sections.numbers], middle_mm)
    for threshold in (SEED_HU, *GROWTH_HU) if lumen.any() else ():
        sections = _Sections.of(level, hollow & (level.hu < threshold))
        for order in (range(len(lumen))[::-1], range(len(lumen))):
            _follow(lumen, sections, order)
    return lumen


def _follow(lumen: Bools, sections: "_Sections", order: range) -> None:
    """Take, slice by slice and in place, the sections that go on from the lumen in the slice before."""
    for before, index in pairwise(order):
        numbers = sections.numbers[index]
        inside = lumen[before] | lumen[index]
        if inside.any():
            overlap = np.bincount(numbers[inside], minlength=len(sections.walled))
            goes_on = (sections.walled > WALLED) & (overlap > LEAST_OVERLAP * sections.voxels)
            goes_on |= (sections.walled > HALF_WALLED) & (overlap > OVERLAP * sections.voxels)
            lumen[index] |= goes_on[numbers]


def _trachea(level: Level, sections: Bools, middle_mm: float) -> Bools:
    """The highest stack of sections that is long enough and near the midline."""
    parts, _ = ndimage.label(sections)
    stacks = []
    for number, box in enumerate(ndimage.find_objects(parts), start=1):
        height_mm = (box[0].stop - box[0].start) * level.spacing_mm[0]
        columns = box[2].start + np.nonzero(parts[box] == number)[2]
        off_mm = abs(float(columns.mean()) * level.spacing_mm[2] - middle_mm)
        if height_mm >= SHORTEST_MM and off_mm < OFF_MIDLINE_MM:
            stacks.append((box[0].stop, number))
    return parts == max(stacks)[1] if stacks else np.zeros(parts.shape, bool)


@dataclass(frozen=True)
class _Sections:
    """Regions of gas, each in one slice: their numbers, voxels, and how much of their edge is wall.

    `walled` is 0 for regions that are too small, too large, or cut by the window.
    """

    numbers: NDArray[np.int32]
    voxels: NDArray[np.int64]
    walled: NDArray[np.float64]

    @classmethod
    def of(cls, level: Level, gas: Bools) -> "_Sections":
        numbers, count = ndimage.label(gas, IN_PLANE)
        voxels = np.bincount(numbers.ravel(), minlength=count + 1)
        area_mm2 = voxels * level.spacing_mm[1] * level.spacing_mm[2]
        walled = _walled(level.hu, numbers, count)
        walled[(area_mm2 < SECTION_MM2[0]) | (area_mm2 > SECTION_MM2[1])] = 0
        walled[np.unique(numbers[..., [0, -1]])] = 0
        walled[0] = 0
        return cls(numbers, voxels, walled)


def _walled(hu: NDArray[np.float32], numbers: NDArray[np.int32], count: int) -> NDArray[np.float64]:
    """Which part of each section's edge has something denser than lung within two voxels."""
    edges, walls = np.zeros(count + 1), np.zeros(count + 1)
    for axis in (1, 2):
        for turned in (slice(None), slice(None, None, -1)):
            flip = tuple(turned if k == axis else slice(None) for k in range(3))
            one, two, three = (_from(axis, numbers[flip], k) for k in range(3))
            first, second = (_from(axis, hu[flip], k) for k in (1, 2))
            edge = (one > 0) & (two == 0) & (three == 0)
            dense = np.maximum(first[edge], second[edge]) > WALL_HU
            edges += np.bincount(one[edge], minlength=count + 1)
            walls += np.bincount(one[edge], dense, minlength=count + 1)
    return walls / np.maximum(edges, 1)


def _from(axis: int, array: NDArray, start: int) -> NDArray:  # type: ignore[type-arg]
    length = array.shape[axis] - 2
    return array[tuple(slice(start, start + length) if k == axis else slice(None) for k in range(array.ndim))]


def _with_walls(lumen: Bools, spacing_mm: tuple[float, float, float]) -> Bools:
    """The lumen, its blurred edge and its wall."""
    across, along = (max(1, round((EDGE_MM + WALL_MM) / step)) for step in (spacing_mm[2], spacing_mm[0]))
    return dilate(dilate(lumen, across, (1, 2)), along, (0,))
