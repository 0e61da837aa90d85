# SPDX-License-Identifier: Apache-2.0
"""One result of each kind that is neither a labelmap nor a table: reports, pictures of pages, documents, marks."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from reportlab.pdfgen import canvas

from imaging_operators import (
    Classification,
    EncapsulatedPDF,
    KeyObject,
    Mark,
    Measurement,
    PlacedFinding,
    PlacedFindings,
    PresentationState,
    Score,
    SecondaryCapture,
    codes,
)

KINDS = [
    "classification",
    "placed-findings",
    "presentation-state",
    "secondary-capture",
    "key-object",
    "pdf",
]
OUTLINE = [(2.0, 3.0), (2.0, 9.0), (8.0, 9.0), (2.0, 3.0)]
PAGES = np.random.default_rng(1).integers(0, 256, (3, 70, 300, 3), np.uint8)


def pdf(*pages: str, size: tuple[float, float] = (400, 300)) -> bytes:
    """A PDF with a line of text on each page; its dates are of now."""
    buffer = io.BytesIO()
    drawn = canvas.Canvas(buffer, pagesize=size)
    for text in pages:
        drawn.drawString(20, 20, text)
        drawn.showPage()
    drawn.save()
    return buffer.getvalue()


def documents(last_slice: int = 0) -> Sequence[Any]:
    """One result of each kind of KINDS, in that order; marks are on the first slice and `last_slice`."""
    diameter = Measurement(codes.SCT.Length, 6.0, codes.UCUM.Millimeter)
    finding = PlacedFinding(
        codes.SCT.Nodule, Mark(OUTLINE), [diameter], "Nodule 1", codes.SCT.Lung, codes.SCT.Left
    )
    pages = SecondaryCapture(PAGES, "Three pages")
    scores = [Score(codes.SCT.Nodule, 0.71, 0.5, codes.SCT.Lung), Score("Lung opacity", 0.4, 0.5)]
    return [
        Classification(scores, "densenet-of-a-test", "phantoms only", "not for children"),
        PlacedFindings([finding, PlacedFinding(codes.SCT.Nodule, Mark([(5, 5)], last_slice))]),
        PresentationState([Mark(OUTLINE, last_slice, "nodule"), Mark([(1, 1)])]),
        pages,
        KeyObject([0, last_slice, pages] if last_slice else [0, pages], description="The nodule"),
        EncapsulatedPDF(pdf("One", "Two"), "Report of a test", findings=("a finding",)),
    ]
