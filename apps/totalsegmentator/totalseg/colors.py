# SPDX-License-Identifier: Apache-2.0
"""Colours that a person can tell apart: the package's, moved where two are too near each other in CIELab."""

import colorsys
from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

RGB = tuple[int, int, int]
NEAREST = 12.0  # CIE76; the package's greens of liver and spleen are nearer
# sRGB to XYZ under D65, as fractions of its white (IEC 61966-2-1).
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) / np.array(
    [[0.9505], [1.0], [1.089]]
)


def told_apart(colors: Sequence[RGB | None]) -> list[RGB]:
    """The same colours in the same order; one that is None, or too near an earlier one, becomes another."""
    spare = _spare()
    spare_lab = lab(spare)
    chosen: list[RGB] = []
    fixed = lab([color for color in colors if color is not None])
    for color in colors:
        taken = lab(chosen)
        if color is not None and _distance(lab([color]), taken).min(initial=np.inf) >= NEAREST:
            chosen.append(color)
            continue
        free = np.minimum(
            _distance(spare_lab, taken).min(1, initial=np.inf),
            _distance(spare_lab, fixed).min(1, initial=np.inf),
        )
        chosen.append(spare[int(free.argmax())])
    return chosen


def _spare() -> list[RGB]:
    """Colours of many hues, none dark, pale or grey."""
    hues, saturations, values = np.arange(48) / 48, (0.55, 0.8, 1.0), (0.6, 0.8, 1.0)
    parts = (colorsys.hsv_to_rgb(*each) for each in product(hues, saturations, values))
    return [(round(255 * red), round(255 * green), round(255 * blue)) for red, green, blue in parts]


def _distance(some: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """CIE76 distances, (len(some), len(others))."""
    return np.asarray(np.linalg.norm(some[:, None] - others[None], axis=-1))


def lab(colors: Sequence[RGB]) -> NDArray[np.float64]:
    """CIELab (n, 3) of sRGB colours from 0 to 255."""
    part = np.reshape(np.asarray(colors, float), (-1, 3)) / 255
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    xyz = linear @ TO_XYZ.T
    root = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = root.T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)
