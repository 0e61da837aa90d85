# SPDX-License-Identifier: Apache-2.0
"""The picture: as the author made it, under a strip with the research-only line."""

import numpy as np
import pytest
from dicom_tools import dciodvfy_errors
from documents import PAGES
from result_files import all_kinds, write

from imaging_operators import SecondaryCapture
from imaging_operators.errors import InvalidResult
from imaging_operators.results.banner import FOREGROUND, banner, layout


def test_it_is_a_true_colour_secondary_capture(written):
    picture = written["secondary-capture-0"]
    assert picture.SOPClassUID.name == "Secondary Capture Image Storage"
    assert (picture.PhotometricInterpretation, picture.ConversionType, picture.Modality) == (
        "RGB",
        "WSD",
        "OT",
    )
    assert picture.DerivationDescription == "Coronal overlay"
    assert picture.BurnedInAnnotation == "NO"


def test_the_line_covers_nothing_of_the_author_s_picture(written, volume):
    image = all_kinds(volume)[-1].image
    pixels = written["secondary-capture-0"].pixel_array
    strip = len(pixels) - len(image)
    assert strip > 10
    assert np.array_equal(pixels[strip:], image)
    assert np.array_equal(pixels[:strip], banner(300))


@pytest.mark.parametrize("columns", [64, 65, 100, 200, 300, 512, 2048])
def test_the_line_fits_into_the_picture(columns):
    """Its letters touch neither side, so no word is cut off."""
    strip = banner(columns)
    letters = strip[..., 1] > FOREGROUND[1] / 3  # the strip has no green of its own
    assert strip.shape[1] == columns
    assert letters.sum() > 100
    assert not letters[:, :2].any()
    assert not letters[:, -2:].any()


@pytest.mark.parametrize(("columns", "lines"), [(64, 5), (100, 3), (210, 1), (512, 1)])
def test_no_word_of_the_line_is_lost(columns, lines):
    _, text = layout(columns)
    assert len(text) == lines
    assert " ".join(text) == "NOT FOR CLINICAL USE - RESEARCH ONLY"


@pytest.mark.parametrize(("rows", "columns"), [(65, 65), (64, 67)])
def test_odd_sizes(tmp_path, volume, rows, columns):
    image = np.random.default_rng(0).integers(0, 256, (rows, columns, 3), np.uint8)
    written = write(tmp_path / "out", volume, SecondaryCapture(image))
    picture = written["secondary-capture-0"]
    assert len(picture.PixelData) % 2 == 0
    assert np.array_equal(picture.pixel_array[-rows:], image)
    assert "DerivationDescription" not in picture


def test_a_view_of_another_array_will_do(tmp_path, volume):
    image = np.arange(128 * 128 * 3, dtype=np.uint8).reshape(128, 128, 3)[::-1, ::2]
    written = write(tmp_path / "out", volume, SecondaryCapture(image))
    assert np.array_equal(written["secondary-capture-0"].pixel_array[-128:], image)


@pytest.mark.parametrize(
    ("shape", "dtype", "sentence"),
    [
        ((100, 100), np.uint8, r"shape \(100, 100\)"),
        ((100, 100, 4), np.uint8, r"shape \(100, 100, 4\)"),
        ((100, 63, 3), np.uint8, "from 64 on"),
        ((0, 100, 100, 3), np.uint8, r"shape \(0, 100, 100, 3\)"),
        ((2, 2, 100, 100, 3), np.uint8, "or several of them"),
        ((64, 70000, 3), np.uint8, "up to 60000"),
        ((100, 100, 3), np.float32, "dtype float32; uint8 is needed"),
    ],
)
def test_another_kind_of_array_is_refused(shape, dtype, sentence):
    with pytest.raises(InvalidResult, match=sentence):
        SecondaryCapture(np.zeros(shape, dtype))


@pytest.mark.parametrize("caption", ["x" * 1025, "a\\b"])
def test_a_caption_that_does_not_fit_is_refused(caption):
    with pytest.raises(InvalidResult, match="caption"):
        SecondaryCapture(np.zeros((64, 64, 3), np.uint8), caption)


def test_pages_are_frames_of_one_object_with_the_line_on_each(documented):
    picture = documented["secondary-capture-0"]
    assert picture.SOPClassUID.name == "Multi-frame True Color Secondary Capture Image Storage"
    assert (picture.NumberOfFrames, list(picture.PageNumberVector)) == (3, [1, 2, 3])
    pixels = picture.pixel_array
    strip = banner(300)
    for page, image in zip(pixels, PAGES, strict=True):
        assert np.array_equal(page[: len(strip)], strip)
        assert np.array_equal(page[len(strip) :], image)


def test_one_page_needs_no_vector(tmp_path, volume):
    picture = write(tmp_path / "out", volume, SecondaryCapture(PAGES[:1]))["secondary-capture-0"]
    assert picture.NumberOfFrames == 1
    assert "FrameIncrementPointer" not in picture
    assert dciodvfy_errors(tmp_path / "out" / "secondary-capture-0.dcm") == []


def test_it_names_the_images_it_was_made_of(written, volume):
    named = [item.ReferencedSOPInstanceUID for item in written["secondary-capture-0"].SourceImageSequence]
    assert named == [instance.sop_instance_uid for instance, _ in volume.sources]
