# SPDX-License-Identifier: Apache-2.0
"""The bytes of a PDF, checked, joined, stamped and made reproducible."""

import io
from collections.abc import Iterator, Sequence

from pypdf import PageObject, PdfReader, PdfWriter, Transformation
from pypdf.errors import PyPdfError
from pypdf.generic import ArrayObject, DecodedStreamObject, DictionaryObject, FloatObject, NameObject

from ..errors import InvalidResult
from .base import RESEARCH_ONLY

STRIP_PT = 18.0  # the height of the line above each page, in 1/72 inch
LARGEST_PT = 10.0
LETTER = 0.593  # the mean width of this line's letters in Helvetica, of their size
SMALLEST_SIDE_PT = 72.0


def stamped(contents: Sequence[bytes]) -> bytes:
    """One PDF of all pages of `contents`, the research-only line in a strip above each.

    A page grows by the strip, which covers nothing.  Only what is drawn is taken over: no metadata, dates,
    identifiers, scripts, links, forms and attached files.  So the same pages give the same bytes.
    Raises InvalidResult for what is no PDF, has no page, is encrypted, or has a page under one inch.
    """
    writer = PdfWriter()
    for content in contents:
        for page in _pages(content):
            _add_stamped(writer, page)
    if not writer.pages:
        raise InvalidResult("A PDF without any page.", "Return no EncapsulatedPDF then.")
    writer.metadata = {"/Producer": "Gantry", "/Title": RESEARCH_ONLY}
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def _pages(content: bytes) -> Iterator[PageObject]:
    if not content.startswith(b"%PDF-"):
        raise InvalidResult(
            "The content of an EncapsulatedPDF is no PDF: it does not begin with %PDF-.",
            "Give the bytes of the file.",
        )
    try:
        reader = PdfReader(io.BytesIO(content), strict=True)
        if reader.is_encrypted:
            raise InvalidResult("The PDF is encrypted.", "Return it without a password.")
        yield from reader.pages
    except (PyPdfError, ValueError, KeyError, RecursionError) as error:
        raise InvalidResult(f"The PDF is damaged: {error}.", "Look at how the app makes it.") from error


def _add_stamped(writer: PdfWriter, page: PageObject) -> None:
    upright, width, height = _upright(page)
    if min(width, height) < SMALLEST_SIDE_PT:
        raise InvalidResult(f"A page of {width:g} x {height:g} points.", "One inch is the smallest.")
    new = writer.add_blank_page(width, height + STRIP_PT)
    resources = _resources()
    own = writer._add_object(_as_form(writer, page, upright))
    resources[NameObject("/XObject")] = DictionaryObject({NameObject("/Page"): own})
    new[NameObject("/Resources")] = resources
    stream = DecodedStreamObject()
    stream.set_data(b"/Page Do " + _line(width, height))
    new[NameObject("/Contents")] = writer._add_object(stream)


def _as_form(writer: PdfWriter, page: PageObject, upright: Transformation) -> DecodedStreamObject:
    """What the page draws as one form (ISO 32000-1, 8.10): a stream apart, which cannot disturb the line."""
    form, contents = DecodedStreamObject(), page.get_contents()
    form.set_data(b"" if contents is None else contents.get_data())
    form[NameObject("/Type")], form[NameObject("/Subtype")] = NameObject("/XObject"), NameObject("/Form")
    form[NameObject("/BBox")] = ArrayObject(FloatObject(number) for number in page.cropbox)
    form[NameObject("/Matrix")] = ArrayObject(FloatObject(number) for number in upright.ctm)
    resources = page.get("/Resources", DictionaryObject()).get_object()
    form[NameObject("/Resources")] = resources.clone(writer)
    return form


def _upright(page: PageObject) -> tuple[Transformation, float, float]:
    """How to draw what is seen of the page from (0, 0) on and upright, and how wide and high it is then."""
    box = page.cropbox
    width, height = float(box.width), float(box.height)
    turned = page.rotation % 180 == 90
    seen = (height, width) if turned else (width, height)
    about_centre = Transformation().translate(-float(box.left) - width / 2, -float(box.bottom) - height / 2)
    return about_centre.rotate(-page.rotation).translate(seen[0] / 2, seen[1] / 2), *seen


def _resources() -> DictionaryObject:
    """Helvetica, which every viewer has (ISO 32000-1, 9.6.2.2)."""
    names = {"/Type": "/Font", "/Subtype": "/Type1", "/BaseFont": "/Helvetica-Bold"}
    font = DictionaryObject({NameObject(key): NameObject(value) for key, value in names.items()})
    fonts = DictionaryObject({NameObject("/ResearchOnly"): font})
    return DictionaryObject({NameObject("/Font"): fonts})


def _line(width: float, bottom: float) -> bytes:
    """A dark strip and the line in the middle of it, as PDF operators."""
    size = min(LARGEST_PT, 0.95 * width / (LETTER * len(RESEARCH_ONLY)))
    left = (width - LETTER * size * len(RESEARCH_ONLY)) / 2
    return (
        f"q 0.24 0 0 rg 0 {bottom:.2f} {width:.2f} {STRIP_PT} re f "
        f"BT 1 0.86 0 rg /ResearchOnly {size:.2f} Tf {left:.2f} {bottom + STRIP_PT / 2 - size / 3:.2f} Td "
        f"({RESEARCH_ONLY}) Tj ET Q"
    ).encode()
