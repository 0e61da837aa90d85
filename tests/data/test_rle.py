# SPDX-License-Identifier: Apache-2.0
"""Our RLE is what pydicom's decoder reads (PS3.5 Annex G)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydicom.pixels.decoders.rle import _rle_decode_frame

from imaging_data.rle import encode_frames

SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 300))


def decoded(frames: np.ndarray) -> np.ndarray:
    bits = 8 * frames.dtype.itemsize
    _, rows, columns = frames.shape
    planes = [_rle_decode_frame(frame, rows, columns, 1, bits) for frame in encode_frames(frames)]
    return np.frombuffer(b"".join(planes), frames.dtype).reshape(frames.shape)


@given(st.sampled_from([np.uint8, np.uint16]).flatmap(lambda dtype: arrays(dtype, SHAPES)))
def test_frames_come_back(frames):
    assert np.array_equal(decoded(frames), frames)


@pytest.mark.parametrize("length", [1, 2, 127, 128, 129, 255, 256, 257, 512])
def test_runs_of_every_length(length):
    frames = np.concatenate([np.full(length, 7), np.zeros(600 - length)]).astype(np.uint8).reshape(1, 1, 600)
    assert np.array_equal(decoded(frames), frames)


def test_an_empty_slice_is_small():
    [frame] = encode_frames(np.zeros((1, 512, 512), np.uint8))
    assert len(frame) == 64 + 512 * 8  # each row on its own, in four runs of 128


def test_no_run_crosses_the_end_of_a_row():
    [frame] = encode_frames(np.zeros((1, 3, 10), np.uint8))
    assert frame[64:] == bytes([257 - 10, 0]) * 3


def test_every_frame_has_an_even_length():
    assert all(len(frame) % 2 == 0 for frame in encode_frames(np.eye(7, dtype=np.uint8)[None]))
