# SPDX-License-Identifier: Apache-2.0
"""Where results go: new files under their UIDs, whole or not at all, one run at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import permutations
from pathlib import Path

from ..errors import ImagingDataError, MissingFolder, TargetExists
from ..whole import PARTIAL, give_name, partial_name, sync


class AlreadyRunning(ImagingDataError):
    """Another run writes to this folder."""

    hint = "Wait until it has ended, or name another folder."


class CannotWrite(ImagingDataError):
    """The result cannot be written."""

    hint = "Make room or correct the permissions, then run it again: what is there already stays as it is."
    retryable = True

    def __reduce__(self) -> tuple[type["CannotWrite"], tuple[str, str]]:
        """The same error, as it comes from another process."""
        return type(self), (self.detail, self.hint)


class WrongPlace(ImagingDataError):
    """The folders of originals and of results lie in each other."""

    hint = "Name a folder for results, one for what is held back and one for the mapping that are apart."


class Taken(ImagingDataError):
    """Another instance stands under this name."""

    hint = "Name an empty folder."


def files_of(source: Path) -> list[Path]:
    """The file `source`, or every file of that folder and below, in order.  Raises MissingFolder."""
    if not source.exists():
        raise MissingFolder(f"{source}")
    return [source] if source.is_file() else sorted(path for path in source.rglob("*") if path.is_file())


@contextmanager
def writing(what: Path) -> Iterator[None]:
    """Raise CannotWrite for what the system refuses while `what` is written."""
    try:
        yield
    except OSError as error:
        raise CannotWrite(f"{what}: {error.strerror or error}.") from error


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the one lock of `folder`, which is made where it is missing.  Raises AlreadyRunning, CannotWrite."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunning(f"{folder}") from error
        yield
    finally:
        os.close(descriptor)


@contextmanager
def results(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder of results, without what a run that was killed has left half."""
    with locked(folder):
        for partial in filter(Path.is_file, folder.rglob(f"{PARTIAL}*")):
            with writing(partial):
                partial.unlink()
        yield


def put(path: Path, content: bytes, mode: int = 0o666) -> bool:
    """Write a new file whole; False where it is there with the same content.  Raises Taken, CannotWrite."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with _partial(path, content, mode) as partial:
            try:
                give_name(partial, path)
            except TargetExists:
                if path.read_bytes() != content:
                    raise Taken(f"{path}") from None
                return False
    return True


def replace(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Write a file whole, in place of what is there.  Raises OSError."""
    with _partial(path, content, mode) as partial:
        partial.replace(path)


@contextmanager
def _partial(path: Path, content: bytes, mode: int) -> Iterator[Path]:
    """The content on the disk, beside `path`, until it is named or the block ends."""
    partial = partial_name(path)
    try:
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
        sync(partial)
        yield partial
    finally:
        partial.unlink(missing_ok=True)


def check_apart(*folders: Path) -> None:
    """Raise WrongPlace where one of the folders lies in another, which would mix originals and results."""
    for one, other in permutations(folders, 2):
        if one.resolve().is_relative_to(other.resolve()):
            raise WrongPlace(f"{one} lies in {other}.")
