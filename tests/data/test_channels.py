# SPDX-License-Identifier: Apache-2.0
"""One series of two echoes as two volumes on one grid, or the reason why not."""

import numpy as np
import pytest
from builders import mr_series
from pydicom.uid import generate_uid

from imaging_data import (
    GantryTilt,
    MissingChannel,
    MissingSlices,
    UnalignedChannels,
    find_instances,
    read_channels,
)


def dual_echo(folder, **second):
    """A series of echoes of 10 and 4 ms; `second` overrides attributes of the slices of the earlier echo."""
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    common = {"study": study, "series": series, "FrameOfReferenceUID": frame}
    draw = np.random.default_rng(1)
    pixels = [draw.integers(0, 500, (8, 16, 16)).astype(np.uint16) for _ in range(2)]
    mr_series(folder / "late", pixels=pixels[1], EchoTime="10", **common, SOPInstanceUID=own_uid)
    slices = second.get("slices", 8)
    mr_series(folder / "early", pixels=pixels[0][:slices], **{"EchoTime": "4", **common, **second})
    [found] = find_instances(folder).series
    return found, pixels


def own_uid(_index):
    return generate_uid()


def test_each_echo_is_a_channel_in_rising_order(tmp_path):
    series, pixels = dual_echo(tmp_path)
    channels = read_channels(series, "EchoTime", 2)
    assert [float(value) for value in channels.values] == [4, 10]
    for volume, stored in zip(channels.channels, pixels, strict=True):
        assert np.array_equal(volume.array, stored)
    assert np.array_equal(channels.array, pixels[0])
    assert len(channels.series.instances) == 16
    assert channels.series.input_hash == series.input_hash
    assert len(channels.sources) == 8


def test_the_order_is_that_of_numbers_not_of_texts(tmp_path):
    series, _ = dual_echo(tmp_path)
    assert [float(value) for value in read_channels(series, "EchoTime").values] == [4, 10]


@pytest.mark.parametrize("count", [1, 3])
def test_another_count_of_channels_is_refused(tmp_path, count):
    series, _ = dual_echo(tmp_path)
    with pytest.raises(MissingChannel, match=f"EchoTime has 2 values .* the tool takes {count}"):
        read_channels(series, "EchoTime", count)


def test_a_single_echo_is_no_set_of_channels(tmp_path):
    mr_series(tmp_path)
    [series] = find_instances(tmp_path).series
    with pytest.raises(MissingChannel, match=r"has 1 values .* at least 2"):
        read_channels(series, "EchoTime")


def test_an_instance_without_the_attribute_is_named(tmp_path):
    series, _ = dual_echo(tmp_path, EchoTime=lambda index: None if index == 3 else "4")
    with pytest.raises(MissingChannel, match=r"0004\.dcm has no EchoTime"):
        read_channels(series, "EchoTime", 2)


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ({"slices": 7}, "EchoTime 10 has 8 x 16 x 16 voxels, the first channel 7 x 16 x 16"),
        ({"ImagePositionPatient": lambda k: [1, 0, 2.5 * k]}, "lies up to 1.00 mm off"),
        ({"PixelSpacing": [1.1, 1]}, "lies up to 1.50 mm off"),
        ({"ImageOrientationPatient": [-1, 0, 0, 0, -1, 0]}, "lies up to 30.00 mm off"),
        ({"FrameOfReferenceUID": generate_uid()}, "another FrameOfReferenceUID"),
    ],
)
def test_channels_on_other_grids_are_refused(tmp_path, second, said):
    series, _ = dual_echo(tmp_path, **second)
    with pytest.raises(UnalignedChannels, match=said):
        read_channels(series, "EchoTime", 2)


def test_a_missing_slice_is_named_with_its_channel(tmp_path):
    series, _ = dual_echo(tmp_path, ImagePositionPatient=lambda k: [0, 0, 2.5 * (k + (k > 3))])
    with pytest.raises(MissingSlices, match=r"EchoTime 4.*1 between"):
        read_channels(series, "EchoTime", 2)


def test_a_tilted_channel_is_named(tmp_path):
    series, _ = dual_echo(tmp_path, ImagePositionPatient=lambda k: [0, k, 2.5 * k])
    with pytest.raises(GantryTilt, match="EchoTime 4"):
        read_channels(series, "EchoTime", 2)


def test_an_unknown_keyword_is_refused(tmp_path):
    series, _ = dual_echo(tmp_path)
    with pytest.raises(ValueError, match="'EchoTimes' is no DICOM keyword"):
        read_channels(series, "EchoTimes")
