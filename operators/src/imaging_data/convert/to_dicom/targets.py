# SPDX-License-Identifier: Apache-2.0
"""A folder of files that appears whole or not at all."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ...errors import ImagingDataError, TargetExists
from ...threads import in_threads
from ...whole import PARTIAL, give_name, partial_name, sync


class CannotWrite(ImagingDataError):
    """The output cannot be written."""

    hint = "See whether there is space on the disk and you may write there; nothing was left behind."


@contextmanager
def whole_folder(target: Path, overwrite: bool = False) -> Iterator[Path]:
    """A new folder beside `target`, which becomes `target` when the block ends well, and else is taken away.

    An empty folder stays, since it may be a mount or the one that somebody is in: the files are moved into it.
    overwrite: a folder that holds nothing but `.dcm` files is replaced.
    Raises TargetExists before the block, and after it when another run was faster; CannotWrite for an OSError.
    """
    check_target(target, overwrite)
    empty = target.is_dir() and not _content(target)
    with _scratch(target / "files" if empty else target) as partial:
        yield partial
        in_threads(sync, [*partial.iterdir()])
        sync(partial)
        if empty:
            _move_into(target, partial)
        else:
            _become(partial, target, overwrite)


@contextmanager
def whole_file(target: Path, overwrite: bool = False) -> Iterator[tuple[Path, Path]]:
    """A new folder to work in, and the name in it of the file that becomes `target` when the block ends well.

    Raises TargetExists and CannotWrite as `whole_folder`; overwrite: the file is replaced.
    """
    if os.path.lexists(target) and (not overwrite or not target.is_file()):
        raise TargetExists(f"{target}", "Give another name, or `--overwrite` to replace the file.")
    with _scratch(target) as folder:
        (folder / "work").mkdir()
        yield folder / "work", folder / target.name
        sync(folder / target.name)
        if overwrite:
            (folder / target.name).replace(target)
        else:
            give_name(folder / target.name, target)
        sync(target.parent)


@contextmanager
def _scratch(target: Path) -> Iterator[Path]:
    """A new folder beside `target`, taken away at the end, with folders that were made for it and are empty."""
    partial = partial_name(target)
    new = [folder for folder in target.parents if not folder.exists()]
    try:
        partial.mkdir(parents=True)
        yield partial
    except OSError as error:
        said = error.strerror or str(error).partition("\n")[0]  # pydicom adds a traceback
        raise CannotWrite(f"{target}: {said}.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        for folder in new:
            with suppress(OSError):  # not empty
                folder.rmdir()


def check_target(target: Path, overwrite: bool) -> None:
    """Raise TargetExists where `target` is there and may not be replaced."""
    if not os.path.lexists(target):
        return
    if not target.is_dir():
        raise TargetExists(f"{target} is no folder.")
    content = _content(target)
    if content and not overwrite:
        raise TargetExists(f"{target}", "Give another name, or `--overwrite` to replace what is there.")
    if content and target.is_symlink():
        raise TargetExists(f"{target} is a link, and is not replaced.")
    if not all(path.suffix == ".dcm" and path.is_file() for path in content):
        raise TargetExists(f"{target} holds more than DICOM files (.dcm), and is not replaced.")


def _content(folder: Path) -> list[Path]:
    """What is in it, but for what a run that was killed left there."""
    return [path for path in folder.iterdir() if not path.name.startswith(PARTIAL)]


def _move_into(target: Path, partial: Path) -> None:
    if _content(target):
        raise TargetExists(f"{target} was filled in the meantime.")
    moved: list[Path] = []
    try:
        for path in sorted(partial.iterdir()):
            give_name(path, target / path.name)
            moved.append(target / path.name)
    except (OSError, TargetExists):
        for path in moved:
            path.unlink(missing_ok=True)
        raise
    sync(target)


def _become(partial: Path, target: Path, overwrite: bool) -> None:
    replaced = target.with_name(f".replaced-{secrets.token_hex(8)}")
    if overwrite and target.exists():
        check_target(target, overwrite)
        target.rename(replaced)
    try:
        partial.rename(target)
    except OSError:
        if replaced.exists():
            replaced.rename(target)
        if os.path.lexists(target):
            raise TargetExists(f"{target} appeared in the meantime.") from None
        raise
    sync(target.parent)
    shutil.rmtree(replaced, ignore_errors=True)
