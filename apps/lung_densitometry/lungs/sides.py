# SPDX-License-Identifier: Apache-2.0
"""Where left and right lung touch: the pleura between them, thinner than a voxel, is a ridge of HU."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .morphology import IN_PLANE, dilate

RIGHT, LEFT = 1, 2
REACH_MM = (6.0, 10.0)  # beyond the contact: along rows, along columns
BEND_HU = 40.0  # what a step to the side costs
PLEURA_HU = 70.0  # a ridge higher than this may be pleura
RIDGE_MM = 3.0  # thicker than this it would not be a ridge


def ridges(hu: NDArray[np.float32], column_mm: float) -> NDArray[np.float32]:
    """By how much a voxel is denser than both neighbours at RIDGE_MM along the last axis; 0 if less."""
    step = max(1, round(RIDGE_MM / column_mm))
    height = np.zeros_like(hu)
    beside = np.maximum(hu[..., : -2 * step], hu[..., 2 * step :])
    np.maximum(hu[..., step:-step] - beside, 0, out=height[..., step:-step])
    return height


def split_contacts(
    hu: NDArray[np.float32], labels: NDArray[np.uint8], spacing_mm: tuple[float, float, float]
) -> None:
    """Move the border of RIGHT and LEFT in `labels` (slices, rows, columns) onto the pleura, in place.

    The columns run towards the patient's left.  The line itself belongs to neither lung.
    """
    contact = dilate(labels == RIGHT, 1, (1, 2)) & (labels == LEFT)
    places, _ = ndimage.label(dilate(contact, 3, (1, 2)), IN_PLANE)
    rows, columns = (round(reach / step) for reach, step in zip(REACH_MM, spacing_mm[1:], strict=True))
    for box in ndimage.find_objects(places):
        window = box[0].start, _wider(box[1], rows), _wider(box[2], columns)
        _split(hu[window], labels[window], spacing_mm[2])


def _wider(side: slice, by: int) -> slice:
    return slice(max(side.start - by, 0), side.stop + by)


def _split(hu: NDArray[np.float32], labels: NDArray[np.uint8], column_mm: float) -> None:
    line = highest_way(np.minimum(ridges(hu, column_mm), 400))[:, None]
    column = np.arange(hu.shape[1])[None, :]
    lung = (labels == RIGHT) | (labels == LEFT)
    labels[lung & (column < line)] = RIGHT
    labels[lung & (column > line)] = LEFT
    labels[lung & (column == line)] = 0


def highest_way(heights: NDArray[np.float32]) -> NDArray[np.int64]:
    """The column in each row of the way from first to last row along which the sum of heights is highest.

    From row to row it moves by a column at most, and pays BEND_HU for it (dynamic programming).
    """
    rows, columns = heights.shape
    best, came = heights[0].copy(), np.zeros((rows, columns), np.int64)
    for row in range(1, rows):
        sides = np.pad(best, 1, constant_values=-np.inf)
        choices = np.stack([sides[:-2] - BEND_HU, best, sides[2:] - BEND_HU])
        came[row] = np.argmax(choices, 0) - 1
        best = heights[row] + choices.max(0)
    way = np.empty(rows, np.int64)
    way[-1] = np.argmax(best)
    for row in range(rows - 1, 0, -1):
        way[row - 1] = way[row] + came[row, way[row]]
    return way
