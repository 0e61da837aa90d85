# SPDX-License-Identifier: Apache-2.0
"""Whether what a destination holds is what was sent: the proof of storage, whatever the protocol.

A destination may write file meta information of its own (PS3.10 section 7.1) and may answer in another
transfer syntax; the data set must be the same.  An archive that changes attributes holds another content.
"""

import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError

PREAMBLE = 128 + len(b"DICM")
PIXEL_DATA = 0x7FE00010
# Depend on the transfer syntax: how a colour image's samples are laid out (PS3.3 C.7.6.3.1.3).
OF_THE_ENCODING = frozenset({PIXEL_DATA, 0x00280006})
# What pydicom raises on bytes that are not a whole DICOM file.
UNREADABLE = (
    InvalidDicomError,
    EOFError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    NotImplementedError,
    RuntimeError,
    struct.error,
    zlib.error,
)


def header(path: Path) -> Dataset:
    """StudyInstanceUID and file meta information of a result: what sending and asking need of it."""
    return dcmread(path, specific_tags=["StudyInstanceUID"])


def same_content(ours: bytes, theirs: bytes) -> bool:
    """Whether two DICOM files carry the same data set; `ours` must be readable, `theirs` may be anything.

    Bytes are compared first, values where they differ, decoded pixels where the transfer syntax differs.
    """
    if ours == theirs or _encoded_dataset(ours) == _encoded_dataset(theirs):
        return True
    try:
        return _same_values(dcmread(BytesIO(ours)), dcmread(BytesIO(theirs)))
    except UNREADABLE:
        return False


def _encoded_dataset(file: bytes) -> tuple[str, bytes]:
    """The transfer syntax and the bytes after the file meta information (its length: PS3.10 table 7.1-1)."""
    try:
        (length,) = struct.unpack_from("<I", file, PREAMBLE + 8)
        start = PREAMBLE + 12 + length
        meta = dcmread(BytesIO(file[:start]), stop_before_pixels=True).file_meta
        return str(meta.TransferSyntaxUID), file[start:]
    except UNREADABLE:
        return "", file


def _same_values(ours: Dataset, theirs: Dataset) -> bool:
    same_syntax = ours.file_meta.TransferSyntaxUID == theirs.file_meta.TransferSyntaxUID
    skip = frozenset() if same_syntax else OF_THE_ENCODING
    tags = _telling_tags(ours) - skip
    if tags != _telling_tags(theirs) - skip:
        return False
    if any(ours[tag] != theirs[tag] for tag in tags):
        return False
    return same_syntax or PIXEL_DATA not in ours or np.array_equal(ours.pixel_array, theirs.pixel_array)


def _telling_tags(dataset: Dataset) -> frozenset[int]:
    """All but group lengths (retired, PS3.5 section 7.2) and DataSetTrailingPadding, which say nothing."""
    return frozenset(tag for tag in dataset.keys() if tag.element != 0 and tag.group != 0xFFFC)  # noqa: SIM118
