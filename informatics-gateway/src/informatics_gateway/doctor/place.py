# SPDX-License-Identifier: Apache-2.0
"""The storage folder: that it can be written, on a local disk with room."""

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import psutil

from ..config import Config
from ..control import SOCKET_NAME
from ..durable import unwritable
from .check import Check, fail, ok, warn

# File systems on which SQLite's locks and fsync do not hold what they promise.
NETWORK = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "fuse.ceph", "fuse.glusterfs", "fuse.rclone", "fuse.s3fs"}
    | {"fuse.sshfs", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "smb2", "smb3", "smbfs"}
    | {"virtiofs"}
)
LONGEST_SOCKET = 107  # bytes of a Unix socket's path on Linux
MEMORY = frozenset({"tmpfs", "ramfs"})


class Mount(Protocol):
    """What psutil says of a mounted file system."""

    mountpoint: str
    fstype: str


def place(config: Config) -> Iterator[Check]:
    """The checks of [storage]."""
    folder = existing(config.storage.path)
    yield _writable(config.storage.path, folder)
    yield disk(folder, psutil.disk_partitions(all=True))
    yield _room(folder, config.storage.reserve_gb)
    yield from _name(config.storage.path)


def existing(path: Path) -> Path:
    """`path`, or the nearest folder above it that exists."""
    return path if path.exists() else existing(path.parent)


def _writable(path: Path, folder: Path) -> Check:
    if not folder.is_dir():
        return fail("storage", f"{folder} is a file, not a folder.", "Set [storage] path to a folder.")
    if trouble := unwritable(folder):
        hint = (
            f"Give the user that runs `gantry serve` this folder, or set [storage] path. ({_owner(folder)})"
        )
        return fail("storage", f"{folder} cannot be written: {trouble}.", hint)
    if folder != path:
        return ok("storage", f"{path} does not exist yet; `gantry serve` makes it in {folder}.")
    return ok("storage", f"{path} can be written.")


def _owner(folder: Path) -> str:
    about = folder.stat()
    return f"It belongs to user {about.st_uid}, mode {about.st_mode & 0o7777:o}."


def file_system(folder: Path, mounts: Sequence[Mount]) -> str:
    """The type of the file system that `folder` lies on; "" where that is not known."""
    real = folder.resolve()
    over = [each for each in mounts if real.is_relative_to(each.mountpoint)]
    return max(over, key=lambda each: len(each.mountpoint)).fstype if over else ""


def disk(folder: Path, mounts: Sequence[Mount]) -> Check:
    """Whether `folder` lies on a disk of this machine."""
    kind = file_system(folder, mounts)
    if kind in NETWORK:
        hint = "Set [storage] path to a disk of this machine: there what is acknowledged is safe."
        return fail("storage disk", f"{folder} is on a network file system ({kind}).", hint)
    if kind in MEMORY:
        hint = "Set [storage] path to a folder on a disk."
        return warn("storage disk", f"{folder} is in memory ({kind}): a restart loses it.", hint)
    return ok("storage disk", f"{folder} is on a local file system{f' ({kind})' if kind else ''}.")


def _name(path: Path) -> Iterator[Check]:
    """The path of a Unix socket has a limit that other paths have not."""
    length = len(os.fsencode(path / SOCKET_NAME))
    if length > LONGEST_SOCKET:
        sentence = f"{path} is {length - LONGEST_SOCKET} bytes too long for the socket {SOCKET_NAME} in it."
        yield fail("storage", sentence, "Set [storage] path to a shorter one.")


def _room(folder: Path, reserve_gb: float) -> Check:
    free_gb = shutil.disk_usage(folder).free / 1e9
    room = f"{free_gb:.1f} GB are free; under {reserve_gb:g} GB new instances are refused"
    hint = "Free disk space, or lower [storage] reserve_gb."
    if free_gb < reserve_gb:
        return fail("disk space", f"{room}: that is now.", hint)
    if free_gb < 2 * reserve_gb:
        return warn("disk space", f"{room}: that is near.", hint)
    return ok("disk space", f"{room}.")
