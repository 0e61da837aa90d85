# SPDX-License-Identifier: Apache-2.0
"""Polygons to pixels: a hole is a polygon within another, or joined to it by a keyhole (PS3.3 C.8.8.6.3)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]


def filled(polygons: Sequence[Points], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The pixels of `shape` (rows, columns) whose middle lies inside an odd number of `polygons`.

    polygons: each (points, 2), row and column, 0 being the middle of the first pixel; the last point is
    joined to the first.  They may reach beyond the pixels.
    """
    rows, columns = shape
    starts = np.concatenate([np.zeros((0, 2)), *polygons])
    ends = np.concatenate([np.zeros((0, 2)), *(np.roll(one, -1, axis=0) for one in polygons)])
    upwards = starts[:, 0] > ends[:, 0]  # an edge walked there and back must cross a row at one place
    starts[upwards], ends[upwards] = ends[upwards], starts[upwards].copy()
    first = np.ceil(np.clip(starts[:, 0], 0, rows)).astype(int)
    count = np.ceil(np.clip(ends[:, 0], 0, rows)).astype(int) - first
    edge = np.repeat(np.arange(len(starts)), count)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    share = (row - starts[edge, 0]) / (ends[edge, 0] - starts[edge, 0])
    column = starts[edge, 1] + share * (ends[edge, 1] - starts[edge, 1])
    crossed = np.zeros((rows, columns + 1), np.int64)
    np.add.at(crossed, (row, np.ceil(np.clip(column, 0, columns)).astype(int)), 1)
    inside: NDArray[np.bool_] = np.cumsum(crossed[:, :columns], axis=1) % 2 == 1
    return inside
