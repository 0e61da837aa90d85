# SPDX-License-Identifier: Apache-2.0
"""Neighbouring segments can be told apart by their colours."""

from itertools import combinations, pairwise

import numpy as np
from highdicom.color import CIELabColor

from imaging_operators.results.colors import PALETTE, color_of

DISTINCT = 25.0  # a difference in CIELab that strikes the eye; the liver and spleen greens differ by 7


def distance(one, other) -> float:
    lab = [np.array([color.l_star, color.a_star, color.b_star]) for color in map(_lab, (one, other))]
    return float(np.linalg.norm(lab[0] - lab[1]))


def _lab(color) -> CIELabColor:
    return CIELabColor.from_rgb(*color)


def test_the_palette_is_distinct():
    assert min(distance(*pair) for pair in combinations(PALETTE, 2)) > DISTINCT


def test_no_color_is_near_the_grey_of_the_picture():
    greys = [(level,) * 3 for level in range(0, 256, 15)]
    assert min(distance(color, grey) for color in PALETTE for grey in greys) > DISTINCT


def test_beyond_the_palette_neighbours_differ():
    colors = [color_of(number) for number in range(1, 120)]
    assert len(set(colors)) == len(colors)
    assert min(distance(*pair) for pair in pairwise(colors)) > DISTINCT
    assert all(0 <= part <= 255 for color in colors for part in color)
