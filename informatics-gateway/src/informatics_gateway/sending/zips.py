# SPDX-License-Identifier: Apache-2.0
"""Zip files, read member by member and never unpacked: bounded in number, size and ratio.

A member's path is not used for anything, so it can play no tricks.  What is refused is refused by name.
"""

import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from struct import unpack_from
from typing import IO

from ..errors import GantryError

MAGIC = (b"PK\x03\x04", b"PK\x05\x06")  # a local file header, or the end of an empty zip
ENCRYPTED = 0x1  # general purpose flag
END, LOCATOR = b"PK\x05\x06", b"PK\x06\x07"
LONGEST_COMMENT, ZIP64 = 0xFFFF, 0xFFFFFFFF
BROKEN = (
    zipfile.BadZipFile, zlib.error, LZMAError, EOFError, OSError, ValueError, NotImplementedError, RuntimeError,
)  # fmt: skip


class RefusedZip(GantryError):
    """The zip file is refused."""

    hint = "Make it again, or unpack it yourself and give the folder."


class RefusedMember(RefusedZip):
    """A member of a zip file is refused."""


@dataclass(frozen=True)
class Limits:
    """What a zip may hold: members, bytes of its directory and of a member, and its size inflated over its own.

    `times` counts beyond `free_bytes`: a small zip of empty masks may inflate a thousand times.
    """

    members: int = 1_000_000
    directory_bytes: int = 256 << 20
    member_bytes: int = 2 << 30
    free_bytes: int = 1 << 30
    times: int = 200


DEFAULT = Limits()


@dataclass(frozen=True)
class Member:
    """One file in a zip; `name` tells which, by its number and the last part of its path."""

    name: str
    info: zipfile.ZipInfo
    archive: zipfile.ZipFile
    limits: Limits

    def open(self) -> IO[bytes]:
        """Its bytes, inflated as they are read and never more than it declares.

        Raises RefusedMember when it is encrypted, a zip itself, or larger than the limit.
        """
        if self.info.flag_bits & ENCRYPTED:
            raise RefusedMember(f"{self.name}: it is encrypted.")
        if self.info.filename.lower().endswith(".zip"):
            raise RefusedMember(f"{self.name}: a zip within a zip is not opened.")
        if self.info.file_size > self.limits.member_bytes:
            raise RefusedMember(f"{self.name}: it inflates to {self.info.file_size} bytes.")
        try:
            return self.archive.open(self.info)
        except BROKEN as error:
            raise self._damaged(error) from error

    def read(self, file: IO[bytes], size: int = -1) -> bytes:
        """Read from what `open` gave.  Raises RefusedMember when it is damaged or cut off."""
        try:
            return file.read(size)
        except BROKEN as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> RefusedMember:
        """Without what zipfile says, which quotes the member's whole path: folders are named after patients."""
        unknown = isinstance(error, NotImplementedError)
        return RefusedMember(
            f"{self.name}: {'how it is packed is not known' if unknown else 'it is damaged'}."
        )


def is_zip(path: Path) -> bool:
    """Whether the file begins as a zip does, whole or not, or is called one."""
    with path.open("rb") as file:
        return file.read(4) in MAGIC or path.suffix.lower() == ".zip"


def members(path: Path, limits: Limits = DEFAULT) -> Iterator[Member]:
    """The files in a zip, in its order.  Raises RefusedZip for one that is cut off, damaged or a bomb."""
    _check_directory(path, limits)
    try:
        archive = zipfile.ZipFile(path)
    except BROKEN as error:
        said = "a name in it is not UTF-8" if isinstance(error, UnicodeDecodeError) else error
        raise RefusedZip(f"{path.name}: {said}.") from error
    with archive:
        infos = [info for info in archive.infolist() if not info.is_dir()]
        _check_size(path, infos, limits)
        for number, info in enumerate(infos, 1):
            last = PurePosixPath(info.filename).name
            yield Member(f"{path.name}, member {number} ({last})", info, archive, limits)


def count(path: Path, limits: Limits = DEFAULT) -> int:
    """How many members a zip says it has; 0 when it is refused."""
    try:
        return sum(1 for _ in members(path, limits))
    except RefusedZip:
        return 0


def _check_directory(path: Path, limits: Limits) -> None:
    """Before the directory is read: all of it goes into memory.  It is found as zipfile finds it."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - LONGEST_COMMENT - 22))
        tail = file.read()
        at = tail.rfind(END)
        if at < 0 or at + 22 > len(tail):
            raise RefusedZip(f"{path.name}: it is cut off, or no zip.")
        length = unpack_from("<L", tail, at + 12)[0]
        if length == ZIP64 and tail[at - 20 : at - 16] == LOCATOR:
            file.seek(min(size, unpack_from("<Q", tail, at - 12)[0]) + 40)
            length = int.from_bytes(file.read(8), "little")
    if length > limits.directory_bytes:
        raise RefusedZip(f"{path.name}: its directory takes {length} bytes.")


def _check_size(path: Path, infos: list[zipfile.ZipInfo], limits: Limits) -> None:
    if len(infos) > limits.members:
        raise RefusedZip(f"{path.name}: it has {len(infos)} members; {limits.members} are allowed.")
    inflated, size = sum(info.file_size for info in infos), path.stat().st_size
    if inflated > max(limits.free_bytes, limits.times * size):
        raise RefusedZip(f"{path.name}: {size} bytes that inflate to {inflated}.")
