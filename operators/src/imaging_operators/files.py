# SPDX-License-Identifier: Apache-2.0
"""Files that are either whole or not there."""

import os
from pathlib import Path


def write_durably(path: Path, content: bytes) -> None:
    """Write, fsync, rename, fsync the folder: after a crash `path` is whole or absent."""
    write_whole(path, content)
    sync_folder(path.parent)


def write_whole(path: Path, content: bytes) -> None:
    """Write, fsync, rename: after a crash `path` is whole or absent.  It stays once its folder is synced."""
    temporary = path.with_name(f".{path.name}.part")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)


def sync_folder(folder: Path) -> None:
    """Make durable which files the folder holds, once for many of them."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
