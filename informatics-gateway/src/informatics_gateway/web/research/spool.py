# SPDX-License-Identifier: Apache-2.0
"""Forms whose files lie one behind the other in a single file on the disk.

Starlette would hold each small one in memory and each large one open: thousands would leave neither to the line.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import SEEK_END
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, BinaryIO, cast

from fastapi import HTTPException
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

MOST_FILES, MOST_FIELDS = 20_000, 64


def has_files(request: Request) -> bool:
    """Whether the form may hold files; the fields of another are read into memory."""
    return request.headers.get("content-type", "").startswith("multipart/")


@asynccontextmanager
async def form_of(request: Request, folder: Path) -> AsyncIterator[FormData]:
    """The form that a page sent; its files lie in a file without a name in `folder`, until the end.

    Raises the answer 400 for what is no form, and 507 when the disk is full.
    """
    if not has_files(request):
        async with request.form(max_fields=MOST_FIELDS) as form:
            yield form
        return
    with TemporaryFile(dir=folder) as spool:
        yield await _parsed(request, spool)


async def _parsed(request: Request, spool: IO[bytes]) -> FormData:
    try:
        return await _Parser(spool, request).parse()
    except MultiPartException as error:
        raise HTTPException(400, error.message) from error
    except OSError as error:
        raise HTTPException(507, f"The upload could not be kept: {error.strerror}.") from error


class _Parser(MultiPartParser):
    """Gives each part with a file name its place in `spool`."""

    def __init__(self, spool: IO[bytes], request: Request) -> None:
        super().__init__(request.headers, request.stream(), max_files=MOST_FILES, max_fields=MOST_FIELDS)
        self._spool = spool

    def on_headers_finished(self) -> None:
        super().on_headers_finished()
        part = self._current_part
        if part.file is not None:
            part.file.file.close()  # what Starlette would write it to
            window = cast(BinaryIO, _Window(self._spool))
            part.file = UploadFile(window, size=0, filename=part.file.filename, headers=part.file.headers)


class _Window:
    """One file in the whole: it is written, until the next one is, and then read."""

    def __init__(self, whole: IO[bytes]) -> None:
        self._whole = whole
        self._begin = self._size = self._at = 0

    def write(self, data: bytes) -> int:
        if not self._size:
            self._begin = self._whole.seek(0, SEEK_END)
        self._size += len(data)
        return self._whole.write(data)

    def seek(self, offset: int) -> int:
        self._at = offset
        return offset

    def read(self, size: int) -> bytes:
        self._whole.seek(self._begin + self._at)
        data = self._whole.read(min(size, self._size - self._at))
        self._at += len(data)
        return data

    def close(self) -> None:
        """The whole is closed by whoever opened it."""
