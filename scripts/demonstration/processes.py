# SPDX-License-Identifier: Apache-2.0
"""What a demonstration has started, written down so that it can be ended later, even by another run."""

import json
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psutil

ENDS_WITHIN_S = 20.0


@dataclass(frozen=True)
class Started:
    """A process by id and by the time it was born, because ids are given out again."""

    pid: int
    born: float

    @classmethod
    def of(cls, process: psutil.Process | subprocess.Popen[bytes]) -> "Started":
        """The process as it runs now."""
        return cls(process.pid, psutil.Process(process.pid).create_time())

    @property
    def process(self) -> psutil.Process | None:
        """The process, None once it has ended."""
        try:
            process = psutil.Process(self.pid)
            return process if process.create_time() == self.born and process.status() != "zombie" else None
        except psutil.NoSuchProcess:
            return None

    def end(self) -> None:
        """Ask it to end, and end it when it does not; its children with it."""
        process = self.process
        if process is None:
            return
        family = [*process.children(recursive=True), process]
        process.terminate()
        _, alive = psutil.wait_procs(family, timeout=ENDS_WITHIN_S)
        for each in alive:
            each.kill()
        psutil.wait_procs(alive, timeout=ENDS_WITHIN_S)


class Kept:
    """The note of a demonstration that was left running, in its folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "kept.json"

    def write(self, started: list[Started], containers: list[str]) -> None:
        """Note what runs on."""
        note = {"processes": [[each.pid, each.born] for each in started], "containers": containers}
        self.path.write_text(json.dumps(note))

    def _read(self) -> tuple[list[Started], list[str]]:
        if not self.path.exists():
            return [], []
        note = json.loads(self.path.read_text())
        return [Started(*each) for each in note["processes"]], note["containers"]

    @property
    def running(self) -> bool:
        """Whether anything of it still runs."""
        return any(each.process for each in self._read()[0])

    def end(self) -> bool:
        """End what still runs; False when nothing did."""
        started, containers = self._read()
        was_running = self.running
        for name in containers:
            subprocess.run(["docker", "rm", "--force", name], capture_output=True, check=False)
        for each in started:
            each.end()
        self.path.unlink(missing_ok=True)
        return was_running


def stop_on_signals() -> None:
    """Let every way of ending a terminal program run the clean-up: Ctrl-C, a closed window, a plain kill."""

    def stop(number: int, _: object) -> None:
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(each, signal.SIG_IGN)  # the clean-up itself is not interrupted
        raise KeyboardInterrupt(number)

    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, stop)
