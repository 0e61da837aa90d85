# SPDX-License-Identifier: Apache-2.0
"""What travels between the gateway and a node of the cluster: an order, folders as bytes, what came of it.

Nothing here knows Ray.  A folder travels in parcels of some MB, so that neither side holds all of it at once.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from imaging_data import ExplainedError

from .. import errors
from ..errors import AppFailed
from ..model import AttemptFolder
from . import Ended, Program, Task

PARCEL_BYTES = 16 << 20
NOWHERE = "not-a-plain-file"  # where a link leads that stands for what an app left and is no plain file

Parcel = list[tuple[str, bytes]]  # name, relative to the attempt's folder, and content
Fault = tuple[str, str, str]  # the name of an error's class, its detail and its hint
NO_FAULT = ("", "", "")


@dataclass(frozen=True)
class Order:
    """A job for a node.  `owner`: whose gateway's it is.  `script`: the SHA-256 of the app's file, "" of an image.

    `folder` is the attempt's on the gateway's machine.
    """

    program: Program
    folder: AttemptFolder
    job: Mapping[str, Any] | None
    owner: str
    script: str

    @classmethod
    def of(cls, program: Program, task: Task, owner: str) -> "Order":
        """What a runner is asked for, as an order."""
        script = "" if program.image else sha256(program.script)
        return cls(program, task.folder, task.job, owner, script)


@dataclass(frozen=True)
class Outcome:
    """How a job ended on its node, with what it left there: references to its parcels, and names.

    `fault`: why, when it has not `ended`.  `strange`: what is no plain file, which does not travel.  `news`: steps
    and fractions not told before.
    """

    ended: Ended | None
    fault: Fault
    parcels: list[Any]
    strange: list[str]
    news: list[tuple[str, float]]


def sha256(path: Path) -> str:
    """The file's hash; AppFailed when it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise AppFailed(f"{path}: {error.strerror}.") from error


def fault_of(error: ExplainedError) -> Fault:
    """An error of Gantry's, to be raised again elsewhere."""
    return type(error).__name__, error.detail, error.hint


def error_of(fault: Fault) -> ExplainedError:
    """The error that a fault stands for."""
    name, detail, hint = fault
    made: ExplainedError = getattr(errors, name)(detail, hint)
    return made


def pack(root: Path, *parts: str) -> Iterator[Parcel]:
    """The plain files of these folders or files below `root`, in parcels; links are not followed."""
    parcel: Parcel = []
    size = 0
    for path in _files(root, parts):
        content = path.read_bytes()
        if parcel and size + len(content) > PARCEL_BYTES:
            yield parcel
            parcel, size = [], 0
        parcel.append((path.relative_to(root).as_posix(), content))
        size += len(content)
    if parcel:
        yield parcel


def _files(root: Path, parts: Iterable[str]) -> Iterator[Path]:
    for part in parts:
        if (root / part).is_file():
            yield root / part
        for folder, _, names in os.walk(root / part):
            yield from (Path(folder) / name for name in sorted(names))


def unpack(parcel: Parcel, root: Path, parts: frozenset[str], limit: int) -> int:
    """Write a parcel's files below `root`; how many bytes.  Nothing is overwritten, no link is followed.

    Raises AppFailed for a name outside of `parts`, and for more than `limit` bytes.
    """
    total = sum(len(content) for _, content in parcel)
    if total > limit:
        raise AppFailed("The node sent more than the app may write.")
    for name, content in parcel:
        target = _within(root, name, parts)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with target.open("xb") as file:
            file.write(content)
    return total


def stand_in(names: Iterable[str], root: Path, parts: frozenset[str]) -> None:
    """For each name, a link that leads nowhere: so the gateway sees it as it sees one that an app made here."""
    for name in names:
        target = _within(root, name, parts)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        target.symlink_to(NOWHERE)


def _within(root: Path, name: str, parts: frozenset[str]) -> Path:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or path.parts[0] not in parts:
        raise AppFailed("The node sent a file whose name leads out of its folder.")
    return root / path
