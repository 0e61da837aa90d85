# SPDX-License-Identifier: Apache-2.0
"""The picture: a coronal and an axial plane with the lungs in colour, the numbers below.

Both planes are seen as radiologists see them, with the patient's right on the left, and to one scale in mm.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from imaging_operators import Volume

from .densitometry import Numbers
from .finding import Lungs
from .levels import box_of
from .morphology import dilate
from .orientation import Orientation
from .sides import LEFT, RIGHT
from .table import Finding, Row, rows_of

COLORS = {RIGHT: (230, 159, 0), LEFT: (86, 180, 233)}  # told apart by the colour-blind too
WINDOW_HU = (-1350.0, 150.0)
WIDTH = 1024
GAP, MARGIN_MM = 8, 20.0
OPACITY = 0.3
INK, FAINT, WARNING = (235, 235, 235), (160, 160, 160), (255, 200, 60)
COLUMN = 160  # width of one of the table
RGB = NDArray[np.uint8]


def draw(volume: Volume, lungs: Lungs, numbers: Mapping[str, Numbers], findings: list[Finding]) -> RGB:
    """The picture as uint8 (rows, WIDTH, 3)."""
    orientation = Orientation.of(volume.affine)
    hu, labels = orientation.turn(volume.array), orientation.turn(lungs.labelmap)
    planes = _planes(hu, labels, orientation.spacing_mm)
    above = _side_by_side(planes)
    return np.concatenate([above, _table(numbers, findings)])


def _planes(
    hu: NDArray[np.float32], labels: NDArray[np.uint8], spacing_mm: tuple[float, float, float]
) -> list[RGB]:
    """Coronal (head up) and axial plane through the most lung, cut to the lungs with a margin."""
    margin = round(MARGIN_MM / min(spacing_mm))
    box = box_of(labels > 0, margin) or tuple(slice(0, count) for count in hu.shape)
    hu, labels = hu[box], labels[box]
    row, index = _most(labels, 1), _most(labels, 0)
    dz, dy, dx = spacing_mm
    mm_per_pixel = 2 * hu.shape[2] * dx / (WIDTH - 3 * GAP)
    return [
        _panel(hu[::-1, row], labels[::-1, row], (dz / mm_per_pixel, dx / mm_per_pixel)),
        _panel(hu[index], labels[index], (dy / mm_per_pixel, dx / mm_per_pixel)),
    ]


def _most(labels: NDArray[np.uint8], axis: int) -> int:
    """The plane across `axis` with the most lung; the middle one when there is none."""
    counts = (labels > 0).sum(tuple(k for k in range(3) if k != axis))
    return int(np.argmax(counts)) if counts.any() else labels.shape[axis] // 2


def _panel(hu: NDArray[np.float32], labels: NDArray[np.uint8], scale: tuple[float, float]) -> RGB:
    size = max(1, round(hu.shape[1] * scale[1])), max(1, round(hu.shape[0] * scale[0]))
    low, high = WINDOW_HU
    grey = np.clip((hu - low) / (high - low) * 255, 0, 255).astype(np.uint8)
    shown = np.asarray(Image.fromarray(grey).resize(size, Image.Resampling.BILINEAR))
    rgb = np.stack([shown] * 3, axis=-1).astype(np.float32)
    drawn = np.asarray(Image.fromarray(np.ascontiguousarray(labels)).resize(size, Image.Resampling.NEAREST))
    for label, color in COLORS.items():
        inside = drawn == label
        rgb[inside] = (1 - OPACITY) * rgb[inside] + OPACITY * np.array(color)
        rgb[dilate(inside) & ~inside] = color
    return _lettered(rgb.astype(np.uint8))


def _lettered(panel: RGB) -> RGB:
    image = Image.fromarray(panel)
    pen = ImageDraw.Draw(image)
    pen.text((6, 4), "R", INK, _font(20), stroke_width=2, stroke_fill="black")
    pen.text((image.width - 6, 4), "L", INK, _font(20), anchor="ra", stroke_width=2, stroke_fill="black")
    return np.asarray(image)


def _side_by_side(panels: list[RGB]) -> RGB:
    rows = max(panel.shape[0] for panel in panels) + 2 * GAP
    canvas = np.zeros((rows, WIDTH, 3), np.uint8)
    left = GAP
    for panel in panels:
        top = (rows - panel.shape[0]) // 2
        canvas[top : top + panel.shape[0], left : left + panel.shape[1]] = panel[:, : WIDTH - left]
        left += panel.shape[1] + GAP
    return canvas


def _table(numbers: Mapping[str, Numbers], findings: list[Finding]) -> RGB:
    rows = rows_of(numbers, findings)
    height = 34 + 26 * (len(findings) + len(rows))
    image = Image.new("RGB", (WIDTH, height))
    pen, y = ImageDraw.Draw(image), 8
    pen.text((GAP, y), "Lung densitometry on CT", FAINT, _font(14))
    for finding in findings:
        y += 26
        pen.text((GAP, y), finding.text, WARNING, _font(20))
    for row in rows:
        y += 26
        _put_row(pen, y, row)
    return np.asarray(image)


def _put_row(pen: ImageDraw.ImageDraw, y: int, row: Row) -> None:
    name, columns = row
    color = {"right lung": COLORS[RIGHT], "left lung": COLORS[LEFT]}.get(name, INK if name else FAINT)
    pen.text((GAP, y), name, color, _font(18))
    for number, text in enumerate(columns, start=1):
        pen.text((120 + number * COLUMN, y), text, color, _font(18), anchor="ra")


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
