# SPDX-License-Identifier: Apache-2.0
"""Bytes of a file, and the state that it was in when they were read."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Self

from .errors import UnreadableInstance


@dataclass(frozen=True)
class FileState:
    """Which file it is, and when it was changed: two that differ are two files, or two contents of one.

    Two that are equal prove nothing.  The time of change cannot be set back as the modification time can be
    (`os.utime` moves it on), but its clock ticks every few milliseconds, and writes into a mapped file show late.
    """

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int

    @classmethod
    def of(cls, file: FileIO) -> Self:
        """The state of an open file."""
        found = os.fstat(file.fileno())
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def read_file(path: Path) -> tuple[bytes, FileState]:
    """All bytes, and the state after they were read.  Raises UnreadableInstance where the system refuses them."""
    with opened(path) as file:
        return file.readall(), FileState.of(file)


@contextmanager
def opened(path: Path) -> Iterator[FileIO]:
    """The file, unbuffered.  Raises UnreadableInstance where the system refuses it, then or while it is read."""
    try:
        with FileIO(path, opener=_regular) as file:
            yield file
    except OSError as error:
        raise UnreadableInstance(f"{error.strerror}.", hint="Check the file and who may read it.") from error


def _regular(path: str, flags: int) -> int:
    """Open a file.  A pipe or a device is refused: it might never begin or never end."""
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "It is no regular file")
    return descriptor
