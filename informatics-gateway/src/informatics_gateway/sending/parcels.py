# SPDX-License-Identifier: Apache-2.0
"""The DICOM instances of files, folders and zips, one after the other, each with its file's bytes."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Protocol

from pydicom.uid import MediaStorageDirectoryStorage

from imaging_data import ImagingDataError, MissingFolder, check_identifiers
from imaging_data.errors import NotDicom
from imaging_data.parts import PREAMBLE, split

from ..destinations.parcel import Parcel
from ..errors import GantryError
from . import zips

PREFIX = bytes(PREAMBLE) + b"DICM"
META, IDENTIFYING = b"\x02\x00", b"\x08\x00"  # the group that a file without preamble begins with
IDENTIFIERS = {
    "sop_class_uid": "SOPClassUID",
    "sop_instance_uid": "SOPInstanceUID",
    "study_instance_uid": "StudyInstanceUID",
    "series_instance_uid": "SeriesInstanceUID",
}
LARGEST = zips.DEFAULT.member_bytes


class TooLargeToSend(GantryError):
    """The file is too large to be sent."""

    hint = f"At most {LARGEST >> 30} GiB a file."


class TwoContents(GantryError):
    """Two contents stand under one SOPInstanceUID."""

    hint = "Find out which is right: a UID never stands for two contents. The first was sent."


class _Source(Protocol):
    """A file, or a member of a zip."""

    @property
    def name(self) -> str: ...
    def open(self) -> IO[bytes]: ...
    def read(self, file: IO[bytes], size: int = -1) -> bytes: ...


@dataclass(frozen=True)
class _File:
    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    def open(self) -> IO[bytes]:
        if self.path.stat().st_size > LARGEST:
            raise TooLargeToSend(self.name)
        return self.path.open("rb")

    def read(self, file: IO[bytes], size: int = -1) -> bytes:
        return file.read(size)


@dataclass
class Reading:
    """What was met while `parcels` went through its paths.

    looked_at: files and members; skipped: those that are not DICOM (a DICOMDIR is no instance); repeated: the
    same instance again; failed: sentences about those that could not be read.
    """

    looked_at: int = 0
    skipped: int = 0
    repeated: int = 0
    failed: list[str] = field(default_factory=list)
    _known: dict[str, bytes] = field(default_factory=dict)

    def is_new(self, parcel: Parcel) -> bool:
        """Whether no instance with this UID was met before.  Raises TwoContents when one was, with other bytes."""
        digest = hashlib.blake2b(parcel.content, digest_size=16).digest()
        known = self._known.setdefault(parcel.sop_instance_uid, digest)
        if known != digest:
            raise TwoContents(f"{parcel.name}: an instance before it has its UID.")
        if known is digest:
            return True
        self.repeated += 1
        return False


def parcels(paths: Sequence[Path], reading: Reading) -> Iterator[Parcel]:
    """Each instance once.  What cannot be read is told to `reading` and left out.

    Raises MissingFolder when a path is not there.
    """
    for path in files(paths, reading.failed):
        try:
            if zips.is_zip(path):
                for member in zips.members(path):
                    yield from _parcel(member, reading)
            else:
                yield from _parcel(_File(path), reading)
        except (zips.RefusedZip, OSError) as error:
            reading.looked_at += 1
            reading.failed.append(_told(error, path.name))


def count(paths: Sequence[Path]) -> int:
    """How many files and members of zips there are to look at."""
    return sum(zips.count(path) if _looks_like_zip(path) else 1 for path in files(paths, []))


def files(paths: Sequence[Path], failed: list[str]) -> Iterator[Path]:
    """The files themselves, and those in the folders, in order; a folder that cannot be read is told to `failed`.

    Raises MissingFolder.
    """

    def unread(error: OSError) -> None:
        failed.append(f"{error.filename}: {error.strerror}")

    for path in paths:
        if not path.exists():
            raise MissingFolder(f"{path}")
        if path.is_file():
            yield path
            continue
        for folder, folders, names in os.walk(path, onerror=unread):
            folders.sort()
            yield from (each for name in sorted(names) if (each := Path(folder, name)).is_file())


def _looks_like_zip(path: Path) -> bool:
    try:
        return zips.is_zip(path)
    except OSError:
        return False


def _parcel(source: _Source, reading: Reading) -> Iterator[Parcel]:
    reading.looked_at += 1
    try:
        with closing(source.open()) as file:
            head = source.read(file, len(PREFIX))
            if head.startswith(zips.MAGIC):  # a zip file itself does not come here
                raise zips.RefusedMember(f"{source.name}: a zip within a zip is not opened.")
            if not _may_be_dicom(head):
                raise NotDicom
            parcel = _read(source.name, head + source.read(file))
        if reading.is_new(parcel):
            yield parcel
    except NotDicom:
        reading.skipped += 1
    except (ImagingDataError, GantryError, OSError) as error:
        reading.failed.append(_told(error, source.name))


def _told(error: Exception, name: str) -> str:
    said = error.strerror or "" if isinstance(error, OSError) else str(error)
    return said if name in said else f"{name}: {said}"


def _may_be_dicom(head: bytes) -> bool:
    return head[PREAMBLE:] == b"DICM" or head[:2] in (META, IDENTIFYING)


def _read(name: str, content: bytes) -> Parcel:
    """Raises NotDicom, UnreadableInstance and InvalidIdentifier."""
    parts = split(content)
    header = parts.dataset
    if header.file_meta.get("MediaStorageSOPClassUID") == MediaStorageDirectoryStorage:
        raise NotDicom
    check_identifiers(header)
    about = {field: str(header[keyword].value) for field, keyword in IDENTIFIERS.items()}
    parcel = Parcel(name=name, transfer_syntax_uid=str(parts.transfer_syntax), content=content, **about)
    return replace(parcel, content=_as_file(parcel))


def _as_file(parcel: Parcel) -> bytes:
    """With what begins a DICOM file (PS3.10 section 7.1) where it has none."""
    content = parcel.content
    if content[PREAMBLE : len(PREFIX)] == b"DICM":
        return content
    if content[:2] == META:
        return PREFIX + content
    from ..receive.file_format import Head

    return Head(parcel.sop_class_uid, parcel.sop_instance_uid, parcel.transfer_syntax_uid).encoded() + content
