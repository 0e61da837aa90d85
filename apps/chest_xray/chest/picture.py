# SPDX-License-Identifier: Apache-2.0
"""The picture: what the model saw, and for what scored above its operating point, where that came from."""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from .classifier import OPERATING_POINT, Scored
from .findings import words_of
from .preparation import Floats, resized

PANEL, GAP, LINE = 500, 8, 30  # pixels
WIDTH = 2 * PANEL + 3 * GAP
MOST_SHOWN = 3  # findings, so that the panels stay large enough to be read
OPACITY = 0.55
WEAK, STRONG = (200, 30, 60), (255, 230, 90)
INK, FAINT, WARNING = (235, 235, 235), (160, 160, 160), (255, 200, 60)
RGB = NDArray[np.uint8]
Levels = NDArray[np.uint8]


def draw(square: Floats, scores: Sequence[Scored], model: str, remarks: Sequence[str]) -> RGB:
    """The picture as uint8 (rows, WIDTH, 3).  `square`: the part of the image that the model was given, 0 to 1."""
    above = highest(scores)
    grey = _levels(resized(square, PANEL))
    panels = [_panel(_overlaid(grey, np.zeros_like(grey)), "What the model was given")]
    for one in above:
        overlaid = _overlaid(grey, _levels(heat(one.map, PANEL)))
        panels.append(_panel(overlaid, f"{words_of(one.name)}: score {one.value:.2f}"))
    return np.concatenate([_grid(panels), _legend(scores, model, remarks)])


def highest(scores: Sequence[Scored]) -> list[Scored]:
    """The findings that are shown: the highest scores of those above the operating point."""
    above = [one for one in scores if one.above]
    return sorted(above, key=lambda one: -one.value)[:MOST_SHOWN]


def heat(map_: Floats, side: int) -> Floats:
    """What speaks for the finding, 0 to 1 of the strongest place, in side x side pixels."""
    positive = np.maximum(map_, 0)
    strongest = positive.max()
    return resized(positive / strongest, side) if strongest > 0 else np.zeros((side, side), np.float32)


def _levels(panel: Floats) -> Levels:
    return np.clip(panel * 255, 0, 255).astype(np.uint8)


def _overlaid(grey: Levels, strength: Levels) -> RGB:
    return _mixed().take(grey.astype(np.intp) << 8 | strength, axis=0)


@cache
def _mixed() -> RGB:
    """Each grey level under each strength of the colours, uint8 (256 * 256, 3)."""
    level = np.arange(256)
    share = (level / 255)[:, None]
    colors = ((1 - share) * WEAK + share * STRONG).astype(np.uint8)
    opacity = (level * OPACITY).astype(np.uint8)[:, None]
    mixed = (level[:, None, None] * (255 - opacity) + colors * opacity.astype(int)) / 255
    return np.rint(mixed).astype(np.uint8).reshape(-1, 3)


def _panel(pixels: RGB, caption: str) -> RGB:
    strip = Image.new("RGB", (PANEL, LINE))
    ImageDraw.Draw(strip).text((2, 3), caption, INK, _font(20))
    return np.concatenate([np.asarray(strip), pixels])


def _grid(panels: list[RGB]) -> RGB:
    rows = (len(panels) + 1) // 2
    canvas = np.zeros((rows * (PANEL + LINE + GAP), WIDTH, 3), np.uint8)
    for number, panel in enumerate(panels):
        top, left = (number // 2) * (PANEL + LINE + GAP), GAP + (number % 2) * (PANEL + GAP)
        canvas[top : top + len(panel), left : left + PANEL] = panel
    return canvas


def _legend(scores: Sequence[Scored], model: str, remarks: Sequence[str]) -> RGB:
    """What the panels leave out, what is uncertain, and which model."""
    above = [one for one in scores if one.above]
    lines = [(remark, WARNING) for remark in remarks]
    if not above:
        lines.append((f"No score is above the operating point of {OPERATING_POINT}.", INK))
    elif len(above) > MOST_SHOWN:
        lines.append(
            (f"{len(above)} scores are above {OPERATING_POINT}; the {MOST_SHOWN} highest are shown.", INK)
        )
    lines.append((f"{model}. Scores are no probabilities; operating point {OPERATING_POINT}.", FAINT))
    image = Image.new("RGB", (WIDTH, LINE * len(lines) + GAP))
    pen = ImageDraw.Draw(image)
    for number, (text, color) in enumerate(lines):
        pen.text((GAP, number * LINE), text, color, _font(19))
    return np.asarray(image)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
