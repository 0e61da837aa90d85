# SPDX-License-Identifier: Apache-2.0
"""Whether two DICOM files carry one data set: what a sender and an archive must agree on.

Whoever stores a file may write file meta information of its own (PS3.10 section 7.1) and may change the
transfer syntax; the data set must be the same.  Who changes attributes holds another content.
"""

from io import BytesIO

import numpy as np
from pydicom import Dataset, dcmread

from .errors import ImagingDataError
from .parts import Parts, split

PREAMBLE = 128 + len(b"DICM")
GROUP_LENGTH = b"\2\0\0\0UL\4\0"  # FileMetaInformationGroupLength with its VR and length
# Depends on the transfer syntax: how the samples of a colour image are laid out (PS3.3 section C.7.6.3.1.3).
OF_THE_ENCODING = frozenset({0x00280006})
# What pydicom and its decoders raise on pixels that they cannot decode.
UNDECODABLE = (
    ValueError,
    RuntimeError,
    AttributeError,
    NotImplementedError,
    EOFError,
    LookupError,
    TypeError,
)


def same_content(ours: bytes, theirs: bytes) -> bool:
    """Whether two DICOM files carry the same data set; `theirs` may be any bytes.

    Bytes are compared first, values where they differ, decoded pixels where the transfer syntax differs.
    """
    if ours == theirs:
        return True
    try:
        our, their = split(ours), split(theirs)
    except ImagingDataError:
        return False
    same_syntax = our.transfer_syntax == their.transfer_syntax
    if same_syntax and _encoded(ours) == _encoded(theirs) != b"":
        return True
    skipped = frozenset() if same_syntax else OF_THE_ENCODING
    return _same_values(our.dataset, their.dataset, skipped) and (
        our.pixel_bytes == their.pixel_bytes if same_syntax else _same_pixels(our, their, ours, theirs)
    )


def _encoded(file: bytes) -> bytes:
    """The data set's bytes, found by the group length of the file meta information (PS3.10 table 7.1-1).

    Empty for a file that does not begin with it.
    """
    if file[PREAMBLE : PREAMBLE + 8] != GROUP_LENGTH:
        return b""
    return file[PREAMBLE + 12 + int.from_bytes(file[PREAMBLE + 8 : PREAMBLE + 12], "little") :]


def _same_values(ours: Dataset, theirs: Dataset, skipped: frozenset[int]) -> bool:
    tags = _telling_tags(ours) - skipped
    if tags != _telling_tags(theirs) - skipped:
        return False
    return all(ours[tag] == theirs[tag] for tag in tags)


def _telling_tags(dataset: Dataset) -> frozenset[int]:
    """All but group lengths (retired, PS3.5 section 7.2) and DataSetTrailingPadding, which say nothing."""
    return frozenset(tag for tag in dataset.keys() if tag.element != 0 and tag.group != 0xFFFC)  # noqa: SIM118


def _same_pixels(our: Parts, their: Parts, ours: bytes, theirs: bytes) -> bool:
    if our.pixels is None or their.pixels is None:
        return our.pixels is their.pixels
    if our.pixel_bytes == their.pixel_bytes:
        return True
    try:
        return np.array_equal(dcmread(BytesIO(ours)).pixel_array, dcmread(BytesIO(theirs)).pixel_array)
    except UNDECODABLE:
        return False
