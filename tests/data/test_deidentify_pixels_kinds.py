# SPDX-License-Identifier: Apache-2.0
"""Black rectangles in pixels of every kind, and files that are still whole afterwards."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from burned_in import BASIC, Page, parts_of, tissue
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.pixels import convert_color_space
from pydicom.uid import (
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    RLELossless,
    RTDoseStorage,
    SegmentationStorage,
    UltrasoundImageStorage,
)

from imaging_data.deidentify import pixels
from imaging_data.deidentify.encode import encode
from imaging_data.deidentify.frames import Frames, rectangles
from imaging_data.deidentify.pixels import clean_pixels, words_in_pixels
from imaging_data.deidentify.reading import Reading
from imaging_data.deidentify.regions import device_rules, is_plain_slice
from imaging_data.deidentify.text import Word, with_lines
from imaging_data.parts import Parts, split

LOSSY_CT = "CTImage.dcm_JPEGProcess1TransferSyntax_1.2.840.10008.1.2.4.50.dcm"
BOX = (10, 5, 50, 15)
RANDOM = np.random.default_rng(3)


def masked(parts: Parts) -> tuple[NDArray[Any], Dataset]:
    """The stored values before, and the file that is written after `BOX` is made black."""
    frames = Frames.of(parts)
    before = frames.stored.copy()
    frames.blacken(rectangles(frames.shape, [BOX]))
    again = frames.parts_again()
    return before, dcmread(BytesIO(encode(again.dataset, again)))


def check(parts: Parts) -> NDArray[Any]:
    """Nothing but the box changed; returns what is in it."""
    before, dataset = masked(parts)
    after = Frames.of(split(_bytes(dataset))).stored
    inside = rectangles(after.shape[1:3], [BOX])
    assert np.array_equal(after[:, ~inside], before[:, ~inside])
    assert dataset.pixel_array.shape == after.squeeze().shape
    return after[:, inside]


def _bytes(dataset: Dataset) -> bytes:
    file = BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def test_grey_values_become_the_darkest() -> None:
    """MONOCHROME2 the least, also of signed values; MONOCHROME1 the greatest."""
    signed = tissue((40, 60)) - np.int16(1200)
    assert (check(parts_of(signed)) == signed.min()).all()
    unsigned = signed.astype(np.uint16)
    assert (check(parts_of(unsigned, PhotometricInterpretation="MONOCHROME1")) == unsigned.max()).all()


def test_colours_become_black() -> None:
    """RGB by pixel and by plane, YBR_FULL, a palette whose darkest entry is not its first."""
    rgb = RANDOM.integers(1, 255, (41, 61, 3), np.uint8)
    assert (check(parts_of(rgb)) == 0).all()
    by_plane = np.ascontiguousarray(np.moveaxis(rgb, -1, 0)).reshape(41, 61, 3)
    assert (check(parts_of(by_plane, PlanarConfiguration=1)) == 0).all()
    ybr = convert_color_space(rgb, "RGB", "YBR_FULL")
    assert (check(parts_of(ybr, PhotometricInterpretation="YBR_FULL")) == [0, 128, 128]).all()
    palette = parts_of(RANDOM.integers(0, 9, (40, 60), np.uint8), PhotometricInterpretation="PALETTE COLOR")
    for colour in ("Red", "Green", "Blue"):
        entries = np.arange(256, dtype="<u2")[::-1] * 257
        palette.dataset.add_new(f"{colour}PaletteColorLookupTableDescriptor", "US", [256, 0, 16])
        palette.dataset.add_new(f"{colour}PaletteColorLookupTableData", "OW", entries.tobytes())
    assert (check(palette) == 8).all()


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless])
def test_transfer_syntaxes(syntax: str) -> None:
    """What is not compressed stays as it is encoded; what is becomes Explicit VR Little Endian."""
    plain = parts_of(tissue((40, 60)).astype(np.uint16))
    dataset = plain.dataset
    dataset.PixelData = plain.content
    dataset["PixelData"].VR = "OW"
    if syntax == RLELossless:
        dataset.compress(RLELossless, generate_instance_uid=False)
        dataset.add_new("LargestImagePixelValue", "US", 5)
    elif syntax == ExplicitVRBigEndian:
        dataset.PixelData = np.frombuffer(plain.content, "<u2").astype(">u2").tobytes()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.set_original_encoding(syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian, "iso8859")
    parts = split(_bytes(dataset))
    before, after = masked(parts)
    assert np.array_equal(before[0, ..., 0], tissue((40, 60)))
    assert after.file_meta.TransferSyntaxUID == ("1.2.840.10008.1.2.1" if syntax == RLELossless else syntax)
    assert (after.pixel_array[5:15, 10:50] == before.min()).all()
    assert "LargestImagePixelValue" not in after


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(*[st.integers(-20, 90)] * 4), max_size=4))
def test_rectangles_stay_inside(boxes: list[tuple[int, int, int, int]]) -> None:
    """A mask has the pixels that lie in any box, wherever its corners are."""
    mask = rectangles((40, 60), boxes)
    rows, columns = np.indices((40, 60))
    inside = [(rows >= t) & (rows < b) & (columns >= l) & (columns < r) for l, t, r, b in boxes]  # noqa: E741
    assert np.array_equal(mask, np.any(inside, axis=0) if inside else np.zeros((40, 60), bool))


def test_overlay_in_unused_bits_goes() -> None:
    """An overlay in bit 12 of pixels with 12 bits; the values below it stay."""
    values = tissue((64, 64)).astype(np.uint16)
    parts = parts_of(values | np.uint16(1 << 12), BitsStored=12, HighBit=11)
    parts.dataset.add_new((0x6000, 0x0102), "US", 12)
    frames = Frames.of(parts)
    assert frames.clear_overlay_bits()
    assert np.array_equal(frames.stored[0, ..., 0], values)
    parts.dataset[0x6000, 0x0102].value = 3  # that one belongs to the grey values
    assert not frames.clear_overlay_bits()


def test_text_beside_the_grey_values_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undeclared, in bits 12 to 15: no viewer shows it, and it is there.  Padding in such bits stays."""
    monkeypatch.setattr(pixels, "read_words", lambda picture, languages: [])  # its letters are seen
    monkeypatch.setattr(pixels, "is_installed", lambda: True)
    values = tissue((80, 320)).astype(np.uint16)
    page = Page(np.zeros(values.shape, np.uint8))
    page.write("KAUFMAN SCOTT", (20, 20), 24, 255)
    low = {"BitsStored": 12, "HighBit": 11}
    hidden = parts_of(values | (page.pixels > 127).astype(np.uint16) << 13, **low)
    assert Frames.of(hidden).pictures(0)[0][page.pixels > 127].max() < 255
    clean = clean_pixels(hidden, BASIC)
    assert np.array_equal(Frames.of(clean).stored[0, ..., 0], values)
    padded = values.copy()
    padded[:20, :20] = 63536
    assert Frames.of(clean_pixels(parts_of(padded, **low), BASIC)).stored[0, 0, 0, 0] == 63536
    signed = Frames.of(parts_of(tissue((8, 8)) - np.int16(1200), **low))
    assert signed.hidden() is None


