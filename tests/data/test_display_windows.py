# SPDX-License-Identifier: Apache-2.0
"""Grey levels are those of PS3.3 section C.11: every value is worked out a second time, as the Standard's text says."""

from dataclasses import asdict
from math import exp
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRBigEndian, JPEG2000Lossless, RLELossless
from radiograph_files import dx, lookup_table

from imaging_data import UnsupportedPixels
from imaging_data.display import Options, Rendering, Rule, Window, decoded, grey_levels, picture
from imaging_data.display.frames import parts_of

STANDARD = Options()
RAMP = np.arange(4096, dtype=np.uint16).reshape(64, 64)
BITS12 = {"BitsStored": 12}
TWO = {
    "WindowCenter": [2000, 500.5],
    "WindowWidth": [3000, 101],
    "WindowCenterWidthExplanation": ["WIDE", "Narrow"],
}


def in_memory(stored: np.ndarray, **attributes: Any) -> Dataset:
    """One grey image, as a data set with its pixel data."""
    dataset = Dataset()
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = stored.shape[-2:]
    dataset.BitsAllocated = dataset.BitsStored = 8 * stored.dtype.itemsize
    dataset.PixelRepresentation = int(stored.dtype.kind == "i")
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    dataset.HighBit = attributes.get("HighBit", dataset.BitsStored - 1)
    dataset.add_new("PixelData", "OW", stored.tobytes())
    return dataset


def shown(stored: np.ndarray, options: Options = STANDARD, **attributes: Any) -> tuple[np.ndarray, Rendering]:
    """Its picture."""
    return picture(in_memory(stored, **attributes), 0, options)


def unreadable_table() -> Dataset:
    """A table of which nothing can be read: no numbers, and a VR that there is not."""
    table = Dataset()
    table.add_new("LUTDescriptor", "LO", ["a", "b", "c"])
    table[0x00283006] = RawDataElement(Tag(0x00283006), "O\x8a", 2, b"\0\0", 0, False, True)
    return table


def as_the_standard_says(x: float, c: float, w: float, function: str, ymax: int) -> float:
    """The pseudo-code of sections C.11.2.1.2.1 and C.11.2.1.3, with ymin = 0."""
    if function == "SIGMOID":
        return ymax / (1 + exp(min(700, -4 * (x - c) / w)))
    if function == "LINEAR_EXACT":
        if x <= c - w / 2:
            return 0
        if x > c + w / 2:
            return ymax
        return ((x - c) / w + 0.5) * ymax
    if x <= c - 0.5 - (w - 1) / 2:
        return 0
    if x > c - 0.5 + (w - 1) / 2:
        return ymax
    return ((x - (c - 0.5)) / (w - 1) + 0.5) * ymax


@settings(max_examples=40, deadline=None)
@given(
    centre=st.floats(-3000, 3000),
    width=st.floats(1, 5000),
    function=st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"]),
    slope=st.sampled_from([1, -1, 0.5, 2.25]),
    intercept=st.sampled_from([0, -1024, 0.25]),
    signed=st.booleans(),
    bits=st.sampled_from([8, 16]),
    photometric=st.sampled_from(["MONOCHROME1", "MONOCHROME2"]),
)
def test_each_value_has_the_level_of_the_standards_pseudo_code(
    centre, width, function, slope, intercept, signed, bits, photometric
):
    stored = np.arange(-128, 128, dtype=np.int16) * 16 if signed else np.arange(256, dtype=np.uint16) * 16
    centre, width = float(f"{centre:.6g}"), float(f"{width:.6g}")  # as a DS can say it
    array, rendering = shown(
        stored.reshape(16, 16),
        Options(bits=bits),
        RescaleSlope=slope,
        RescaleIntercept=intercept,
        PhotometricInterpretation=photometric,
        WindowCenter=centre,
        WindowWidth=width,
        VOILUTFunction=function,
    )
    ymax = (1 << bits) - 1
    expected = [
        as_the_standard_says(x * slope + intercept, centre, width, function, ymax) for x in stored.tolist()
    ]
    if photometric == "MONOCHROME1":
        expected = [ymax - y for y in expected]
    assert np.abs(array.ravel() - np.array(expected)).max() <= 0.5 + 1e-6
    assert array.dtype == np.dtype(f"u{bits // 8}")
    used = rendering.window_center, rendering.window_width, rendering.voi_lut_function, rendering.rule
    assert used == (centre, width, function, Rule.WINDOW)


def test_a_window_one_wide_is_a_threshold():
    array, _ = shown(RAMP, WindowCenter=100, WindowWidth=1)
    assert np.array_equal(array, np.where(RAMP >= 100, 255, 0))


