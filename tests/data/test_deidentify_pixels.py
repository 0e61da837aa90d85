# SPDX-License-Identifier: Apache-2.0
"""Text that is burned into pixels: found, made black; what is not certain is held."""

import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from burned_in import BASIC, Page, ct_slice, page_of_names, parts_of, tissue
from pydicom import Dataset
from pydicom.uid import MPEG4HP41, VLWholeSlideMicroscopyImageStorage

from imaging_data.deidentify import HeldBack, Profile, pixels
from imaging_data.deidentify.frames import Frames
from imaging_data.deidentify.pixels import clean_pixels, words_in_pixels
from imaging_data.deidentify.reading import Reading
from imaging_data.deidentify.text import Word
from imaging_data.parts import Parts, split

IU22 = {"Modality": "US", "Manufacturer": "Philips Medical Systems", "ManufacturerModelName": "iU22"}


@pytest.fixture
def tesseract() -> None:
    """Skips where the program is missing."""
    if shutil.which("tesseract") is None:
        pytest.skip("tesseract is not installed: apt-get install tesseract-ocr")


def no_words(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """OCR that finds nothing; what it was given."""
    read: list[object] = []
    monkeypatch.setattr(pixels, "read_words", lambda picture, languages: read.append(picture) or [])
    monkeypatch.setattr(pixels, "is_installed", lambda: True)
    return read


def sample(samples: Path, name: str) -> Parts:
    """One sample file."""
    return split((samples / name).read_bytes())


def shown(parts: Parts) -> np.ndarray:
    """All stored values."""
    return Frames.of(parts).stored


@pytest.mark.usefixtures("tesseract")
@pytest.mark.parametrize("background", ["black", "grey", "tissue"])
def test_names_of_all_sizes_are_found(background: str) -> None:
    """Of 12 rendered names of 10 to 32 pixels at most one may be missed, and then the image is held."""
    page = page_of_names(background, seed=1)
    try:
        clean = clean_pixels(parts_of(page.pixels), BASIC)
    except HeldBack:
        return
    stored = shown(clean)[0, ..., 0]
    assert page.left(stored == stored.min()) == []
    assert clean.dataset.BurnedInAnnotation == "NO"
    assert clean.dataset.PatientName == "Kaufman^Scott"  # attributes are not this function's


@pytest.mark.usefixtures("tesseract")
def test_real_localizer_with_a_name(samples: Path) -> None:
    """Scout with the patient's name in its pixels: the name goes, the picture stays."""
    parts = sample(samples, "deid_burned_in_text/2_ORIGINAL.dcm")
    before = shown(parts)
    clean = clean_pixels(parts, BASIC)
    after = shown(clean)
    text = before == 32767
    assert (text & (after == before)).sum() <= text.sum() // 50
    assert np.array_equal(after[:, 60:], before[:, 60:])
    assert "scott" not in words_in_pixels(clean, Reading())


@pytest.mark.usefixtures("tesseract")
def test_picture_without_text_is_held_or_left_alone(samples: Path) -> None:
    """A fused PET picture has no text, though some of it looks alike: nothing of it is made black."""
    parts = sample(samples, "deid_burned_in_text/RGB_ORIGINAL.dcm")
    with suppress(HeldBack):
        assert clean_pixels(parts, BASIC) is parts
    assert parts.dataset.PhotometricInterpretation == "RGB"


def test_ultrasound_is_black_outside_its_regions(samples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Palette, ten frames, RLE: only what SequenceOfUltrasoundRegions names stays."""
    no_words(monkeypatch)
    parts = sample(samples, "us_multiframe_palette/US-PAL-8-10x-echo")
    with pytest.raises(HeldBack, match="without SequenceOfUltrasoundRegions"):
        clean_pixels(parts, BASIC)
    region = Dataset()
    region.RegionLocationMinX0, region.RegionLocationMinY0 = 250, 200
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = 400, 290
    parts.dataset.SequenceOfUltrasoundRegions = [region]
    before, clean = shown(parts), clean_pixels(parts, BASIC)
    after = Frames.of(clean)
    assert np.array_equal(after.stored[:, 200:291, 250:401], before[:, 200:291, 250:401])
    outside = np.ones(after.shape, bool)
    outside[200:291, 250:401] = False
    assert all(picture[outside].max() <= 2 for picture in after.pictures(9))
    region.RegionLocationMaxX1 = 601
    with pytest.raises(HeldBack, match="outside the image"):
        clean_pixels(parts, BASIC)


def test_device_rule_masks_its_band(monkeypatch: pytest.MonkeyPatch) -> None:
    """An iU22 of 640x480 without regions: the band with the name, at the top."""
    no_words(monkeypatch)
    picture = np.full((480, 640), 40, np.uint8)
    picture[:47], picture[47] = 200, 150
    after = shown(clean_pixels(parts_of(picture, **IU22), BASIC))[0, ..., 0]
    assert (after[:47] == 40).all()
    assert np.array_equal(after[47:], picture[47:])


@pytest.mark.usefixtures("tesseract")
def test_text_in_one_frame_is_masked_in_all() -> None:
    """A name in frame 6 of 9 only; over time its place is white and dark, so that frame alone shows it."""
    page = Page(np.full((160, 320), 20, np.uint8))
    frames = np.stack([page.pixels] * 9)
    page.write("KAUFMAN SCOTT", (10, 8), 18, 255)
    frames[6], frames[2], frames[2, -1, -1] = page.pixels, 255, 0
    after = shown(clean_pixels(parts_of(frames), BASIC))[..., 0]
    assert after[6].max() <= 20
    assert (after[2, 8:26, 10:150] == 0).mean() > 0.9


@pytest.mark.usefixtures("tesseract")
def test_said_to_be_burned_in_and_not_found_is_held() -> None:
    """BurnedInAnnotation YES is believed."""
    parts = parts_of(np.full((64, 64), 9, np.uint8), BurnedInAnnotation="YES")
    with pytest.raises(HeldBack, match="none was found"):
        clean_pixels(parts, BASIC)


def test_plain_slice_is_not_read_unless_somebody_drew_into_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """OCR costs a second: slices as the scanner made them go without, whatever their noise."""
    read = no_words(monkeypatch)
    plain = ct_slice(tissue((256, 256)))
    assert clean_pixels(plain, BASIC) is plain
    assert not read
    drawn = tissue((256, 256))
    page = Page(np.zeros((256, 256), np.uint8))
    page.write("Nguyen", (30, 30), 18, 255)
    drawn[page.pixels > 200] = 1500  # less than the brightest tissue: only how often it occurs is strange
    clean_pixels(ct_slice(drawn), BASIC)
    assert read


def test_text_that_stays_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is found again after masking does not go out, nor what is read with doubt."""
    sure, doubtful = Word("KAUFMAN", 90, 10, 10, 60, 20), Word("Kaufm", 45, 10, 10, 60, 20)
    monkeypatch.setattr(pixels, "is_installed", lambda: True)
    for found, reason in (
        (sure, "is left"),
        (doubtful, "may be text"),
        (Word("AB12", 90, 0, 0, 99, 99), "covers"),
    ):
        monkeypatch.setattr(pixels, "read_words", lambda picture, languages, found=found: [found])
        with pytest.raises(HeldBack, match=reason) as held:
            clean_pixels(parts_of(np.full((100, 100), 9, np.uint8)), BASIC)
        assert found.text not in str(held.value)


def test_what_cannot_be_read_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """No OCR, video, pixels that end too soon, the label of a slide: each with its reason."""
    grey = np.zeros((32, 32), np.uint8)
    slide = parts_of(
        grey, SOPClassUID=VLWholeSlideMicroscopyImageStorage, ImageType=["ORIGINAL", "PRIMARY", "LABEL"]
    )
    cut, window = parts_of(grey, Rows=64), parts_of(grey, PixelRepresentation=None)
    for parts, reason in (
        (parts_of(grey, HighBit=None), "damaged"),
        (parts_of(grey, BitsAllocated=1, BitsStored=1, HighBit=0, Rows=64, Columns=128), "bits"),
        (window, "pixels"),
        (parts_of(grey, MPEG4HP41), "4.102"),
        (slide, "label"),
        (cut, "decoded"),
    ):
        with pytest.raises(HeldBack, match=reason):
            clean_pixels(parts, BASIC)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(HeldBack, match="tesseract is not installed"):
        clean_pixels(parts_of(grey), BASIC)


def test_without_the_option_pixels_stay() -> None:
    """A profile without clean-pixel-data looks at no pixel."""
    parts = parts_of(np.zeros((4, 4), np.uint8), MPEG4HP41)
    assert clean_pixels(parts, Profile("none")) is parts
