# SPDX-License-Identifier: Apache-2.0
"""One page for people: scores as bars beside their operating point, the picture, and what the model is."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from reportlab import rl_config
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader, simpleSplit
from reportlab.pdfgen.canvas import Canvas

from .classifier import OPERATING_POINT, Scored
from .findings import words_of

rl_config.useA85 = 0  # pictures as bytes: the text form costs 30 ms

WIDTH, HEIGHT = A4
MARGIN = 15 * mm
NAMES, BARS = 62 * mm, 70 * mm  # widths of the table's columns
ROW = 5.2 * mm
LARGEST_PICTURE = 160 * mm  # high
BELOW, ABOVE = (0.55, 0.6, 0.68), (0.84, 0.37, 0.0)


def page(
    title: str,
    scores: Sequence[Scored],
    remarks: Sequence[str],
    notes: Sequence[str],
    picture: NDArray[np.uint8],
) -> bytes:
    """The page as PDF, the same bytes for the same content.  The framework puts the research-only line above."""
    file = BytesIO()
    canvas = Canvas(file, pagesize=A4, invariant=1)
    canvas.setTitle(title)
    top = _heading(canvas, title, remarks)
    top = _bars(canvas, top, scores)
    bottom = _notes(canvas, notes)
    _picture(canvas, top, bottom, picture)
    canvas.save()
    return file.getvalue()


def _heading(canvas: Canvas, title: str, remarks: Sequence[str]) -> float:
    """The lines above the table; returns how far down they reach."""
    top = HEIGHT - MARGIN - 5 * mm
    canvas.setFont("Helvetica-Bold", 15)
    canvas.drawString(MARGIN, top, title)
    canvas.setFont("Helvetica", 10)
    for number, remark in enumerate(remarks):
        canvas.drawString(MARGIN, top - 6 * mm - number * ROW, remark.capitalize() + ".")
    return top - 9 * mm - len(remarks) * ROW


def _bars(canvas: Canvas, top: float, scores: Sequence[Scored]) -> float:
    left = MARGIN + NAMES
    canvas.setFont("Helvetica", 8)
    point = left + OPERATING_POINT * BARS
    canvas.drawCentredString(point, top, f"operating point {OPERATING_POINT}")
    canvas.drawRightString(left + BARS + 14 * mm, top, "score, no probability")
    top -= 2 * mm
    bottom = top - ROW * len(scores)
    for number, one in enumerate(sorted(scores, key=lambda one: -one.value), start=1):
        _bar(canvas, top - number * ROW, one)
    canvas.setStrokeColorRGB(0, 0, 0)
    canvas.line(point, top, point, bottom)
    return bottom


def _bar(canvas: Canvas, y: float, one: Scored) -> None:
    left = MARGIN + NAMES
    canvas.setFont("Helvetica-Bold" if one.above else "Helvetica", 10)
    canvas.setFillColorRGB(0, 0, 0)
    canvas.drawString(MARGIN, y + 1.2 * mm, words_of(one.name))
    canvas.drawRightString(left + BARS + 14 * mm, y + 1.2 * mm, f"{one.value:.2f}")
    canvas.setFillColorRGB(*(ABOVE if one.above else BELOW))
    canvas.rect(left, y + 0.6 * mm, max(one.value, 0.002) * BARS, ROW - 1.6 * mm, stroke=0, fill=1)


def _notes(canvas: Canvas, notes: Sequence[str]) -> float:
    """At the foot of the page; returns how far up they reach."""
    canvas.setFillColorRGB(0.25, 0.25, 0.25)
    canvas.setFont("Helvetica", 8)
    lines = [line for note in notes for line in simpleSplit(note, "Helvetica", 8, WIDTH - 2 * MARGIN)]
    for number, line in enumerate(reversed(lines)):
        canvas.drawString(MARGIN, MARGIN + number * 3.6 * mm, line)
    return MARGIN + len(lines) * 3.6 * mm


def _picture(canvas: Canvas, top: float, bottom: float, picture: NDArray[np.uint8]) -> None:
    """As large as the room between table and notes allows, centred across."""
    rows, columns = picture.shape[:2]
    room = min(top - bottom - 8 * mm, LARGEST_PICTURE)
    scale = min(room / rows, (WIDTH - 2 * MARGIN) / columns)
    jpeg = BytesIO()
    Image.fromarray(picture).save(jpeg, "JPEG", quality=85)
    left = (WIDTH - scale * columns) / 2
    canvas.drawImage(_Jpeg(jpeg), left, top - 4 * mm - scale * rows, scale * columns, scale * rows)


class _Jpeg(ImageReader):  # type: ignore[misc]
    """A JPEG that becomes part of the page as it is; reportlab would decode it, to tell pictures apart."""

    _dataA = None  # the mask of pictures that have one

    def getRGBData(self) -> bytes:
        return bytes(self.fp.getbuffer())