@pytest.mark.parametrize(
    ("asked", "number", "window"),
    [
        ("first", 1, (2000, 3000)),
        (1, 1, (2000, 3000)),
        (2, 2, (500.5, 101)),
        ("narrow", 2, (500.5, 101)),
        ("WIDE ", 1, (2000, 3000)),
        (7, 1, (2000, 3000)),
        ("LUNG", 1, (2000, 3000)),
        (Window(40, 400), 0, (40, 400)),
    ],
)
def test_the_window_that_is_asked_for_is_used_else_the_first(asked, number, window):
    array, rendering = shown(RAMP, Options(asked), **TWO)
    assert (rendering.view, rendering.views) == (number, 2)
    assert (rendering.window_center, rendering.window_width) == window
    assert rendering.rule is (Rule.WINDOW if number else Rule.ASKED)
    assert rendering.explanation == ["", "WIDE", "Narrow"][number]
    assert array[-1, -1] == 255


def test_all_views_are_given_tables_first():
    table = lookup_table(np.arange(4096)[::-1] * 16, 0, 16)
    table.LUTExplanation = "DOWN"
    dataset = in_memory(RAMP, VOILUTSequence=[table], **TWO)
    levels = grey_levels(dataset, window="all")
    assert levels.shape == (3, 64, 64)
    assert [np.array_equal(level, grey_levels(dataset, window=n)) for n, level in enumerate(levels, 1)] == [
        True
    ] * 3
    assert np.array_equal(levels[0], grey_levels(dataset, window="down"))
    assert (levels[0][0, 0], levels[0][-1, -1]) == (255, 0)
    assert picture(dataset).rendering.rule is Rule.TABLE


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("first", [0, 300, -200])
def test_a_voi_lut_is_looked_up_and_goes_on_at_its_ends(bits, first):
    data = np.rint(np.linspace(0, 1, 1000) ** 2 * ((1 << bits) - 1))
    values = np.arange(-2048, 2048, dtype=np.int16).reshape(64, 64)
    array, rendering = shown(values, VOILUTSequence=[lookup_table(data, first, bits)])
    expected = data[np.clip(values - first, 0, 999)] / ((1 << bits) - 1) * 255
    assert np.abs(array - expected).max() <= 0.5
    assert (rendering.rule, rendering.window_center, rendering.view) == (Rule.TABLE, None, 1)


@pytest.mark.parametrize(("first", "vr"), [(-1000, "SS"), (64536, "US")])
def test_a_voi_lut_begins_at_a_negative_value_of_pixels_that_have_none(first, vr):
    data = np.rint(np.linspace(0, 1, 3000) ** 2 * 65535)
    table = lookup_table(data, 0, 16)
    table.add_new("LUTDescriptor", vr, [3000, first, 16])
    array, _ = shown(RAMP, RescaleSlope=1, RescaleIntercept=-1024, VOILUTSequence=[table])
    expected = data[np.clip(RAMP.astype(int) - 1024 + 1000, 0, 2999)] / 257
    assert np.abs(array - expected).max() <= 0.5


def test_a_voi_lut_of_values_beyond_its_bits_shows_these_white():
    array, _ = shown(RAMP, VOILUTSequence=[lookup_table(np.arange(4096), 0, 10)])
    assert np.array_equal(array, np.rint(np.minimum(RAMP / 1023, 1) * 255))


@pytest.mark.parametrize("slope", [1e-9, 1e-18])
def test_a_range_smaller_than_any_window_is_spread_over_all_levels(slope):
    assert np.array_equal(shown(RAMP, RescaleSlope=slope, RescaleIntercept=0)[0], shown(RAMP)[0])


def test_a_modality_lut_comes_before_the_window():
    table = lookup_table(np.arange(4096)[::-1], 0, 16)
    array, rendering = shown(RAMP, ModalityLUTSequence=[table], WindowCenter=2048, WindowWidth=4096)
    straight, _ = shown(RAMP, WindowCenter=2048, WindowWidth=4096)
    assert np.array_equal(array, straight[::-1, ::-1])
    assert (rendering.modality_lut, rendering.rescale_slope) == (True, None)


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"WindowCenter": 5},
        {"WindowCenter": 5, "WindowWidth": 0},
        {"WindowCenter": 5, "WindowWidth": 0.5},
        {"WindowCenter": 5, "WindowWidth": -3},
        {"VOILUTSequence": [lookup_table(np.arange(3), 0, 77)]},
        {"VOILUTSequence": [unreadable_table()]},
    ],
)
def test_without_a_sound_view_the_values_of_the_frame_are_spread_over_all_levels(attributes):
    stored = np.array([[100, 200], [300, 400]], np.uint16)
    array, rendering = shown(stored, RescaleSlope=2, RescaleIntercept=-50, **attributes)
    assert array.tolist() == [[0, 85], [170, 255]]
    assert (rendering.rule, rendering.view, rendering.views) == (Rule.RANGE, 0, 0)
    assert (rendering.window_center, rendering.window_width) == (450.5, 601)


def test_an_image_of_one_value_is_shown():
    array, rendering = shown(np.full((3, 4), 7, np.uint8))
    assert np.ptp(array) == 0
    assert (rendering.window_center, rendering.window_width) == (7.5, 1)


