# SPDX-License-Identifier: Apache-2.0
"""A DICOM file in its parts: file meta information, data set, pixel data (PS3.10 section 7)."""

import zlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import pydicom.config
from pydicom import Dataset
from pydicom.charset import convert_encodings, default_encoding
from pydicom.dataset import FileMetaDataset
from pydicom.tag import BaseTag
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from .elements import LONG, SHORT, Elements, NotAllThere, PixelSpan, Walk
from .errors import NotDicom, UnreadableInstance, naming
from .files import read_file
from .values import text_of

# pydicom warns of values that break their VR, and its warning quotes the value, which may be the patient's.
# What a source got wrong in an attribute that nobody uses is no reason to stop; what is used is checked here.
# The setting is of the process: it silences values that are set, too; tests of results use dciodvfy.
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE

PREAMBLE = 128
LARGEST_INFLATED = 1 << 31  # bytes; a deflated data set that grows beyond it is refused
GE_PRIVATE_IMPLICIT = "1.2.840.113619.5.2"
SPECIFIC_CHARACTER_SET, ROWS = BaseTag(0x00080005), BaseTag(0x00280010)
PIXEL_DATA_PROVIDER_URL = BaseTag(0x00287FE0)


@dataclass(frozen=True)
class Parts:
    """One instance: its attributes without pixel data, how it is encoded, and where its pixel data lie."""

    dataset: Dataset
    transfer_syntax: UID
    content: bytes  # what `pixels` points into: the file's bytes, or the inflated data set
    pixels: PixelSpan | None

    @property
    def pixel_bytes(self) -> memoryview:
        """The value of the pixel data element; empty without one."""
        span = self.pixels or PixelSpan("", None, 0, 0, False)
        return memoryview(self.content)[span.start : span.stop]


def read_header(source: Path | BinaryIO | bytes) -> Dataset:
    """The attributes of one instance without its pixel data, with `file_meta`, empty where the file has none.

    Files without preamble and file meta information are taken.  Values are decoded when they are asked for.
    Raises NotDicom when the bytes are no DICOM, UnreadableInstance when they are damaged, or end before a
    length that they declare, that of the pixel data included.
    """
    if isinstance(source, Path):
        with naming(source.name):
            return split(read_file(source)[0]).dataset
    if isinstance(source, BytesIO):  # getvalue() copies nothing of a BytesIO made from bytes
        return split(source.getvalue()[source.tell() :]).dataset
    return split(source if isinstance(source, bytes) else source.read()).dataset


def split(content: bytes, size: int | None = None) -> Parts:
    """The parts of the file `content`.  Raises NotDicom and UnreadableInstance as `read_header` does.

    size: that of the file, where `content` is only the beginning of it.  Raises then NotAllThere unless what
    follows can only be the value of the pixel data.
    """
    meta = Walk(content, False, size=size).elements(_start(content), only_group=0x0002)
    file_meta = FileMetaDataset(meta.raw)
    at = meta.stop
    transfer_syntax = UID(text_of(file_meta, "TransferSyntaxUID") or _guess(content, at))
    if transfer_syntax == DeflatedExplicitVRLittleEndian:
        if size not in (None, len(content)):
            raise NotAllThere
        content, at, size = _inflate(content[at:]), 0, None
    implicit = transfer_syntax in (ImplicitVRLittleEndian, GE_PRIVATE_IMPLICIT) and not _has_vr(content, at)
    little = transfer_syntax != ExplicitVRBigEndian
    found = Walk(content, implicit, little, size).elements(at)
    _check_whole(found)
    dataset = Dataset(found.raw)
    dataset.file_meta = file_meta
    dataset.set_original_encoding(implicit, little, _encodings(found))
    return Parts(dataset, transfer_syntax, content, found.pixels)


def _start(content: bytes) -> int:
    """Where the first element lies: after preamble and DICM, or at the very beginning."""
    if content[PREAMBLE : PREAMBLE + 4] == b"DICM":
        return PREAMBLE + 4
    group = content[:2]
    if (
        len(content) >= 8
        and group in (b"\x02\0", b"\x08\0", b"\0\x08")
        and content[3 if group[0] else 2] < 0x21
    ):
        return 0
    raise NotDicom()


def _guess(content: bytes, at: int) -> str:
    """The transfer syntax of a data set that comes without file meta information, by its first element."""
    if not _has_vr(content, at):
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if content[at] else ExplicitVRBigEndian


def _has_vr(content: bytes, at: int) -> bool:
    """Whether the first element says its VR, whatever the transfer syntax declares."""
    return content[at + 4 : at + 6] in SHORT or content[at + 4 : at + 6] in LONG


def _inflate(body: bytes) -> bytes:
    """The data set of Deflated Explicit VR Little Endian (PS3.5 section A.5)."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        inflated = inflater.decompress(body, LARGEST_INFLATED)
    except zlib.error as error:
        raise UnreadableInstance(f"Its deflated data set is damaged ({error}).") from error
    if not inflater.eof:
        raise UnreadableInstance("Its deflated data set is cut off, or larger than 2 GiB.")
    return inflated


def _check_whole(found: Elements) -> None:
    """Refuse a file that ends between two elements: with none, or before its pixel data (PS3.3 C.7.6.3)."""
    if not found.raw:
        raise UnreadableInstance("It has no data set: the file is cut off.")
    if found.pixels is None and ROWS in found.raw and PIXEL_DATA_PROVIDER_URL not in found.raw:
        raise UnreadableInstance("It says Rows and has no pixel data: the file is cut off.")


def _encodings(found: Elements) -> list[str]:
    """Python's names of the character sets in SpecificCharacterSet (PS3.3 section C.12.1.1.2).

    For one that is not known pydicom takes the default repertoire and warns; so it is done for nonsense, too.
    """
    declared = found.raw.get(SPECIFIC_CHARACTER_SET)
    text = declared.value.decode("latin-1") if declared and isinstance(declared.value, bytes) else ""
    try:
        return convert_encodings([one.strip() for one in text.split("\\")])
    except (ValueError, LookupError):
        return [default_encoding]
