# SPDX-License-Identifier: Apache-2.0
"""Colours that a person can tell apart: the package's, moved where two are too near each other in CIELab."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

RGB = tuple[int, int, int]
NEAREST = (
    16.0  # CIE76; the package's greens of liver and spleen, 12.5 apart, are hard to tell apart in an overlay
)
DARK, GREY = 25.0, 15.0  # the least L* and the least chroma of a colour that is not the package's
# sRGB to XYZ under D65, as fractions of its white (IEC 61966-2-1).
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) / np.array(
    [[0.9505], [1.0], [1.089]]
)


def told_apart(colors: Sequence[RGB | None]) -> list[RGB]:
    """The same colours in the same order, each at least NEAREST from every other.

    The first of some that are too near each other stays; the others move as little as they can, so that a vein
    stays blue and a bone pale.  None becomes what is farthest from all.
    """
    chosen: dict[int, RGB] = {}
    for index, color in enumerate(colors):
        if color is not None and _free([color], chosen).all():
            chosen[index] = color
    candidates = _candidates()
    for index, color in enumerate(colors):
        if index not in chosen and color is not None:
            free = candidates[_free(candidates, chosen)]
            chosen[index] = _rgb(free[_distance(lab([color]), lab(free)).argmin()])
    for index, color in enumerate(colors):
        if color is None:
            apart = _distance(lab(candidates), lab(list(chosen.values())))
            chosen[index] = _rgb(candidates[apart.min(1, initial=np.inf).argmax()])
    return [chosen[index] for index in range(len(colors))]


def _free(colors: Any, chosen: Mapping[int, RGB]) -> NDArray[np.bool_]:
    """Which of `colors` (n, 3) are far enough from those chosen so far."""
    apart = _distance(lab(colors), lab(list(chosen.values())))
    return np.asarray(apart.min(1, initial=np.inf) >= NEAREST)


def _candidates() -> NDArray[np.int64]:
    """Colours (n, 3) of all kinds but those that are dark or grey, as an image is."""
    every = np.stack(np.meshgrid(*[np.arange(0, 256, 15)] * 3, indexing="ij"), -1).reshape(-1, 3)
    lightness, a, b = lab(every).T
    return np.asarray(every[(lightness >= DARK) & (np.hypot(a, b) >= GREY)])


def _rgb(color: NDArray[np.int64]) -> RGB:
    red, green, blue = (int(part) for part in color)
    return red, green, blue


def _distance(some: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """CIE76 distances, (len(some), len(others))."""
    return np.asarray(np.linalg.norm(some[:, None] - others[None], axis=-1))


def lab(colors: Any) -> NDArray[np.float64]:
    """CIELab (n, 3) of sRGB colours (n, 3) from 0 to 255."""
    part = np.reshape(np.asarray(colors, float), (-1, 3)) / 255
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    xyz = linear @ TO_XYZ.T
    root = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = root.T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)