@pytest.mark.parametrize(
    ("photometric", "shape", "inverted"),
    [
        ("MONOCHROME1", None, True),
        ("MONOCHROME1", "INVERSE", True),
        ("MONOCHROME2", "INVERSE", True),
        ("MONOCHROME2", "IDENTITY", False),
    ],
)
def test_there_is_one_inversion_or_none(photometric, shape, inverted):
    attributes = {"PresentationLUTShape": shape} if shape else {}
    array, rendering = shown(RAMP, PhotometricInterpretation=photometric, **attributes)
    assert (array[0, 0], array[-1, -1]) == ((255, 0) if inverted else (0, 255))
    assert rendering.inverted is inverted


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_black(photometric):
    stored = np.array([[-2000, 0, 40], [-1999, 80, 30]], np.int16)
    padding = {"PixelPaddingValue": -2000, "PixelPaddingRangeLimit": -1999}
    window = {"WindowCenter": -1000, "WindowWidth": 4000}
    array, rendering = shown(stored, PhotometricInterpretation=photometric, **padding, **window)
    assert array[:, 0].tolist() == [0, 0]
    assert array[:, 1:].min() > 0
    assert rendering.padding_pixels == 2
    kept, rendering = shown(
        stored, Options(like="ohif"), PhotometricInterpretation=photometric, **padding, **window
    )
    assert kept[:, 0].min() > 0
    assert rendering.padding_pixels == 0


def test_bits_that_are_not_stored_are_not_shown():
    noise = (np.arange(4096, dtype=np.uint16).reshape(64, 64) * 7 % 16) << 12
    assert np.array_equal(shown(RAMP | noise, **BITS12)[0], shown(RAMP, **BITS12)[0])
    signed = (RAMP.astype(np.int16) - 2048) & 0x0FFF
    assert np.array_equal(shown(signed, PixelRepresentation=1, **BITS12)[0], shown(RAMP, **BITS12)[0])


def test_a_number_of_frames_of_0_is_1():
    assert np.array_equal(shown(RAMP, NumberOfFrames=0)[0], shown(RAMP)[0])


def test_values_of_32_bits_are_shown():
    stored = RAMP.astype(np.uint32) * 1_000_000
    assert np.array_equal(shown(stored)[0], shown(RAMP)[0])


@pytest.mark.parametrize("syntax", [ExplicitVRBigEndian, RLELossless, JPEG2000Lossless])
def test_a_file_is_shown_alike_in_every_encoding(tmp_path: Path, syntax):
    path = dx(tmp_path, RAMP, **BITS12, **TWO)
    expected = picture(path).array
    if syntax == ExplicitVRBigEndian:
        path = dx(tmp_path / "big", RAMP.byteswap(), syntax, **BITS12, **TWO)
    else:
        dataset = dcmread(path)
        dataset.compress(syntax)
        dataset.HighBit = 15  # of a container that is no more
        dataset.save_as(path)
    assert np.array_equal(picture(path).array, expected)
    assert np.array_equal(picture(dcmread(path)).array, expected)
    assert np.array_equal(picture(decoded(parts_of(path))).array, expected)


def test_what_ohif_leaves_out_is_left_out():
    table = lookup_table(np.arange(4096)[::-1], 0, 12)
    plain, _ = shown(RAMP, Options(like="ohif"), **TWO)
    array, rendering = shown(
        RAMP, Options(like="ohif"), VOILUTSequence=[table], PresentationLUTShape="INVERSE", **TWO
    )
    assert np.array_equal(array, plain)
    assert (rendering.rule, rendering.view, rendering.views, rendering.inverted) == (Rule.WINDOW, 1, 2, False)


def test_what_no_picture_can_be_made_of_is_refused_by_name():
    dataset = in_memory(RAMP)
    with pytest.raises(UnsupportedPixels, match="Frame 1 is asked for, counted from 0; it has 1"):
        picture(dataset, 1)
    with pytest.raises(UnsupportedPixels, match="8 bits"):
        picture(dataset, 0, Options(like="ohif", bits=16))
    with pytest.raises(UnsupportedPixels, match="No window has centre 5 and width 0"):
        picture(dataset, 0, Options(Window(5, 0)))
    with pytest.raises(UnsupportedPixels, match="beyond what can be computed"):
        shown(RAMP, RescaleSlope=1e308, RescaleIntercept=0)
    del dataset.PixelData
    with pytest.raises(UnsupportedPixels, match="no PixelData"):
        picture(dataset)


def test_a_rendering_is_numbers_and_texts():
    _, rendering = shown(RAMP, **TWO)
    kinds = {type(value) for value in asdict(rendering).values()}
    assert kinds <= {int, float, str, bool, Rule, type(None)}


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("first", "first"),
        ("2", 2),
        ("40,400", Window(40, 400)),
        ("-600, 1.5e3", Window(-600, 1500)),
        ("A,B", "A,B"),
    ],
)
def test_a_window_is_read_from_a_command_line(text, asked):
    assert Window.read(text) == asked
