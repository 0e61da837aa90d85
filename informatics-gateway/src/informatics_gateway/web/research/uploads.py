# SPDX-License-Identifier: Apache-2.0
"""Files that a page sent: bounded, kept under numbers, zips taken apart; never under a name from the data."""

import re
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

from fastapi import HTTPException
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request

from ...errors import GantryError
from ...sending import zips
from .spool import MOST_FILES, has_files

LARGEST_BODY = 8 << 30  # bytes of all files of one form
LARGEST_TEXT = 1 << 20  # of a form without files, which is read into memory
LARGEST_INFLATED = 32 << 30  # bytes of all that is in its zips
CHUNK = 1 << 20
ENDING = re.compile(r"(\.nii|\.ome)?\.[a-z0-9]{1,8}")


class TooMuchUploaded(GantryError):
    """The upload is too large."""

    hint = "Use the command line for more: it reads the files where they are."


@dataclass
class Upload:
    """Where the files are, and what they were called, for the people who sent them.

    room: bytes that they may take.  refused: names and reasons of files that could not be read.
    """

    folder: Path
    room: float
    names: dict[str, str] = field(default_factory=dict)
    refused: list[tuple[str, str]] = field(default_factory=list)
    _bytes: int = 0
    _kept: int = 0

    def take(self, name: str, file: IO[bytes]) -> None:
        """Keep one file, or what is in it when it is a zip."""
        path = self._keep(name, file)
        if zips.is_zip(path):
            self._unzip(name, path)
            del self.names[path.name]
            path.unlink()

    def _unzip(self, name: str, path: Path) -> None:
        try:
            for member in zips.members(path):
                self._member(name, path, member)
        except zips.RefusedZip as error:
            self.refused.append((name, str(error).replace(path.name, name)))

    def _member(self, name: str, path: Path, member: zips.Member) -> None:
        called = f"{name}/{PurePosixPath(member.info.filename).name}"
        try:
            with closing(member.open()) as file:
                self._keep(called, _Checked(member, file))
        except zips.RefusedMember as error:
            self.refused.append((called, str(error).replace(path.name, name)))

    def _keep(self, name: str, file: "IO[bytes] | _Checked") -> Path:
        if len(self.names) >= MOST_FILES:
            raise TooMuchUploaded(f"More than {MOST_FILES} files.")
        ending = ENDING.search("".join(PurePosixPath(name.lower()).suffixes[-2:]))
        self._kept += 1
        path = self.folder / f"{self._kept:06}{ending[0] if ending else ''}"
        try:
            self._write(path, file)
        except zips.RefusedMember:
            path.unlink()  # what there is of it is no file of anybody's
            raise
        self.names[path.name] = name
        return path

    def _write(self, path: Path, file: "IO[bytes] | _Checked") -> None:
        with path.open("xb") as kept:
            while chunk := file.read(CHUNK):
                self._bytes += len(chunk)
                if self._bytes > self.room:
                    raise TooMuchUploaded(f"There is room for {self.room / 1e9:.1f} GB.")
                kept.write(chunk)


@dataclass
class _Checked:
    """A member that is read: what goes wrong is said with its name."""

    member: zips.Member
    file: IO[bytes]

    def read(self, size: int) -> bytes:
        return self.member.read(self.file, size)


def check_length(request: Request, folder: Path, reserve: float) -> None:
    """Raise the answer 411, 413 or 507 unless the body says how long it is, and there is room for it.

    It lies in `folder`, of whose disk `reserve` bytes stay free.
    """
    length = request.headers.get("content-length", "")
    if not length.isdecimal():
        raise HTTPException(411, "The upload must say how long it is.")
    files = has_files(request)
    if int(length) > (LARGEST_BODY if files else LARGEST_TEXT):
        raise HTTPException(413, f"At most {LARGEST_BODY >> 30} GiB at once; use the command line for more.")
    room = shutil.disk_usage(folder).free - reserve
    if files and int(length) > room:
        raise HTTPException(
            507, f"The disk has room for {max(0, room) / 1e9:.1f} GB: make some, or send less."
        )


def save(form: FormData, folder: Path, reserve: float) -> Upload:
    """Keep the files of a form in the new `folder`, so that `reserve` bytes of its disk stay free.

    Raises TooMuchUploaded.
    """
    folder.mkdir(mode=0o700)
    upload = Upload(folder, min(LARGEST_INFLATED, shutil.disk_usage(folder).free - reserve))
    for each in _files(form):
        upload.take(each.filename or "", each.file)
    return upload


def _files(form: FormData) -> Iterator[UploadFile]:
    for _, value in form.multi_items():
        if isinstance(value, UploadFile) and value.filename:
            yield value
