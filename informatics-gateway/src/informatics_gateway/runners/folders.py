# SPDX-License-Identifier: Apache-2.0
"""The folders of an attempt: filled before the app runs, kept or removed after it has ended."""

import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from imaging_data import check_uid

from ..model import AttemptFolder
from .progress import FILE as PROGRESS


def make(path: Path, instances: Mapping[str, Path]) -> AttemptFolder:
    """An attempt's folder at `path`; `instances`, files by SOPInstanceUID, are `input/<SOPInstanceUID>.dcm`.

    They are copies, not writable (mode 0444): an app that writes into its input after all, as root or by
    changing the mode, must not reach what is stored.
    What is left at `path` of an earlier try is removed.
    """
    remove(path)
    folder = AttemptFolder(path)
    for part in (folder.path, folder.input, folder.output):
        part.mkdir(mode=0o700, parents=True)
    for uid, file in instances.items():
        target = folder.input / f"{check_uid(uid, 'SOPInstanceUID')}.dcm"
        shutil.copyfile(file, target)
        target.chmod(0o444)
    folder.input.chmod(0o500)
    return folder


def keep(folder: AttemptFolder, kept: AttemptFolder) -> list[str]:
    """Move output and log of an ended attempt to `kept`, and remove everything else of it, its progress too.

    What is neither a folder nor a file with one name is taken out first; gives back what it was called.  A
    symbolic link could lead anywhere, a hard link to an instance of the input.  `kept` is made anew: what an
    unfinished move left there was never accepted.
    """
    remove(kept.path)
    kept.path.mkdir(mode=0o700, parents=True)
    strange = take_out_strange(folder)
    progress = folder.output / PROGRESS
    if progress.is_file():  # it was read, and is no result
        progress.unlink()
    for source, target in ((folder.output, kept.output), (folder.log, kept.log)):
        if source.exists():
            source.rename(target)
    remove(folder.path)
    return strange


def take_out_strange(folder: AttemptFolder) -> list[str]:
    """Remove links, devices, pipes and sockets from an attempt's output and log; gives back their names."""
    kept = [path for path in (folder.output, folder.log) if os.path.lexists(path)]
    if folder.output in kept and not folder.output.is_symlink() and folder.output.is_dir():
        kept += _entries(folder.output)
    strange = [path for path in kept if not _is_plain(path.lstat())]
    for path in strange:
        path.unlink()
    return [str(path.relative_to(folder.path)) for path in strange]


def make_durable(folder: AttemptFolder) -> None:
    """Force what is kept to the disk: a job that is journaled as executed must have its results."""
    for path in (*_entries(folder.path), folder.path, folder.path.parent, folder.path.parent.parent):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove(path: Path) -> None:
    """Remove the folder, if it is there, and everything below, also folders without write permission."""
    if path.exists():
        for _ in _entries(path):
            pass
        shutil.rmtree(path)


def read_regular(path: Path, limit: int) -> bytes:
    """The content of a plain file of at most `limit` bytes.

    Raises OSError when it is absent or a link, ValueError when it is anything else or longer.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > limit:
            raise ValueError(f"{path.name} is no plain file of at most {limit} bytes")
        return file.read(limit)


def _entries(folder: Path) -> Iterator[Path]:
    """Everything below `folder`, parents first, links not followed; makes folders accessible on the way."""
    folder.chmod(0o700)
    for entry in list(os.scandir(folder)):
        path = Path(entry.path)
        yield path
        if entry.is_dir(follow_symlinks=False):
            yield from _entries(path)


def _is_plain(status: os.stat_result) -> bool:
    return stat.S_ISDIR(status.st_mode) or (stat.S_ISREG(status.st_mode) and status.st_nlink == 1)
