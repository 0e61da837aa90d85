# SPDX-License-Identifier: Apache-2.0
"""A de-identified instance as a file of its own (PS3.10 section 7): nothing of the old file's head is taken over."""

from struct import pack

from pydicom import DataElement, Dataset
from pydicom._uid_dict import UID_dictionary
from pydicom.charset import default_encoding
from pydicom.dataelem import RawDataElement
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element
from pydicom.uid import (
    PYDICOM_IMPLEMENTATION_UID,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
)

from ..elements import LONG, UNDEFINED
from ..parts import GE_PRIVATE_IMPLICIT, Parts
from .comments import without_comments
from .holding import HeldBack

PREAMBLE = b"\0" * 128 + b"DICM"
TAGS = {"PixelData": 0x7FE00010, "FloatPixelData": 0x7FE00008, "DoubleFloatPixelData": 0x7FE00009}
DELIMITER = 0xFFFEE0DD


def encode(dataset: Dataset, parts: Parts) -> bytes:
    """The file: new file meta information, `dataset`, and the pixel data of `parts`, without comments in them.

    Deflated data sets are written without deflation; every other transfer syntax stays.  Raises HeldBack for one
    that is not known.
    """
    if parts.transfer_syntax not in (*UID_dictionary, GE_PRIVATE_IMPLICIT):
        raise HeldBack("Its transfer syntax is none of PS3.5.")
    deflated = parts.transfer_syntax == DeflatedExplicitVRLittleEndian
    syntax = ExplicitVRLittleEndian if deflated else parts.transfer_syntax
    implicit, little = map(bool, dataset.original_encoding)
    body = DicomBytesIO()
    body.is_implicit_VR, body.is_little_endian = implicit, little
    encodings = dataset.get("SpecificCharacterSet", default_encoding)
    for tag in sorted(dataset.keys(), key=int):
        element = dataset.get_item(tag)
        if _is_as_read(element, implicit, little):
            body.write(_head(tag, element.VR, len(element.value), implicit, little) + element.value)
        else:
            write_data_element(body, element, encodings)
    if parts.pixels:
        span = parts.pixels
        length = UNDEFINED if span.encapsulated else span.stop - span.start
        body.write(_head(TAGS[span.keyword], span.vr, length, implicit, little))
        body.write(without_comments(parts.pixel_bytes) if span.encapsulated else parts.pixel_bytes)
        if span.encapsulated:
            body.write(pack("<HHL", DELIMITER >> 16, DELIMITER & 0xFFFF, 0))
    return PREAMBLE + _meta(dataset, syntax) + body.getvalue()


def _is_as_read(element: DataElement | RawDataElement, implicit: bool, little: bool) -> bool:
    """Whether its value can be copied as it stood in the original."""
    return (
        isinstance(element, RawDataElement)
        and isinstance(element.value, bytes)
        and (element.is_implicit_VR, element.is_little_endian) == (implicit, little)
    )


def _head(tag: int, vr: str | None, length: int, implicit: bool, little: bool) -> bytes:
    """Tag, VR and length of an element (PS3.5 section 7.1)."""
    order, said = "<" if little else ">", (vr or "").encode()
    head = pack(order + "HH", tag >> 16, tag & 0xFFFF)
    if implicit or not said:
        return head + pack(order + "L", length)
    return head + said + (pack(order + "HL", 0, length) if said in LONG else pack(order + "H", length))


def _meta(dataset: Dataset, syntax: UID) -> bytes:
    """File Meta Information (PS3.10 section 7.1)."""
    said = (
        (0x00020001, "OB", b"\0\1"),  # FileMetaInformationVersion
        (0x00020002, "UI", dataset.SOPClassUID.encode()),
        (0x00020003, "UI", dataset.SOPInstanceUID.encode()),
        (0x00020010, "UI", syntax.encode()),
        (0x00020012, "UI", PYDICOM_IMPLEMENTATION_UID.encode()),
    )
    even = [(tag, vr, value + b"\0" * (len(value) % 2)) for tag, vr, value in said]
    body = b"".join(_head(tag, vr, len(value), False, True) + value for tag, vr, value in even)
    return _head(0x00020000, "UL", 4, False, True) + pack("<L", len(body)) + body
