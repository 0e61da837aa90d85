# SPDX-License-Identifier: Apache-2.0
"""Data elements as bytes, Explicit VR Little Endian unless said otherwise (PS3.5 section 7.1.2).

A segmentation of 104 structures has thousands of frames, each with the same thirty elements.  As pydicom
objects they cost more than all other work on it, so they are written directly.
"""

import struct
from collections.abc import Iterable
from functools import lru_cache

from pydicom import Dataset
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.tag import Tag

from ..coding import Code

LONGEST_CODE = 16  # SH, PS3.5 section 6.2
ITEM = struct.pack("<HH", 0xFFFE, 0xE000)
LONG = (b"SQ", b"UC", b"UT")  # of those written here, the VRs with a length of four bytes


def element(keyword: str, value: bytes) -> bytes:
    """One element; an odd value is padded, a UID with a null, text with a space (PS3.5 section 6.2)."""
    tag, vr = _tag_and_vr(keyword)
    if len(value) % 2:
        value += b"\0" if vr == b"UI" else b" "
    length = struct.pack("<2xL", len(value)) if vr in LONG else struct.pack("<H", len(value))
    return tag + vr + length + value


def implicit_element(keyword: str, value: bytes) -> bytes:
    """One element in Implicit VR Little Endian (PS3.5 section 7.1.3), where any value may be long."""
    tag, vr = _tag_and_vr(keyword)
    if len(value) % 2:
        value += b"\0" if vr == b"UI" else b" "
    return tag + struct.pack("<L", len(value)) + value


def text(keyword: str, value: str) -> bytes:
    """One element of text, in UTF-8."""
    return element(keyword, value.encode())


def raw(keyword: str, value: bytes, implicit: bool = False) -> RawDataElement:
    """An element that pydicom writes as it is."""
    tag = Tag(keyword)
    return RawDataElement(tag, dictionary_VR(tag), len(value), value, 0, implicit, True)


def encoded(dataset: Dataset) -> bytes:
    """A data set of pydicom's as the content of an item, in Explicit VR Little Endian and UTF-8."""
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = False, True
    write_dataset(buffer, dataset, ["utf-8"])
    return buffer.getvalue()


def sequence(keyword: str, *contents: bytes) -> bytes:
    """A sequence of items of defined length (PS3.5 section 7.5)."""
    return element(keyword, items(contents))


def items(contents: Iterable[bytes]) -> bytes:
    """The value of a sequence: its items."""
    return b"".join(ITEM + struct.pack("<L", len(content)) + content for content in contents)


def code(keyword: str, value: Code) -> bytes:
    """A code sequence with one item; a value of over 16 characters is a LongCodeValue (PS3.3 section 8.8)."""
    says = text("CodingSchemeDesignator", value.scheme_designator) + text("CodeMeaning", value.meaning)
    if len(value.value) > LONGEST_CODE:
        return sequence(keyword, says + text("LongCodeValue", value.value))
    return sequence(keyword, text("CodeValue", value.value) + says)


@lru_cache(maxsize=64)
def _tag_and_vr(keyword: str) -> tuple[bytes, bytes]:
    tag = tag_for_keyword(keyword)
    assert tag is not None, f"{keyword} is not a DICOM keyword"
    return struct.pack("<HH", tag >> 16, tag & 0xFFFF), dictionary_VR(tag).encode("ascii")
