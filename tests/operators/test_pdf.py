# SPDX-License-Identifier: Apache-2.0
"""The encapsulated PDF: one that was checked, with the line on each page, covering nothing."""

import io

import pytest
from documents import pdf
from pypdf import PdfReader, PdfWriter, Transformation
from pypdf.actions import JavaScript
from pypdf.generic import DecodedStreamObject, NameObject
from reportlab.pdfgen import canvas
from result_files import write

from imaging_operators import EncapsulatedPDF
from imaging_operators.errors import InvalidResult
from imaging_operators.results.pdf import STRIP_PT, stamped

LINE = "NOT FOR CLINICAL USE - RESEARCH ONLY"


def pages(content: bytes):
    return PdfReader(io.BytesIO(content), strict=True).pages


def positions(page) -> dict[str, tuple[float, float]]:
    """Where each text begins, in points: the line's in the page, all other in the form that it draws."""
    found = {}
    form = page["/Resources"]["/XObject"]["/Page"]

    def visit(text, matrix, text_matrix, font, size):
        if text.strip():
            x, y = text_matrix[4], text_matrix[5]
            found[text.strip()] = (
                matrix[0] * x + matrix[2] * y + matrix[4],
                matrix[1] * x + matrix[3] * y + matrix[5],
            )

    page.extract_text(visitor_text=visit)
    into_page = Transformation(tuple(form["/Matrix"]))  # ISO 32000-1, 8.10.1; pypdf leaves it out
    return {text: at if text == LINE else into_page.apply_on(at) for text, at in found.items()}


def changed(content: bytes, change) -> bytes:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(content)))
    change(writer)
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def test_it_holds_the_pages_and_the_line_on_each(documented):
    found = documented["pdf-0"]
    assert found.SOPClassUID.name == "Encapsulated PDF Storage"
    assert (found.Modality, found.MIMETypeOfEncapsulatedDocument) == ("DOC", "application/pdf")
    assert (found.DocumentTitle, found.BurnedInAnnotation) == ("Report of a test", "NO")
    content = found.EncapsulatedDocument[: found.EncapsulatedDocumentLength]
    texts = [page.extract_text() for page in pages(content)]
    assert len(texts) == 2
    for text, own in zip(texts, ("One", "Two"), strict=True):
        assert own in text
        assert LINE in text


def test_the_line_is_above_the_page_which_stays_as_it_was():
    [page] = pages(stamped([pdf("Own")]))
    assert (page.mediabox.width, page.mediabox.height) == (400, 300 + STRIP_PT)
    where = positions(page)
    assert where["Own"] == pytest.approx((20, 20))
    assert where[LINE][1] > 300
    assert 0 < where[LINE][0] < 200


@pytest.mark.parametrize(
    ("rotation", "size", "place"),
    [
        (0, (400, 300), (20, 20)),
        (90, (300, 400), (20, 380)),
        (180, (400, 300), (380, 280)),
        (270, (300, 400), (280, 20)),
    ],
)
def test_a_turned_page_is_drawn_upright(rotation, size, place):
    turned = changed(pdf("Own"), lambda writer: writer.pages[0].rotate(rotation))
    [page] = pages(stamped([turned]))
    assert page.rotation == 0
    assert (page.mediabox.width, page.mediabox.height) == (size[0], size[1] + STRIP_PT)
    assert positions(page)["Own"] == pytest.approx(place)


@pytest.mark.parametrize("width", [72, 100, 595, 2000])
def test_the_line_is_in_the_middle_of_the_width(width):
    from reportlab.pdfbase.pdfmetrics import stringWidth

    [page] = pages(stamped([pdf("x", size=(width, 100))]))
    left, _ = positions(page)[LINE]
    operators = page.get_contents().get_data().decode()
    size = float(operators.split("/ResearchOnly")[1].split()[0])
    drawn = stringWidth(LINE, "Helvetica-Bold", size)
    assert left > 0
    assert left + drawn / 2 == pytest.approx(width / 2, abs=0.5)


def test_several_become_one():
    texts = [page.extract_text() for page in pages(stamped([pdf("A", "B"), pdf("C")]))]
    assert [text.replace(LINE, "").strip() for text in texts] == ["A", "B", "C"]


def test_dates_identifiers_and_metadata_make_no_other_bytes():
    early = changed(
        pdf("Own"), lambda writer: writer.add_metadata({"/CreationDate": "D:1999", "/Author": "A B"})
    )
    assert stamped([early]) == stamped([pdf("Own")])
    assert b"A B" not in stamped([early])


def test_scripts_and_attached_files_are_left_behind():
    def arm(writer):
        writer.add_open_action(JavaScript("app.alert('hello')"))
        writer.add_attachment("secret.txt", b"a secret")

    content = stamped([changed(pdf("Own"), arm)])
    assert b"JavaScript" not in content
    assert PdfReader(io.BytesIO(content)).attachments == {}


def locked(writer) -> None:
    writer.encrypt("password", algorithm="RC4-128")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"<html>", "does not begin with %PDF-"),
        (b"%PDF-1.4\nnothing more", "The PDF is damaged"),
        (pdf("Own")[:300], "The PDF is damaged"),
        (changed(pdf("Own"), locked), "The PDF is encrypted"),
        (pdf("x", size=(60, 400)), "A page of 60 x 400 points"),
        ([], "without any page"),
    ],
    ids=["html", "no pages", "cut off", "encrypted", "tiny", "none"],
)
def test_what_is_no_such_pdf_is_refused(tmp_path, volume, content, sentence):
    with pytest.raises(InvalidResult, match=sentence):
        write(tmp_path / "out", volume, EncapsulatedPDF(content, "Title"))


@pytest.mark.parametrize("title", ["", " ", "a\\b", "x" * 1025])
def test_a_title_that_does_not_fit_is_refused(title):
    with pytest.raises(InvalidResult, match="title"):
        EncapsulatedPDF(pdf("x"), title)


def test_a_picture_in_a_page_survives(monkeypatch):
    from PIL import Image
    from reportlab import rl_config

    monkeypatch.setattr(rl_config, "useA85", 1)  # inline pictures are text; an app may have chosen otherwise
    picture = Image.effect_noise((64, 64), 50)
    buffer = io.BytesIO()
    drawn = canvas.Canvas(buffer, pagesize=(300, 300))
    drawn.drawInlineImage(picture, 10, 10)
    drawn.showPage()
    drawn.save()
    content = buffer.getvalue()
    [before], [page] = pages(content), pages(stamped([content]))
    assert len(before.images) == 1
    form = page["/Resources"]["/XObject"]["/Page"]
    assert form.get_data() == before.get_contents().get_data()


def test_what_a_page_leaves_open_does_not_swallow_the_line():
    def leave_open(writer):
        content = DecodedStreamObject()
        content.set_data(b"q 0 0 1 1 re W n BT /F1 1 Tf (begun")
        writer.pages[0][NameObject("/Contents")] = content

    [page] = pages(stamped([changed(pdf("Own"), leave_open)]))
    assert page.get_contents().get_data().startswith(b"/Page Do q ")