def test_colours_are_seen_however_they_are_stored() -> None:
    """Text as bright as what is around it, 10 of 16 bits, a palette that fills 8 of 16."""
    text = np.zeros((40, 60), bool)
    text[10:20, 10:50] = True
    rgb = np.where(text[..., None], [0, 0, 255], [29, 29, 29]).astype(np.uint8)
    ybr = parts_of(convert_color_space(rgb, "RGB", "YBR_FULL"), PhotometricInterpretation="YBR_FULL")
    deep = parts_of(
        np.where(text[..., None], 1023, 100).repeat(3, -1).astype(np.uint16), BitsStored=10, HighBit=9
    )
    palette = parts_of(text.astype(np.uint8), PhotometricInterpretation="PALETTE COLOR")
    for colour in ("Red", "Green", "Blue"):
        palette.dataset.add_new(f"{colour}PaletteColorLookupTableDescriptor", "US", [2, 0, 16])
        palette.dataset.add_new(
            f"{colour}PaletteColorLookupTableData", "OW", np.array([9, 255], "<u2").tobytes()
        )
    for parts in (ybr, deep, palette):
        picture = Frames.of(parts).pictures(0)[0].astype(int)
        assert picture[text].min() - picture[~text].max() > 200


def test_what_was_lossy_says_so_still(samples: Path) -> None:
    """Only the transfer syntax said it, and that changes."""
    parts = split((samples / "transfer_syntaxes_ct_chest" / LOSSY_CT).read_bytes())
    for keyword in ("LossyImageCompression", "LossyImageCompressionMethod", "LossyImageCompressionRatio"):
        parts.dataset.pop(keyword, None)
    assert (check(parts) == Frames.of(parts).stored.min()).all()
    assert parts.dataset.LossyImageCompression == "01"
    assert parts.dataset.LossyImageCompressionMethod == "ISO_10918_1"
    assert 2 < float(parts.dataset.LossyImageCompressionRatio) < 50


def test_what_shows_nothing_is_not_read() -> None:
    """Dose grids and labels are no pictures."""
    dose = parts_of(np.zeros((4, 4), np.uint16), SOPClassUID=RTDoseStorage)
    labels = parts_of(np.zeros((4, 4), np.uint8), SOPClassUID=SegmentationStorage)
    assert [clean_pixels(dose, BASIC), clean_pixels(labels, BASIC)] == [dose, labels]
    assert words_in_pixels(labels, Reading()) == []


def test_device_rules_are_sound() -> None:
    """Each rule has a name of its own and boxes that are some; ultrasound is never a plain slice."""
    rules = device_rules()
    assert len({rule.name for rule in rules}) == len(rules) >= 20
    assert all(left < right and top < bottom for rule in rules for left, top, right, bottom in rule.boxes)
    assert not is_plain_slice(
        parts_of(np.zeros((4, 4), np.uint16), SOPClassUID=UltrasoundImageStorage).dataset
    )


def test_words_on_one_line_go_together() -> None:
    """What is beside a sure word is text; what is far from it, or a single letter over and over, is not."""
    sure, beside = Word("SCOTT", 90, 100, 10, 150, 22), Word("KAUFNIAN", 3, 20, 9, 92, 22)
    far, same = Word("Lene", 38, 300, 200, 340, 212), Word("SSSS", 80, 10, 60, 40, 70)
    assert with_lines([far, beside, same, sure]) == [sure, beside]
    assert [word.is_doubtful for word in (far, same, Word("Kaufm", 45, 0, 0, 9, 9))] == [False, False, True]
