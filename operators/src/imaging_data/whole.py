# SPDX-License-Identifier: Apache-2.0
"""Files that are there whole or not at all: written beside their place, under another name, then named."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import TargetExists

PARTIAL = ".partial-"  # how names begin that are not there for long


def partial_name(target: Path) -> Path:
    """A new name beside `target`, with the same ending, for what is to become it."""
    return target.with_name(f"{PARTIAL}{secrets.token_hex(8)}-{target.name[-48:]}")  # 255 bytes are the most


def sync(path: Path) -> None:
    """Make the content of a file, or the names in a folder, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def give_name(partial: Path, target: Path) -> None:
    """Give a whole file its name.  Unlike a renaming it never takes the place of another: it raises TargetExists."""
    try:
        os.link(partial, target)
    except FileExistsError:
        raise TargetExists(f"{target}") from None
    except OSError:  # a file system without hard links, as on a memory stick: take the name first
        _take(target)
        partial.replace(target)
    else:
        partial.unlink()


def _take(target: Path) -> None:
    """Make `target`, empty, or raise TargetExists."""
    try:
        target.open("xb").close()
    except FileExistsError:
        raise TargetExists(f"{target}") from None


@contextmanager
def renewed(target: Path) -> Iterator[Path]:
    """Where to write what takes the place of `target` when the block ends well.

    For one writer at a time, who makes it again after a power cut: what a killed one left is written over.
    """
    partial = target.with_name(f"{PARTIAL}{target.name}")
    partial.unlink(missing_ok=True)
    yield partial
    partial.replace(target)
