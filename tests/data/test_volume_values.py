# SPDX-License-Identifier: Apache-2.0
"""Voxel values: rescale, bits, padding; and what a Volume answers."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import ct_series, mr_series
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray
from overwriting import overwrite
from pydicom import Dataset

from imaging_data import (
    ChangedInstance,
    UnreadableInstance,
    UnsupportedPixels,
    Volume,
    find_instances,
    read_volume,
)
from imaging_data.pixels import PixelFormat, rescale

SHAPE = (3, 4, 6)
RAMP = np.arange(np.prod(SHAPE)).reshape(SHAPE)


def _read(folder: Path) -> Volume:
    (series,) = find_instances(folder).series
    return read_volume(series)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4"])
def test_stored_values_of_every_width_and_sign_become_hu(tmp_path, dtype):
    stored = (RAMP + np.iinfo(dtype).min // 2).astype(dtype)
    ct_series(tmp_path, *SHAPE, pixels=stored)
    volume = _read(tmp_path)
    assert volume.array.dtype == np.float32
    assert np.array_equal(volume.array, (stored - 1024.0).astype(np.float32))


def test_each_slice_has_its_own_rescale(tmp_path):
    stored = RAMP.astype(np.uint16)
    ct_series(
        tmp_path,
        *SHAPE,
        pixels=stored,
        RescaleSlope=lambda n: (1, 0.5, 1.25)[n],
        RescaleIntercept=lambda n: (-1024, 0, 7.5)[n],
    )
    slopes, intercepts = np.array([1, 0.5, 1.25]), np.array([-1024, 0, 7.5])
    assert np.array_equal(_read(tmp_path).array, stored * slopes[:, None, None] + intercepts[:, None, None])


def test_mr_without_rescale_keeps_its_stored_values(tmp_path):
    mr_series(tmp_path, *SHAPE, pixels=RAMP.astype(np.uint16))
    assert np.array_equal(_read(tmp_path).array, RAMP)


@given(
    npst.arrays(st.sampled_from(["u1", "i1", "u2", "i2"]), (2, 3)),
    st.floats(1e-4, 1e4),
    st.floats(-1e5, 1e5),
)
def test_rescale_is_right_to_float32(stored, slope, intercept):
    out = np.empty(stored.shape, np.float32)
    rescale(stored, slope, intercept, out)
    exact = stored.astype(np.float64) * slope + intercept
    tolerance = 4 * np.finfo(np.float32).eps * (np.abs(stored * slope).max() + abs(intercept) + 1e-30)
    assert np.abs(out - exact).max() <= tolerance


def test_large_stored_values_are_rescaled_before_they_are_rounded():
    stored = np.array([[2**31 - 1, 2**31 - 3]], np.int32)
    out = np.empty(stored.shape, np.float32)
    rescale(stored, 1, -(2.0**31), out)
    assert out.tolist() == [[-1, -3]]


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("high_bit", [11, 13])
def test_bits_that_are_not_of_the_value_do_not_count(tmp_path, signed, high_bit):
    values = RAMP - 30 if signed else RAMP
    shift = high_bit - 11
    container = ((values & 0xFFF) << shift | 0x5000 << (shift // 2) & ~(0xFFF << shift)).astype(np.uint16)
    assert (container >> shift & 0xFFF == values & 0xFFF).all()
    ct_series(
        tmp_path, *SHAPE, pixels=container, BitsStored=12, HighBit=high_bit, PixelRepresentation=int(signed)
    )
    assert np.array_equal(_read(tmp_path).array, values - 1024)


def _with_padding(values: NDArray[Any], padding: int) -> NDArray[Any]:
    padded = values.copy()
    padded[0, 0, :2] = padded[2, 3, 5] = padding
    return padded


EXPECTED_PADDING = _with_padding(np.zeros(SHAPE, int), 1).astype(bool)


@pytest.mark.parametrize(
    ("dtype", "padding"), [("i2", -2000), ("i2", -1), ("u2", 63536), ("u2", 0), ("u1", 255), ("i4", -2000)]
)
def test_padding_is_flagged_and_holds_the_smallest_real_value(tmp_path, dtype, padding):
    pixels = _with_padding((RAMP + 10).astype(dtype), padding)
    ct_series(tmp_path, *SHAPE, pixels=pixels, PixelPaddingValue=padding)
    volume = _read(tmp_path)
    assert np.array_equal(volume.padding, EXPECTED_PADDING)
    real = np.where(EXPECTED_PADDING, np.inf, pixels - 1024.0)
    assert np.array_equal(volume.array, np.where(EXPECTED_PADDING, real.min(), real))
    assert np.isfinite(volume.array).all()


def test_a_padding_value_written_in_the_wrong_vr_is_understood(tmp_path):
    """63536 as US, for -2000 in signed values, as GE writes it."""
    pixels = _with_padding((RAMP + 10).astype(np.int16), -2000)
    for path in ct_series(tmp_path, *SHAPE, pixels=pixels, PixelPaddingValue=-2000):
        path.write_bytes(path.read_bytes().replace(b"\x28\0\x20\1SS", b"\x28\0\x20\1US"))
    volume = _read(tmp_path)
    assert volume.source_of(0).dataset.PixelPaddingValue == 63536
    assert np.array_equal(volume.padding, EXPECTED_PADDING)


def test_a_range_of_padding_values_is_padding(tmp_path):
    pixels = _with_padding((RAMP + 10).astype(np.int16), -1990)
    pixels[0, 0, 0] = -2000
    ct_series(tmp_path, *SHAPE, pixels=pixels, PixelPaddingValue=-1990, PixelPaddingRangeLimit=-2000)
    volume = _read(tmp_path)
    assert np.array_equal(volume.padding, EXPECTED_PADDING)
    assert volume.array.min() == pixels[~EXPECTED_PADDING].min() - 1024


@pytest.mark.parametrize(("signed", "stored"), [(False, 0xF830), (True, 0xF830), (True, 0x0830)])
def test_padding_is_found_beside_the_stored_bits_and_within_them(tmp_path, signed, stored):
    """-2000 in a container of 16 bits where 12 are stored: beside them when unsigned, a value when signed."""
    pixels = _with_padding((RAMP + 10).astype(np.uint16), stored)
    ct_series(
        tmp_path,
        *SHAPE,
        pixels=pixels,
        BitsStored=12,
        HighBit=11,
        PixelRepresentation=int(signed),
        PixelPaddingValue=-2000 if signed else 0xF830,
    )
    volume = _read(tmp_path)
    assert np.array_equal(volume.padding, EXPECTED_PADDING)
    assert volume.array.max() == (RAMP.max() - 1) + 10 - 1024


def test_a_padding_value_that_does_not_occur_is_no_padding(tmp_path):
    ct_series(tmp_path, *SHAPE, pixels=RAMP.astype(np.int16), PixelPaddingValue=-2000)
    assert _read(tmp_path).padding is None


def test_a_volume_of_nothing_but_padding_is_flagged_as_such(tmp_path):
    ct_series(tmp_path, *SHAPE, pixels=np.zeros(SHAPE, np.int16), PixelPaddingValue=0)
    volume = _read(tmp_path)
    assert volume.padding.all()
    assert (volume.array == -1024).all()


def test_every_slice_answers_where_it_came_from(tmp_path):
    stored = RAMP.astype(np.uint16)
    paths = ct_series(tmp_path, *SHAPE, pixels=stored, InstanceNumber=lambda n: 3 - n)
    volume = _read(tmp_path)
    assert [volume.source_of(n).path for n in range(3)] == paths
    assert [volume.frame_number_of(n) for n in range(3)] == [1, 1, 1]
    assert np.array_equal(volume.array, stored - 1024.0)
    assert volume.shape == SHAPE
    assert volume.frame_of_reference_uid == volume.source_of(0).dataset.FrameOfReferenceUID
    assert volume.series.input_hash


def test_other_values_on_the_same_grid(tmp_path):
    ct_series(tmp_path, *SHAPE, pixels=RAMP.astype(np.uint16))
    volume = _read(tmp_path)
    doubled = volume.with_array(volume.array.astype(np.float64) * 2)
    assert doubled.array.dtype == np.float32
    assert np.array_equal(doubled.array, volume.array * 2)
    assert doubled.affine is volume.affine
    with pytest.raises(ValueError, match=r"\(4, 6\), the volume \(3, 4, 6\)"):
        volume.with_array(volume.array[0])


def test_a_file_that_changed_since_it_was_found_is_refused(tmp_path):
    paths = ct_series(tmp_path, *SHAPE, pixels=RAMP.astype(np.uint16))
    (series,) = find_instances(tmp_path).series
    content = bytearray(paths[1].read_bytes())
    content[-1] ^= 1
    overwrite(paths[1], bytes(content))
    with pytest.raises(ChangedInstance, match=paths[1].name):
        read_volume(series)


def test_a_file_that_is_gone_is_refused(tmp_path):
    paths = ct_series(tmp_path, *SHAPE)
    (series,) = find_instances(tmp_path).series
    paths[2].unlink()
    with pytest.raises(UnreadableInstance, match=f"{paths[2].name}: No such file"):
        read_volume(series)


def test_pixel_data_that_are_too_short_are_refused(tmp_path):
    ct_series(tmp_path, *SHAPE, PixelData=lambda n: b"\0" * (46 if n == 1 else 48))
    with pytest.raises(UnreadableInstance, match=r"0002\.dcm: .* 46 bytes where 48 are needed"):
        _read(tmp_path)


def test_bytes_behind_the_last_value_are_ignored(tmp_path):
    ct_series(tmp_path, 3, 3, 3, pixels=np.ones((3, 3, 3), np.uint8))
    assert (_read(tmp_path).array == -1023).all()


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        (
            {"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3, "PlanarConfiguration": 0},
            "colour image",
        ),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "colour image .PALETTE COLOR."),
        ({"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0}, "BitsAllocated 1"),
        ({"BitsStored": 17}, "BitsStored 17"),
        ({"HighBit": 10}, "HighBit 10"),
        ({"Columns": 0}, "Columns"),
        ({"Rows": None, "PixelData": None}, r"is no image \(it has no Rows\)"),
        ({"PixelData": None, "PixelDataProviderURL": "https://localhost/pixels"}, "no pixel data"),
        ({"PixelData": None, "FloatPixelData": b"\0" * 96}, "FloatPixelData"),
    ],
)
def test_what_is_no_greyscale_image_is_refused(tmp_path, attributes, message):
    ct_series(tmp_path, *SHAPE, **attributes)
    with pytest.raises(UnsupportedPixels, match=message):
        _read(tmp_path)


def test_a_table_of_values_is_refused(tmp_path):
    ct_series(tmp_path, *SHAPE, ModalityLUTSequence=lambda n: [Dataset()])
    with pytest.raises(UnsupportedPixels, match="ModalityLUTSequence"):
        _read(tmp_path)


def test_monochrome1_keeps_its_real_world_values(tmp_path):
    """It is shown inverted, but stored values mean what RescaleSlope says (PS3.3 section C.11.1)."""
    ct_series(tmp_path, *SHAPE, pixels=RAMP.astype(np.uint16), PhotometricInterpretation="MONOCHROME1")
    assert np.array_equal(_read(tmp_path).array, RAMP - 1024)


def test_a_pixel_format_says_its_shape_and_container():
    form = PixelFormat(2, 3, 4, 16, 12, 11, True)
    assert form.shape == (2, 3, 4)
    assert form.dtype(">") == np.dtype(">i2")
