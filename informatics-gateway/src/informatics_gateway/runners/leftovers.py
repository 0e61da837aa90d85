# SPDX-License-Identifier: Apache-2.0
"""The record of a running keeper on disk, by which a later gateway ends what an earlier one started.

A keeper ends everything when its gateway dies, so this is the second line: the keeper itself may have been
killed.  A process number alone proves nothing, because numbers are used again.  The record therefore holds
the process's start time in ticks since boot and the boot's id (a clock that is set cannot confuse them),
and a random mark that every process of the app has in its environment.
"""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from ..errors import AppFailed

MARK = "GANTRY_PROCESS_MARK"
FILE = "process.json"
PROC = Path("/proc")
ENDED_WITHIN_S = 10.0


@dataclass(frozen=True)
class Record:
    """Which process was started: `started` in clock ticks since the boot `boot`."""

    pid: int
    started: int
    boot: str
    mark: str

    def write(self, path: Path) -> None:
        """Write by rename.  No fsync: after a power failure the process is gone too, and `boot` says so."""
        new = path.with_suffix(".new")
        new.write_text(json.dumps(asdict(self)))
        new.rename(path)

    @property
    def is_alive(self) -> bool:
        """Whether that very process still runs."""
        return self.boot == boot_id() and start_ticks(self.pid) == self.started


def record_of(pid: int, mark: str) -> Record:
    """The record of a process that was just started and is not reaped yet."""
    return Record(pid, start_ticks(pid) or 0, boot_id(), mark)


def read_record(path: Path) -> Record | None:
    """The record in `path`; None when there is none that can be read."""
    try:
        return Record(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError, RecursionError):
        return None


def end_recorded(record: Record) -> bool:
    """Kill the recorded process and every process that carries its mark, and wait until they are gone.

    Gives back whether anything was still running.  Raises AppFailed as `end_marked` does.
    """
    if record.boot != boot_id():
        return False
    return _end(record.mark, {record.pid: record.started} if record.is_alive else {})


def end_marked(mark: str) -> bool:
    """Kill every process with `mark` in its environment, as often as new ones appear; whether there was one.

    Raises AppFailed, naming the processes, when some do not end: they hang in the kernel.
    """
    return _end(mark, {})


def _end(mark: str, ending: dict[int, int]) -> bool:
    """`ending`: processes to end, with their start ticks.

    One that is killed loses its mark before it is gone, so those that were found are waited for by number.
    """
    deadline = time.monotonic() + ENDED_WITHIN_S
    found = False
    while living := {*_marked(mark), *(pid for pid, began in ending.items() if began == start_ticks(pid))}:
        if time.monotonic() > deadline:
            raise AppFailed(
                f"Its processes {', '.join(map(str, sorted(living)))} cannot be killed.",
                hint="They hang in the kernel, often in a driver: look at dmesg, and restart the machine.",
            )
        found = True
        for pid in living:
            ending.setdefault(pid, start_ticks(pid) or 0)
            _kill(pid)
        time.sleep(0.01)
    return found


def boot_id() -> str:
    """The kernel's random id of this boot."""
    return (PROC / "sys/kernel/random/boot_id").read_text().strip()


def start_ticks(pid: int) -> int | None:
    """When the process started, in ticks since boot (proc(5), field 22); None when it is gone or a zombie."""
    try:
        fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def _marked(mark: str) -> Iterator[int]:
    entry = f"{MARK}={mark}".encode()
    for folder in PROC.iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        with suppress(OSError):  # it ended meanwhile, or is another user's
            if entry in (folder / "environ").read_bytes().split(b"\0"):
                yield int(folder.name)


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
