# SPDX-License-Identifier: Apache-2.0
"""The outlines of a mask: closed polygons half-way between pixels inside and outside.

Any fill, even-odd or winding, gives the mask back: no pixel's middle lies on an outline.  A hole is joined to
its outline by a channel without width, walked there and back (the keyhole of PS3.3 C.8.8.6.3), so that each
piece is one polygon and readers need not combine several.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Polygon = NDArray[np.float64]  # (points, 2): row, column; the last point is joined to the first


def outlines(mask: NDArray[Any]) -> Iterator[Polygon]:
    """One polygon for each piece of `mask` (rows, columns); pixels that touch at a corner are two pieces."""
    from scipy.ndimage import find_objects, label

    pieces, _ = label(mask)
    for number, box in enumerate(find_objects(pieces), start=1):
        loops = _loops(pieces[box] == number)
        areas = [abs(_area(loop)) for loop in loops]
        outer = loops.pop(int(np.argmax(areas)))
        yield _with_keyholes(outer, loops) + np.array([box[0].start, box[1].start])


def _loops(piece: NDArray[np.bool_]) -> list[Polygon]:
    """The outlines of one piece, its holes' in the opposite direction."""
    from skimage.measure import find_contours

    found = find_contours(np.pad(piece, 1).astype(np.uint8), 0.5)  # type: ignore[no-untyped-call]
    return [_corners(loop[:-1]) - 1.0 for loop in found]


def _corners(loop: Polygon) -> Polygon:
    """Without the points on straight stretches."""
    before, behind = loop - np.roll(loop, 1, axis=0), np.roll(loop, -1, axis=0) - loop
    corners: Polygon = loop[before[:, 0] * behind[:, 1] != before[:, 1] * behind[:, 0]]
    return corners


def _area(loop: Polygon) -> float:
    behind = np.roll(loop, -1, axis=0)
    return float(np.sum(loop[:, 0] * behind[:, 1] - loop[:, 1] * behind[:, 0]) / 2)


def _with_keyholes(outer: Polygon, holes: Sequence[Polygon]) -> Polygon:
    joined = outer
    for hole in holes:
        apart = np.square(joined[:, None] - hole[None]).sum(axis=2)
        here, there = np.unravel_index(int(apart.argmin()), apart.shape)
        walk = np.concatenate([hole[there:], hole[: there + 1]])
        joined = np.concatenate([joined[: here + 1], walk, joined[here:]])
    return joined
