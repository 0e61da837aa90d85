# SPDX-License-Identifier: Apache-2.0
"""Black rectangles in pixels of every kind, and files that are still whole afterwards."""

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from burned_in import BASIC, parts_of, tissue
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

from imaging_data.deidentify.encode import encode
from imaging_data.deidentify.frames import Frames, rectangles
from imaging_data.deidentify.pixels import clean_pixels, words_in_pixels
from imaging_data.deidentify.reading import Reading
from imaging_data.deidentify.regions import device_rules, is_plain_slice
from imaging_data.deidentify.text import Word, with_lines
from imaging_data.parts import Parts, split

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
    rgb = RANDOM.integers(1, 255, (40, 60, 3), np.uint8)
    assert (check(parts_of(rgb)) == 0).all()
    by_plane = np.ascontiguousarray(np.moveaxis(rgb, -1, 0)).reshape(40, 60, 3)
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
