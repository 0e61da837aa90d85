# SPDX-License-Identifier: Apache-2.0
"""The picture: the coronal and the axial plane with the most of the segments, in their colours.

Both are seen as radiologists see them, with the patient's right on the left, and to one scale in mm.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from imaging_data import Volume

from ..results.colors import color_of
from ..results.segmentation import Segment

HEIGHT, GAP, LEGEND = 512, 8, 26  # pixels
OPACITY = 0.35
WINDOW_HU = (-160.0, 240.0)
INK = (235, 235, 235)
WIDTHS = (128, 2048)  # least and most of a panel
RGB = NDArray[np.uint8]


def draw(volume: Volume, labelmap: NDArray[np.unsignedinteger], segments: Sequence[Segment]) -> RGB:
    """uint8 (rows, columns, 3): coronal, axial, and the names of the segments."""
    values, labels, spacing_mm = _upright(volume, labelmap)
    window = _window(volume)
    colors = np.array([(0, 0, 0), *(each.color or color_of(each.number) for each in segments)], np.float32)
    row, index = _most(labels, 1), _most(labels, 0)
    dz, dy, dx = spacing_mm
    panels = [
        _panel(_grey(values[::-1, row], window), labels[::-1, row], colors, (dz, dx)),
        _panel(_grey(values[index], window), labels[index], colors, (dy, dx)),
    ]
    gap = np.zeros((HEIGHT, GAP, 3), np.uint8)
    planes = np.concatenate([panels[0], gap, panels[1]], axis=1)
    return np.concatenate([planes, _legend(segments, colors, planes.shape[1])])


def _upright(
    volume: Volume, labelmap: NDArray[np.unsignedinteger]
) -> tuple[NDArray[np.float32], NDArray[np.unsignedinteger], tuple[float, float, float]]:
    """Axes turned so that index (slice, row, column) grows towards head, back and left, as near as may be."""
    steps = volume.affine[:3, :3] / np.asarray(volume.spacing_mm)
    axes = _axes(np.abs(steps))  # for z, y, x of the patient the array's axis
    signs = [steps[2, axes[0]] > 0, steps[1, axes[1]] > 0, steps[0, axes[2]] > 0]
    flip = tuple(slice(None, None, 1 if forward else -1) for forward in signs)
    z, y, x = (volume.spacing_mm[axis] for axis in axes)
    return volume.array.transpose(axes)[flip], labelmap.transpose(axes)[flip], (z, y, x)


def _axes(steps: NDArray[np.float64]) -> tuple[int, int, int]:
    """The array's axis that runs most along z, along y and along x of the patient, each once."""
    orders = [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]
    return max(orders, key=lambda order: steps[2, order[0]] + steps[1, order[1]] + steps[0, order[2]])


def _window(volume: Volume) -> tuple[float, float]:
    """Soft tissue on CT; elsewhere what most values lie in."""
    if volume.sources[0][0].dataset.get("Modality") == "CT":
        return WINDOW_HU
    low, high = np.percentile(volume.array[:: max(1, len(volume.array) // 16)], (1, 99))
    return float(low), float(max(high, low + 1))


def _grey(values: NDArray[np.float32], window: tuple[float, float]) -> NDArray[np.float32]:
    low, high = window
    grey: NDArray[np.float32] = np.clip((values - low) / (high - low) * 255, 0, 255)
    return grey


def _most(labels: NDArray[np.unsignedinteger], axis: int) -> int:
    """The plane across `axis` with the most that is labelled; the middle one when nothing is."""
    counts = (labels > 0).sum(tuple(k for k in range(3) if k != axis))
    return int(np.argmax(counts)) if counts.any() else labels.shape[axis] // 2


def _panel(
    grey: NDArray[np.float32],
    labels: NDArray[np.unsignedinteger],
    colors: NDArray[np.float32],
    spacing_mm: tuple[float, float],
) -> RGB:
    """A plane with coloured segments, HEIGHT pixels high."""
    tinted = np.repeat(grey[..., None], 3, axis=2)
    inside = labels > 0
    tinted[inside] = (1 - OPACITY) * tinted[inside] + OPACITY * colors[labels[inside]]
    high, wide = grey.shape[0] * spacing_mm[0], grey.shape[1] * spacing_mm[1]
    width = int(np.clip(round(HEIGHT * wide / high), *WIDTHS))
    image = Image.fromarray(tinted.astype(np.uint8)).resize((width, HEIGHT), Image.Resampling.BILINEAR)
    pen = ImageDraw.Draw(image)
    for at, letter, anchor in ((6, "R", "la"), (width - 6, "L", "ra")):
        pen.text((at, 4), letter, INK, _font(20), anchor=anchor, stroke_width=2, stroke_fill="black")
    return np.asarray(image)


def _legend(segments: Sequence[Segment], colors: NDArray[np.float32], width: int) -> RGB:
    """The names, four in a line, each in its colour."""
    lines = -(-len(segments) // 4)
    image = Image.new("RGB", (width, max(1, LEGEND * lines)))
    pen = ImageDraw.Draw(image)
    for place, segment in enumerate(segments):
        line, column = divmod(place, 4)
        color = tuple(int(part) for part in colors[place + 1])
        pen.text((GAP + column * width // 4, 4 + LEGEND * line), segment.label, color, _font(15))
    return np.asarray(image)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
