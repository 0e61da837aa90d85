# SPDX-License-Identifier: Apache-2.0
"""Whether an encoded data set is whole, and which instance it is, before the sender may forget it.

This is `imaging_data.read_header` in a hurry: its walk over tags and lengths (PS3.5 Section 7), of which
only the four identifiers are kept.  What passes here can be read there, and the other way round.
"""

import mmap
import zlib
from typing import cast

from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from imaging_data import UnreadableInstance
from imaging_data.elements import LONG, PIXEL_DATA, SHORT, UNDEFINED, Walk

Buffer = bytes | mmap.mmap

IDENTIFIERS = {
    0x00080016: "SOPClassUID",
    0x00080018: "SOPInstanceUID",
    0x0020000D: "StudyInstanceUID",
    0x0020000E: "SeriesInstanceUID",
}
ROWS, PIXEL_DATA_PROVIDER_URL = 0x00280010, 0x00287FE0


def read_identifiers(encoded: Buffer, transfer_syntax: str, start: int, max_bytes: int) -> dict[str, str]:
    """SOPClassUID, SOPInstanceUID, StudyInstanceUID and SeriesInstanceUID as they are there, unchecked.

    The data set fills `encoded` from `start` to its end; inflated it may take `max_bytes`.
    Raises UnreadableInstance when it does not end where its lengths say, or before its pixel data.
    """
    if transfer_syntax == DeflatedExplicitVRLittleEndian:
        encoded, start = _inflated(encoded[start:], max_bytes), 0
    implicit = transfer_syntax == ImplicitVRLittleEndian and not _has_vr(encoded, start)
    content = cast(bytes, encoded)  # a mapped file gives bytes where it is sliced, as bytes do
    return _HastyWalk(content, implicit, transfer_syntax != ExplicitVRBigEndian).identifiers(start)


def _has_vr(encoded: Buffer, start: int) -> bool:
    code = encoded[start + 4 : start + 6]
    return code in SHORT or code in LONG


def _inflated(compressed: bytes, max_bytes: int) -> bytes:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        encoded = inflater.decompress(compressed, max_bytes)
    except zlib.error as error:
        raise UnreadableInstance(f"Its deflated data set is damaged ({error}).") from error
    if not inflater.eof:
        raise UnreadableInstance(f"Its deflated data set is cut off, or larger than {max_bytes / 1e6:g} MB.")
    return encoded


class _HastyWalk(Walk):
    def identifiers(self, at: int) -> dict[str, str]:
        """Walk from offset `at` to the end."""
        found: dict[str, str] = {}
        seen: set[int] = set()
        while not self._ended(at):
            tag, vr, length, start, implicit = self._head(at, self.implicit)
            at = start + length
            if length == UNDEFINED:
                _, at = self._undefined(tag, vr, start, implicit)
            elif at > self.size:
                raise self._cut_off(start, tag, length)
            if tag in IDENTIFIERS and not seen & PIXEL_DATA.keys():
                found[IDENTIFIERS[tag]] = self.content[start:at].rstrip(b"\0 ").decode("latin-1")
            seen.add(tag)
        self._check_whole(seen)
        return found

    def _check_whole(self, seen: set[int]) -> None:
        if not seen:
            raise UnreadableInstance("It has no data set.")
        if ROWS in seen and not seen & {PIXEL_DATA_PROVIDER_URL, *PIXEL_DATA}:
            raise UnreadableInstance("It says Rows and has no pixel data: it is cut off.")
