# SPDX-License-Identifier: Apache-2.0
"""The process runner for a check: no network, and nothing outside the attempt's folder can be written to."""

import functools
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event

from . import Ended, Program, Task
from .outcome import plain
from .process import HOME, ProcessRunner, order
from .supervise import AppProcess
from .watch import Running

SEAL = Path(__file__).with_name("seal.py")
RECORD = "seal.json"
PERMITTED_WITHIN_S = 30.0


class SealedRunner(ProcessRunner):
    """Starts each job behind a seal.  `asked`: how often the last job asked for the network."""

    def __init__(self) -> None:
        self.asked = 0

    def run(self, program: Program, task: Task, cancelled: Event) -> Ended:
        """Run the app as a process runner does, without network and without a place for other files."""
        self.asked = 0
        try:
            return super().run(program, task, cancelled)
        finally:
            record = task.folder.path / RECORD
            if record.is_file() and (said := record.read_text()):
                self.asked = int(json.loads(said)["network"])

    def _start(self, program: Program, task: Task) -> Running:
        plain_order = order(program, task)
        folders = (task.folder.output, task.folder.path / HOME)
        sealed = seal(task.folder.path / RECORD, folders, plain_order.command)
        return AppProcess(replace(plain_order, command=sealed))


def seal(record: Path, folders: Sequence[Path], command: Sequence[str]) -> tuple[str, ...]:
    """The command behind a seal that leaves only these folders to be written to."""
    return (
        sys.executable,
        "-I",
        "-S",
        *map(str, (SEAL, record.absolute(), *(each.absolute() for each in folders))),
        "--",
        *command,
    )


@functools.cache
def why_not() -> str:
    """Why this machine does not permit a seal, "" where it does."""
    with tempfile.TemporaryDirectory(prefix="gantry-") as folder:
        command = seal(Path(folder) / RECORD, [], [sys.executable, "-I", "-S", "-c", ""])
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PERMITTED_WITHIN_S, check=False
        )
    return "" if done.returncode == 0 else plain(done.stderr) or f"its exit status is {done.returncode}"
