# SPDX-License-Identifier: Apache-2.0
"""Which air within the body is right lung, left lung or gas, on the coarse grid."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .body import GAS_HU, TISSUE_HU, Body
from .levels import Level
from .morphology import Bools, erode, grow_labels
from .sides import LEFT, RIGHT

GAS = 3  # bowel, and airways that were not found: labelled so that the lungs do not grow into it
DEEPEST = 6  # voxels by which lungs that touch are eroded until they part
SMALLEST_PART_ML = 4.0
BIG = 0.08  # of the biggest part: big enough to be the other lung
APART_MM = 40.0
SMALLEST_ML = 50.0  # less of a lung is not called a lung
FARTHEST = 25  # voxels over which eroded parts grow back


@dataclass(frozen=True)
class _Part:
    number: int
    voxels: int
    column: float  # of its centroid
    gas: bool


def lung_regions(level: Level, body: Body, airways: Bools, pleura: Bools) -> NDArray[np.uint8]:
    """RIGHT, LEFT, GAS or 0 for each voxel; a lung smaller than SMALLEST_ML is none.

    `airways` are no lung; `pleura` may lie between the lungs: they grow up to it first.
    """
    air = body.hollow & (level.hu < TISSUE_HU) & ~airways
    labels = _seeds(level, air & ~pleura, body.middle)
    labels = grow_labels(labels, air & ~pleura, FARTHEST)
    labels = grow_labels(labels, air, FARTHEST)
    for side in (RIGHT, LEFT):
        if (labels == side).sum() * level.voxel_ml < SMALLEST_ML:
            labels[labels == side] = GAS
    return labels


def _seeds(level: Level, air: Bools, middle: float) -> NDArray[np.uint8]:
    """Labelled parts of `air`, eroded until two lungs are apart; eroded once when they never are."""
    labels = []
    for _ in range(DEEPEST):
        air = erode(air)
        numbers, _ = ndimage.label(air)
        parts = _parts(level, numbers)
        between = _between(parts, level.spacing_mm[2], middle)
        labels.append(_labelled(numbers, parts, middle if between is None else between))
        if between is not None:
            return labels[-1]
    return labels[0]


def _parts(level: Level, numbers: NDArray[np.int32]) -> list[_Part]:
    """The parts that are not tiny, the biggest first."""
    parts = []
    smallest = SMALLEST_PART_ML / level.voxel_ml
    counts = np.bincount(numbers.ravel())
    for number, box in enumerate(ndimage.find_objects(numbers), start=1):
        if counts[number] >= smallest:
            inside = numbers[box] == number
            column = box[2].start + float(np.nonzero(inside)[2].mean())
            gas = bool(np.percentile(level.hu[box][inside], 75) < GAS_HU)
            parts.append(_Part(number, int(counts[number]), column, gas))
    return sorted(parts, key=lambda part: -part.voxels)


def _between(parts: list[_Part], column_mm: float, middle: float) -> float | None:
    """The column between the two lungs when they are apart; None while they are not, or there is only one."""
    lungs = [part for part in parts if not part.gas]
    for other in lungs[1:]:
        low, high = sorted((lungs[0].column, other.column))
        if (
            other.voxels >= BIG * lungs[0].voxels
            and (high - low) * column_mm > APART_MM
            and low < middle < high
        ):
            return (low + high) / 2
    return None


def _labelled(numbers: NDArray[np.int32], parts: list[_Part], between: float) -> NDArray[np.uint8]:
    names = np.zeros(int(numbers.max()) + 1, np.uint8)
    for part in parts:
        names[part.number] = GAS if part.gas else LEFT if part.column > between else RIGHT
    return names[numbers]
