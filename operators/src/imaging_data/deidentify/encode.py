# SPDX-License-Identifier: Apache-2.0
"""A de-identified instance as a file of its own (PS3.10 section 7): nothing of the old file's head is taken over."""

from struct import pack

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset, write_file_meta_info
from pydicom.uid import (
    PYDICOM_IMPLEMENTATION_UID,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
)

from ..elements import LONG, UNDEFINED, PixelSpan
from ..parts import Parts

PREAMBLE = b"\0" * 128 + b"DICM"
TAGS = {"PixelData": 0x7FE00010, "FloatPixelData": 0x7FE00008, "DoubleFloatPixelData": 0x7FE00009}
DELIMITER = 0xFFFEE0DD


def encode(dataset: Dataset, parts: Parts) -> bytes:
    """The file: new file meta information, `dataset`, and the pixel data of `parts` as they are.

    Deflated data sets are written without deflation; every other transfer syntax stays.
    """
    deflated = parts.transfer_syntax == DeflatedExplicitVRLittleEndian
    syntax = ExplicitVRLittleEndian if deflated else parts.transfer_syntax
    implicit, little = dataset.original_encoding
    body = DicomBytesIO()
    body.is_implicit_VR, body.is_little_endian = bool(implicit), syntax != ExplicitVRBigEndian
    write_dataset(body, dataset)
    if parts.pixels:
        body.write(_head(parts.pixels, bool(implicit), bool(little)))
        body.write(parts.pixel_bytes)
        if parts.pixels.encapsulated:
            body.write(pack("<HHL", DELIMITER >> 16, DELIMITER & 0xFFFF, 0))
    return PREAMBLE + _meta(dataset, syntax) + body.getvalue()


def _head(span: PixelSpan, implicit: bool, little: bool) -> bytes:
    """Tag, VR and length of the pixel data element (PS3.5 section 7.1)."""
    order, tag = "<" if little else ">", TAGS[span.keyword]
    length = UNDEFINED if span.encapsulated else span.stop - span.start
    head = pack(order + "HH", tag >> 16, tag & 0xFFFF)
    vr = (span.vr or "").encode()
    if implicit or not vr:
        return head + pack(order + "L", length)
    return head + vr + (pack(order + "HL", 0, length) if vr in LONG else pack(order + "H", length))


def _meta(dataset: Dataset, syntax: UID) -> bytes:
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\0\1"
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = (
        dataset.SOPClassUID,
        dataset.SOPInstanceUID,
    )
    meta.TransferSyntaxUID, meta.ImplementationClassUID = syntax, PYDICOM_IMPLEMENTATION_UID
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = False, True
    write_file_meta_info(buffer, meta)
    return buffer.getvalue()
