# SPDX-License-Identifier: Apache-2.0
"""Deflated copies of what deflates well: a segmentation in bits is 1 : 100 (PS3.5 section A.5)."""

import zlib
from pathlib import Path

from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_file_meta_info
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, SegmentationStorage

from ..model import Result
from .files import PREAMBLE

SYNTAX = str(DeflatedExplicitVRLittleEndian)
WORTH_IT = 1 << 16  # bytes; a smaller file goes as it is
LEVEL = 1  # nearly all of it is zeros: a higher level takes longer and gains little
GROUP_LENGTH_ELEMENT = 12  # bytes of FileMetaInformationGroupLength, which counts what follows it


def is_worth_it(result: Result) -> bool:
    """Whether an archive that takes deflated data sets should get this one so."""
    return (
        result.sop_class_uid == SegmentationStorage
        and result.path.stat().st_size >= WORTH_IT
        and read_file_meta_info(result.path).TransferSyntaxUID == ExplicitVRLittleEndian
    )


def deflate(source: Path, target: Path) -> None:
    """Write `source`, in Explicit VR Little Endian, to `target` in Deflated Explicit VR Little Endian."""
    content = source.read_bytes()
    meta = read_file_meta_info(source)
    begin = PREAMBLE + 4 + GROUP_LENGTH_ELEMENT + meta.FileMetaInformationGroupLength
    meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    head = DicomBytesIO()
    write_file_meta_info(head, meta)
    packer = zlib.compressobj(LEVEL, wbits=-zlib.MAX_WBITS)  # without a zlib header, as the Standard has it
    body = packer.compress(memoryview(content)[begin:]) + packer.flush()
    target.write_bytes(b"".join([content[: PREAMBLE + 4], head.getvalue(), body, bytes(len(body) % 2)]))
