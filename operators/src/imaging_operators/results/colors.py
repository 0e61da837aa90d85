# SPDX-License-Identifier: Apache-2.0
"""Colours for segments that a person can tell apart."""

import colorsys

RGB = tuple[int, int, int]

# Strong colours, far apart in CIELab, none near grey, black or white (a test measures their distances).
PALETTE: tuple[RGB, ...] = (
    (230, 60, 60),
    (60, 140, 255),
    (255, 215, 0),
    (60, 190, 75),
    (230, 90, 230),
    (0, 215, 215),
    (255, 140, 30),
    (130, 70, 200),
    (170, 110, 60),
    (190, 255, 90),
    (255, 175, 190),
    (0, 110, 110),
)
GOLDEN_RATIO = 0.618033988749895


def color_of(number: int) -> RGB:
    """The colour of segment `number` (from 1) when its author names none."""
    if number <= len(PALETTE):
        return PALETTE[number - 1]
    turn = number - len(PALETTE)
    value = (1.0, 0.7)[turn % 2]
    red, green, blue = colorsys.hsv_to_rgb(turn * GOLDEN_RATIO % 1, 0.75, value)
    return round(255 * red), round(255 * green), round(255 * blue)
