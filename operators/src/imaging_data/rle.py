# SPDX-License-Identifier: Apache-2.0
"""RLE Lossless (PS3.5 Annex G) of labelmaps, a whole stack at a time.

A labelmap is long runs of one value, so it is coded as runs only: two bytes each, at most 128 pixels.
"""

import struct
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

LONGEST_RUN = 128


def encode_frames(frames: NDArray[np.uint8] | NDArray[np.uint16]) -> list[bytes]:
    """Each frame of `frames` (frames, rows, columns) as the content of one RLE item."""
    planes = [frames] if frames.dtype == np.uint8 else [frames >> 8, frames & 0xFF]  # high byte first (G.2)
    coded = [_encode_plane(plane.astype(np.uint8, copy=False)) for plane in planes]
    return [_with_header(segments) for segments in zip(*coded, strict=True)]


def _encode_plane(plane: NDArray[np.uint8]) -> list[bytes]:
    """The PackBits code of each frame; a run never crosses the end of a row (G.3.1)."""
    frames, rows, columns = plane.shape
    starts = np.empty(plane.shape, bool)
    np.not_equal(plane[..., 1:], plane[..., :-1], out=starts[..., 1:])
    starts[..., 0] = True
    first = np.flatnonzero(starts)
    length = np.diff(first, append=plane.size)
    pieces = (length + LONGEST_RUN - 1) // LONGEST_RUN
    ends = np.cumsum(pieces)
    pairs = np.empty((ends[-1], 2), np.uint8)
    pairs[:, 0] = 257 - LONGEST_RUN
    rest = length - LONGEST_RUN * (pieces - 1)
    pairs[ends - 1, 0] = np.where(rest == 1, 0, 257 - rest)
    pairs[:, 1] = np.repeat(plane.reshape(-1)[first], pieces)
    stops = np.searchsorted(first, np.arange(1, frames + 1) * (rows * columns))
    return [pairs[start:end].tobytes() for start, end in pairwise([0, *ends[stops - 1]])]


def _with_header(segments: tuple[bytes, ...]) -> bytes:
    """The 64-byte header of offsets (G.5) and the segments; all have an even length here."""
    offsets = [64 + sum(map(len, segments[:index])) for index in range(len(segments))]
    header = struct.pack("<16L", len(segments), *offsets, *[0] * (15 - len(segments)))
    return header + b"".join(segments)
