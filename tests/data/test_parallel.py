# SPDX-License-Identifier: Apache-2.0
"""Several instances are read at once: the same values, the same guarantees, the error of the first that failed."""

import os
import threading

import numpy as np
import pytest
from builders import ct_series
from overwriting import overwrite
from pydicom import dcmread
from pydicom.encaps import generate_frames
from pydicom.uid import JPEG2000Lossless

from imaging_data import ChangedInstance, UnreadableInstance, find_instances, jpeg2000, read_volume
from imaging_data.threads import in_threads

FOLDER, NAMES = "transfer_syntaxes_ct_chest", ("2000LosslessOnly*.4.90", "2000TransferSyntax*.4.91")


def _volume(folder):
    (series,) = find_instances(folder).series
    return read_volume(series).array


def test_results_come_in_order_and_the_first_error_is_raised():
    assert in_threads(lambda number: number * number, range(50)) == [number * number for number in range(50)]

    def fail(number):
        if number >= 3:
            raise ValueError(number)

    with pytest.raises(ValueError, match=r"^3$"):
        in_threads(fail, range(50))


def test_two_are_worked_on_at_once():
    if len(os.sched_getaffinity(0)) < 2:
        return
    meeting = threading.Barrier(2, timeout=20)
    assert sorted(in_threads(lambda _: meeting.wait(), range(2))) == [0, 1]


def test_of_several_damaged_instances_the_first_is_named(tmp_path):
    paths = ct_series(tmp_path, 12)
    (series,) = find_instances(tmp_path).series
    for path in paths[4:]:
        overwrite(path, path.read_bytes()[:-1] + b"\1")
    with pytest.raises(ChangedInstance, match=paths[4].name):
        read_volume(series)


@pytest.mark.parametrize("name", NAMES)
def test_jpeg_2000_has_the_values_of_the_general_decoders(samples, monkeypatch, name):
    [path] = (samples / FOLDER).glob(f"*{name}.dcm")
    fast = _volume(path)
    monkeypatch.setattr(jpeg2000, "_available", lambda: False)
    assert np.array_equal(fast, _volume(path))
    assert fast.std() > 100


def test_a_real_series_in_jpeg_2000_has_the_values_of_the_general_decoders(samples, monkeypatch):
    fast = _volume(samples / "ct_abdomen_completed")
    calls = []
    monkeypatch.setattr(jpeg2000, "decode", lambda *_: calls.append(1))
    assert np.array_equal(fast, _volume(samples / "ct_abdomen_completed"))
    assert len(calls) == len(fast)


@pytest.fixture
def compressed(tmp_path):
    """One signed slice in JPEG 2000: its pixel data, and the values."""
    values = np.arange(-512, 512, dtype=np.int16).reshape(1, 32, 32)
    [path] = ct_series(tmp_path, 1, 32, 32, pixels=values)
    dataset = dcmread(path)
    dataset.compress(JPEG2000Lossless, encoding_plugin="pylibjpeg")
    dataset.save_as(path)
    return dataset.PixelData, values


def test_a_codestream_that_says_what_the_data_set_says_is_decoded(compressed):
    data, values = compressed
    assert np.array_equal(jpeg2000.decode(data, (1, 32, 32), 16, np.dtype("<i2")), values)


@pytest.mark.parametrize(
    ("shape", "bits", "dtype"),
    [((1, 32, 33), 16, "<i2"), ((1, 32, 32), 12, "<i2"), ((1, 32, 32), 16, "<u2"), ((2, 32, 32), 16, "<i2")],
)
def test_one_that_says_another_thing_is_left_to_the_general_decoders(compressed, shape, bits, dtype):
    assert jpeg2000.decode(compressed[0], shape, bits, np.dtype(dtype)) is None


def test_a_codestream_that_is_cut_off_is_refused(tmp_path, compressed):
    [path] = tmp_path.iterdir()
    dataset = dcmread(path)
    [frame] = generate_frames(dataset.PixelData, number_of_frames=1)
    cut = frame[: len(frame) // 2]
    dataset.PixelData = dataset.PixelData.replace(frame, cut + b"\0" * (len(frame) - len(cut)))
    dataset.save_as(path)
    with pytest.raises(UnreadableInstance, match=path.name):
        _volume(tmp_path)
