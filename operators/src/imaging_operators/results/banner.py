# SPDX-License-Identifier: Apache-2.0
"""The research-only line as pixels, put above a picture so that it covers nothing."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from .base import RESEARCH_ONLY

LARGEST_FONT, SMALLEST_FONT = 20, 9
MARGIN = 4
FOREGROUND, BACKGROUND = (255, 220, 0), (60, 0, 0)


def with_banner(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """`image` (rows, columns, 3), or each of several, with the line in a strip above it."""
    strip = banner(image.shape[-2])
    above = np.broadcast_to(strip, (*image.shape[:-3], *strip.shape))
    return np.concatenate([above, image], axis=-3)


@lru_cache(maxsize=8)
def banner(columns: int) -> NDArray[np.uint8]:
    """The strip (rows, columns, 3): the whole line, in as many lines and as small as `columns` asks for."""
    font, lines = layout(columns)
    top, bottom = font.getbbox("Ag")[1], font.getbbox("Ag")[3]
    line_rows = int(bottom - top) + MARGIN
    strip = Image.new("RGB", (columns, line_rows * len(lines) + MARGIN), BACKGROUND)
    draw = ImageDraw.Draw(strip)
    for index, line in enumerate(lines):
        left = (columns - font.getlength(line)) / 2
        draw.text((left, MARGIN + index * line_rows - top), line, font=font, fill=FOREGROUND)
    return np.asarray(strip)


def layout(columns: int) -> tuple[ImageFont.FreeTypeFont, list[str]]:
    """The largest font in which the line fits into `columns`, else the smallest and the line in several."""
    for size in range(LARGEST_FONT, SMALLEST_FONT, -1):
        font = _font(size)
        if font.getlength(RESEARCH_ONLY) <= columns - 2 * MARGIN:
            return font, [RESEARCH_ONLY]
    font = _font(SMALLEST_FONT)
    return font, _wrapped(RESEARCH_ONLY.split(), font, columns - 2 * MARGIN)


def _wrapped(words: list[str], font: ImageFont.FreeTypeFont, width: float) -> list[str]:
    lines = [words[0]]
    for word in words[1:]:
        longer = f"{lines[-1]} {word}"
        if font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont), "Pillow was built without FreeType"
    return font
