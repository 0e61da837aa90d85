# SPDX-License-Identifier: Apache-2.0
"""The frames of a segmentation or map: which there are, their pixels, and what says where each one lies."""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..coding import Code, codes
from .encoding import code, element, items, sequence, text
from .source import SourceSlice

SOURCE_PURPOSE = codes.DCM.SourceImageForImageProcessingOperation  # PS3.16 CID 7202
FRAMES_AT_ONCE = 8  # bits of 8 frames of any size fill whole bytes


@dataclass(frozen=True)
class Frame:
    """One frame: the slice that it lies on (from 0) and, in a BINARY segmentation, its segment."""

    slice_index: int
    segment_number: int | None = None


def binary_frames(labelmap: NDArray[Any], segments: int) -> list[Frame]:
    """Segment by segment, a frame for each slice that shows it: there are no empty frames."""
    shown = [_labels(one, segments) for one in labelmap]
    return [
        Frame(index, number)
        for number in range(1, segments + 1)
        for index, labels in enumerate(shown)
        if number in labels
    ]


def labelmap_frames(labelmap: NDArray[Any]) -> list[Frame]:
    """A frame for each slice that shows anything."""
    return [Frame(int(index)) for index in np.flatnonzero(labelmap.any(axis=(1, 2)))]


def _labels(one: NDArray[Any], segments: int) -> set[int]:
    """The labels that one slice shows.  Searching bytes in memory is ten times faster than counting."""
    if one.dtype == np.uint8:
        content = one.tobytes()
        return {number for number in range(1, segments + 1) if number in content}
    return set(np.flatnonzero(np.bincount(one.reshape(-1))).tolist()) - {0}


def binary_pixels(labelmap: NDArray[Any], frames: Sequence[Frame]) -> bytes:
    """PixelData of a BINARY segmentation: one bit a pixel, frames without gaps (PS3.5 section 8.1.1)."""
    packed = b"".join(_packed(labelmap, frames))
    return packed + bytes(len(packed) % 2)


def _packed(labelmap: NDArray[Any], frames: Sequence[Frame]) -> Iterator[bytes]:
    masks = np.empty((FRAMES_AT_ONCE, *labelmap.shape[1:]), bool)
    for start in range(0, len(frames), FRAMES_AT_ONCE):
        some = frames[start : start + FRAMES_AT_ONCE]
        for frame, mask in zip(some, masks, strict=False):
            mask[...] = labelmap[frame.slice_index] == frame.segment_number
        yield np.packbits(masks[: len(some)], bitorder="little").tobytes()


def functional_groups(frames: Sequence[Frame], slices: Sequence[SourceSlice], derived: Code) -> bytes:
    """The value of PerFrameFunctionalGroupsSequence (PS3.3 C.7.6.16 and, for segments, C.8.20.3)."""
    shown = sorted({frame.slice_index for frame in frames})
    rank = {index: place for place, index in enumerate(shown, start=1)}
    derivation = {index: _derivation(slices[index], derived) for index in shown}
    position = {index: _position(slices[index]) for index in shown}
    return items(
        [
            derivation[frame.slice_index]
            + _content(frame, rank[frame.slice_index])
            + position[frame.slice_index]
            + _segment(frame)
            for frame in frames
        ]
    )


def _derivation(piece: SourceSlice, derived: Code) -> bytes:
    number = piece.frame_number
    source = (
        text("ReferencedSOPClassUID", piece.instance.sop_class_uid)
        + text("ReferencedSOPInstanceUID", piece.instance.sop_instance_uid)
        + (b"" if number is None else text("ReferencedFrameNumber", str(number)))
        + text("SpatialLocationsPreserved", "YES")
        + code("PurposeOfReferenceCodeSequence", SOURCE_PURPOSE)
    )
    return sequence(
        "DerivationImageSequence",
        sequence("SourceImageSequence", source) + code("DerivationCodeSequence", derived),
    )


def _content(frame: Frame, rank: int) -> bytes:
    """The place of the frame in each dimension, from 1: its segment, and its slice among those shown."""
    places = [rank] if frame.segment_number is None else [frame.segment_number, rank]
    values = struct.pack(f"<{len(places)}L", *places)
    return sequence("FrameContentSequence", element("DimensionIndexValues", values))


def _position(piece: SourceSlice) -> bytes:
    return sequence("PlanePositionSequence", text("ImagePositionPatient", "\\".join(piece.position)))


def _segment(frame: Frame) -> bytes:
    if frame.segment_number is None:
        return b""
    number = struct.pack("<H", frame.segment_number)
    return sequence("SegmentIdentificationSequence", element("ReferencedSegmentNumber", number))
