# SPDX-License-Identifier: Apache-2.0
"""The frames of a written object, read from its bytes: where each lies, what it shows, which pixels it has.

Nothing here is shared with what writes them (frames.py, encoding.py, rle.py): a fault there is seen here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from struct import Struct

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.encaps import generate_frames
from pydicom.tag import Tag
from pydicom.uid import RLELossless

from imaging_data.parts import Parts, split
from imaging_data.values import numbers_of

_HEAD = Struct("<HH2sH").unpack_from
_LENGTH = Struct("<L").unpack_from
_NUMBER = Struct("<H").unpack_from
LONG = (b"SQ", b"OB", b"OW", b"OF", b"UN", b"UT")
LITERAL = 128  # a PackBits control byte below it counts bytes that follow as they are (PS3.5 G.3.1)
Elements = dict[str, bytes]


@dataclass(frozen=True)
class Frame:
    """What one frame says of itself.

    position: ImagePositionPatient, mm.  source: SOPInstanceUID and frame number (1 in a single-frame one).
    segment: ReferencedSegmentNumber, 0 where there is none.
    """

    position: tuple[float, ...]
    source: tuple[str, int]
    segment: int


class Written:
    """A segmentation or parametric map as its bytes have it, on one pixel grid."""

    def __init__(self, content: bytes) -> None:
        self._parts: Parts = split(content)
        self.dataset: Dataset = self._parts.dataset
        self.rows, self.columns = int(self.dataset.Rows), int(self.dataset.Columns)
        [shared] = self.dataset.SharedFunctionalGroupsSequence
        [orientation] = shared.PlaneOrientationSequence
        [measures] = shared.PixelMeasuresSequence
        self.orientation = _numbers(orientation, "ImageOrientationPatient", 6).reshape(2, 3)
        self.pixel_spacing = _numbers(measures, "PixelSpacing", 2)
        groups = self.dataset.get_item(Tag("PerFrameFunctionalGroupsSequence"))
        self.frames = [_frame(item) for item in _items(bytes(groups.value))]

    def pixels(self) -> Iterator[NDArray[np.generic]]:
        """Each frame's pixels (rows, columns): bool for one bit, else as they are stored."""
        if self._parts.transfer_syntax == RLELossless:
            return (self._from_rle(frame) for frame in self._encapsulated())
        if self.dataset.get("BitsAllocated") == 1:
            return self._from_bits()
        return iter(self._native())

    def _encapsulated(self) -> Iterator[bytes]:
        delimiter = b"\xfe\xff\xdd\xe0\0\0\0\0"
        content = bytes(self._parts.pixel_bytes) + delimiter
        return generate_frames(content, number_of_frames=len(self.frames))

    def _from_rle(self, frame: bytes) -> NDArray[np.generic]:
        """Byte planes, the most significant first (PS3.5 G.2)."""
        offsets = [*(_LENGTH(frame, 4 * place)[0] for place in range(1, 1 + _LENGTH(frame)[0])), len(frame)]
        planes = [unpacked(frame[start:stop]) for start, stop in pairwise(offsets)]
        size = self.rows * self.columns
        whole: NDArray[np.unsignedinteger] = planes[0][:size]
        for plane in planes[1:]:
            whole = (whole.astype(np.uint16) << np.uint16(8)) | plane[:size]
        return whole.reshape(self.rows, self.columns)

    def _from_bits(self) -> Iterator[NDArray[np.generic]]:
        packed = np.frombuffer(self._parts.pixel_bytes, np.uint8)
        size = self.rows * self.columns
        for number in range(len(self.frames)):
            start, skip = divmod(number * size, 8)
            bits = np.unpackbits(packed[start : start + (skip + size + 7) // 8], bitorder="little")
            yield bits[skip : skip + size].view(bool).reshape(self.rows, self.columns)

    def _native(self) -> NDArray[np.generic]:
        span = self._parts.pixels
        is_float = span is not None and span.keyword == "FloatPixelData"
        dtype = "<f4" if is_float else f"<u{int(self.dataset.BitsAllocated) // 8}"
        count = len(self.frames) * self.rows * self.columns
        values = np.frombuffer(self._parts.pixel_bytes, dtype, count)
        return values.reshape(-1, self.rows, self.columns)


def unpacked(code: bytes) -> NDArray[np.uint8]:
    """The bytes of a PackBits code (PS3.5 G.3.2); a padding byte at its end gives nothing."""
    coded = np.frombuffer(code, np.uint8)
    controls = coded[: len(coded) // 2 * 2 : 2]
    if not np.all((controls > LITERAL) | (controls == 0)):
        return _unpacked_slowly(code)
    lengths = np.where(controls == 0, 1, 257 - controls.astype(np.int64))
    return np.repeat(coded[1 : 2 * len(controls) : 2], lengths)


def _unpacked_slowly(code: bytes) -> NDArray[np.uint8]:
    """The same where literals are longer than one byte."""
    pieces, at = bytearray(), 0
    while at + 1 < len(code):
        control = code[at]
        if control < LITERAL:
            pieces += code[at + 1 : at + 2 + control]
            at += 2 + control
        else:
            pieces += code[at + 1 : at + 2] * (257 - control if control > LITERAL else 0)
            at += 2 if control > LITERAL else 1
    return np.frombuffer(bytes(pieces), np.uint8)


def _frame(item: bytes) -> Frame:
    groups = _elements(item)
    identification = groups.get("SegmentIdentificationSequence")
    return Frame(
        _position(groups["PlanePositionSequence"]),
        _source(groups["DerivationImageSequence"]),
        _NUMBER(_first(identification)["ReferencedSegmentNumber"])[0] if identification else 0,
    )


@lru_cache(maxsize=4096)  # many segments' frames lie on one slice and say the same of it
def _position(sequence: bytes) -> tuple[float, ...]:
    return tuple(map(float, _text(_first(sequence)["ImagePositionPatient"]).split("\\")))


@lru_cache(maxsize=4096)
def _source(sequence: bytes) -> tuple[str, int]:
    [source] = _items(_first(sequence)["SourceImageSequence"])
    reference = _elements(source)
    number = reference.get("ReferencedFrameNumber")
    return _text(reference["ReferencedSOPInstanceUID"]), 1 if number is None else int(_text(number))


TAGS = {
    (tag >> 16, tag & 0xFFFF): keyword
    for keyword in (
        "DerivationImageSequence",
        "SourceImageSequence",
        "ReferencedSOPInstanceUID",
        "ReferencedFrameNumber",
        "PlanePositionSequence",
        "ImagePositionPatient",
        "SegmentIdentificationSequence",
        "ReferencedSegmentNumber",
    )
    for tag in (Tag(keyword),)
}


def _elements(content: bytes) -> Elements:
    """The values of the attributes asked for here, of an item in Explicit VR Little Endian."""
    found, at = {}, 0
    while at < len(content):
        group, element, vr, length = _HEAD(content, at)
        at += 8
        if vr in LONG:
            [length] = _LENGTH(content, at)
            at += 4
        if (group, element) in TAGS:
            found[TAGS[group, element]] = content[at : at + length]
        at += length
    return found


def _items(content: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(content):
        [length] = _LENGTH(content, at + 4)
        yield content[at + 8 : at + 8 + length]
        at += 8 + length


def _first(sequence: bytes) -> Elements:
    return _elements(next(_items(sequence)))


def _text(value: bytes) -> str:
    return value.decode("ascii").rstrip("\0 ")


def _numbers(item: Dataset, keyword: str, count: int) -> NDArray[np.float64]:
    return np.array(numbers_of(item, keyword, count) or [np.nan] * count)
