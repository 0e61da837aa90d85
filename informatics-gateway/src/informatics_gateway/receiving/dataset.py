# SPDX-License-Identifier: Apache-2.0
"""Whether an encoded data set is whole, and which instance it is, without decoding its values.

pydicom logs a truncated data set and carries on; an acknowledgement needs a plain yes or no before the
sender may forget the instance.  This walks tags and lengths only (PS3.5 Section 7), so its time does not grow
with the size of the pixel data.
"""

import mmap
import zlib
from collections.abc import Iterator
from struct import Struct, error

from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from ..errors import RefusedInstance

Buffer = bytes | mmap.mmap
Tag = tuple[int, int]

IDENTIFIERS = {
    (0x0008, 0x0016): "SOPClassUID",
    (0x0008, 0x0018): "SOPInstanceUID",
    (0x0020, 0x000D): "StudyInstanceUID",
    (0x0020, 0x000E): "SeriesInstanceUID",
}

SHORT_LENGTH = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
LONG_LENGTH = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
ITEM, ITEM_END, SEQUENCE_END = (0xFFFE, 0xE000), (0xFFFE, 0xE00D), (0xFFFE, 0xE0DD)
DELIMITERS = 0xFFFE  # the group of the three tags above, which have a length but no VR
UNDEFINED = 0xFFFFFFFF
DEEPEST = 32  # sequences within sequences; real objects have fewer than ten


class IncompleteDataSet(RefusedInstance):
    """The data set is truncated or not encoded as its transfer syntax says."""

    hint = "Check the file at the sender (`dcmdump` shows where it stops making sense), then send it again."


def read_identifiers(encoded: Buffer, transfer_syntax: str, start: int, max_bytes: int) -> dict[str, str]:
    """SOPClassUID, SOPInstanceUID, StudyInstanceUID and SeriesInstanceUID as they are there, unchecked.

    The data set fills `encoded` from `start` to its end; inflated it may take `max_bytes`.
    Raises IncompleteDataSet when it does not end where its lengths say (PS3.5 Section 7.1).
    """
    if transfer_syntax == DeflatedExplicitVRLittleEndian:
        encoded, start = _inflated(encoded[start:], max_bytes), 0
    try:
        return {
            IDENTIFIERS[tag]: encoded[value:end].rstrip(b"\0 ").decode("ascii", "backslashreplace")
            for tag, value, end in _walker(encoded, transfer_syntax).elements(start)
            if tag in IDENTIFIERS
        }
    except error:
        raise IncompleteDataSet(f"It ends within an element's header, after {len(encoded)} bytes.") from None


def _inflated(compressed: bytes, max_bytes: int) -> bytes:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        encoded = inflater.decompress(compressed, max_bytes)
    except zlib.error as problem:
        raise IncompleteDataSet(f"Inflating it fails: {problem}.") from problem
    if not inflater.eof:
        raise IncompleteDataSet(f"Its deflated stream does not end within {max_bytes} bytes.")
    return encoded


def _walker(encoded: Buffer, transfer_syntax: str) -> "_Implicit | _Explicit":
    if transfer_syntax == ImplicitVRLittleEndian:
        return _Implicit(encoded)
    return _Explicit(encoded, ">" if transfer_syntax == ExplicitVRBigEndian else "<")


class _Implicit:
    """Implicit VR Little Endian (PS3.5 Section 7.1.3)."""

    order = "<"

    def __init__(self, encoded: Buffer) -> None:
        self.encoded = encoded
        self._delimiter = Struct(self.order + "HHL").unpack_from

    def header(self, offset: int) -> tuple[Tag, int, int, bytes]:
        """Tag, offset of the value, its length and VR (b"" where the encoding has none)."""
        group, element, length = self._delimiter(self.encoded, offset)
        return (group, element), offset + 8, length, b""

    def elements(self, offset: int) -> Iterator[tuple[Tag, int, int]]:
        """Tag, first offset and end of the value of each element at the top level."""
        size = len(self.encoded)
        while offset < size:
            tag, value, length, vr = self.header(offset)
            if tag[0] == DELIMITERS:
                raise IncompleteDataSet(f"A delimiter stands alone at byte {offset}.")
            offset = self._after(value, length, vr, DEEPEST)
            yield tag, value, offset

    def _after(self, value: int, length: int, vr: bytes, depth: int) -> int:
        if length == UNDEFINED:
            # UN of undefined length is a sequence in Implicit VR Little Endian, whatever is around it
            # (PS3.5 Section 6.2.2).
            walker = _Implicit(self.encoded) if vr == b"UN" else self
            return walker._after_items(value, depth - 1)
        if value + length > len(self.encoded):
            missing = value + length - len(self.encoded)
            raise IncompleteDataSet(f"Its last element lacks {missing} of {length} bytes.")
        return value + length

    def _after_items(self, offset: int, depth: int) -> int:
        """Offset behind the sequence, or the fragments of pixel data, whose first item is at `offset`."""
        if not depth:
            raise IncompleteDataSet(f"Sequences are nested more than {DEEPEST} deep.")
        while True:
            *tag, length = self._delimiter(self.encoded, offset)
            offset += 8
            if tuple(tag) == SEQUENCE_END:
                return offset
            if tuple(tag) != ITEM:
                raise IncompleteDataSet(f"There is no item where one should begin, at byte {offset - 8}.")
            offset = self._after_item(offset, length, depth)

    def _after_item(self, offset: int, length: int, depth: int) -> int:
        if length != UNDEFINED:
            return self._after(offset, length, b"", depth)
        while True:
            tag, offset, length, vr = self.header(offset)
            if tag == ITEM_END:
                return offset
            offset = self._after(offset, length, vr, depth)


class _Explicit(_Implicit):
    """Explicit VR (PS3.5 Section 7.1.2), of either byte order."""

    def __init__(self, encoded: Buffer, order: str) -> None:
        self.order = order
        super().__init__(encoded)
        self._short = Struct(order + "HH2sH").unpack_from
        self._long = Struct(order + "L").unpack_from

    def header(self, offset: int) -> tuple[Tag, int, int, bytes]:
        group, element, vr, length = self._short(self.encoded, offset)
        if vr in SHORT_LENGTH:
            return (group, element), offset + 8, length, vr
        if vr in LONG_LENGTH:
            return (group, element), offset + 12, self._long(self.encoded, offset + 8)[0], vr
        if group == DELIMITERS:
            return super().header(offset)
        raise IncompleteDataSet(f"There is no value representation at byte {offset + 4}.")
