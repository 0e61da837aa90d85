# SPDX-License-Identifier: Apache-2.0
"""A real `gantry serve` for the tests: a process of its own, a configuration of its own, free ports."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from orthanc import free_port

from informatics_gateway.model import JobStatus
from informatics_gateway.store import Journal

STORESCU = "/usr/bin/storescu"  # by its path: pynetdicom installs another program of this name
GANTRY = Path(sys.executable).with_name("gantry")
STARTS_WITHIN_S = 60
WAITS_S = 240  # apps run at low priority: on a busy machine they wait
ENDED = [status for status in JobStatus if status.ended]


class Gateway:
    """One gateway on loopback.  `start` and `kill` keep its storage, configuration and ports."""

    host = "127.0.0.1"
    aet = "GANTRY"

    def __init__(
        self, folder: Path, tables: str, quiet_s: float = 1.0, environment: dict[str, str] | None = None
    ):
        """`tables`: the [[destination]], [[app]] and [[route]] tables of the configuration, as TOML."""
        self.folder = folder
        self.port, self.web_port = free_port(), free_port()
        self.environment = environment or {}
        self.process: Any = None  # as Popen
        self.storage = folder / "storage"
        self.config = folder / "gantry.toml"
        folder.mkdir(parents=True, exist_ok=True)
        self.config.write_text(
            f'[storage]\npath = "storage"\nreserve_gb = 0\n[dicom]\nport = {self.port}\n'
            f"[web]\nport = {self.web_port}\n[assemble]\nquiet_s = {quiet_s}\n"
            f'[[source]]\nae_title = "MODALITY"\nhost = "127.0.0.1"\n'
            f'[[source]]\nae_title = "ORTHANC"\nhost = "127.0.0.1"\n{tables}'
        )

    @property
    def log(self) -> str:
        """What the gateway has logged so far."""
        return (self.folder / "serve.log").read_text()

    def start(self, *command: str | Path) -> None:
        """Start it, or `command` in its place, and wait until it listens."""
        self.process = self._begin(*command)
        deadline = time.monotonic() + STARTS_WITHIN_S
        while not self._listens() and self.process.poll() is None:
            assert time.monotonic() < deadline, f"the gateway did not start:\n{self.log}"
            time.sleep(0.02)

    def _begin(self, *command: str | Path) -> Any:
        arguments = [*(command or (GANTRY, "serve")), "--config", str(self.config)]
        with (self.folder / "serve.log").open("ab") as log:
            return subprocess.Popen(
                arguments, stdout=log, stderr=log, env=os.environ | self.environment, start_new_session=True
            )

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((self.host, self.port)) == 0

    def kill(self) -> None:
        """SIGKILL, to the gateway's own process alone."""
        self._signal(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM, as a service manager does."""
        self._signal(signal.SIGTERM)

    def _signal(self, number: int) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            try:
                self.process.wait(60)
            finally:
                self.process.kill()  # one that does not end fails the test, and does not outlive it
                self.process = None

    def send(self, paths: Sequence[Path], called: str = "LUNGS", calling: str = "MODALITY") -> set[str]:
        """C-STORE by DCMTK's storescu; returns the names of the files that were answered 0x0000."""

        done = subprocess.run(
            [STORESCU, "-v", "-aet", calling, "-aec", called, self.host, str(self.port), *map(str, paths)],
            capture_output=True,
            text=True,
            env=os.environ | {"TCP_NODELAY": "1"},
            check=False,
        )
        pattern = r"Sending file: (\S+)\n(?:(?!Sending file).*\n)*?I: Received Store Response \(Success\)"
        return {Path(name).name for name in re.findall(pattern, done.stdout + done.stderr)}

    def cli(self, *arguments: str, expect: int = 0) -> Any:
        """A gantry command with this configuration and --json where it prints JSON; its parsed output."""
        done = subprocess.run(
            [GANTRY, *arguments, "--config", self.config], capture_output=True, text=True, check=False
        )
        assert done.returncode == expect, done.stdout + done.stderr
        return json.loads(done.stdout) if "--json" in arguments else done.stdout + done.stderr

    def statuses(self) -> list[str]:
        """The status of every job, oldest first."""
        with Journal(self.storage) as journal:
            return _statuses(journal)

    def wait(self, until: Callable[[list[str]], bool], seconds: float = WAITS_S) -> list[str]:
        """Wait until the jobs' statuses satisfy `until`."""
        deadline = time.monotonic() + seconds
        with Journal(self.storage) as journal:
            while not until(found := _statuses(journal)):
                assert time.monotonic() < deadline, f"{found}\n{self.events()}\n{self.log[-4000:]}"
                time.sleep(0.05)
        return found

    def wait_ended(self, count: int = 1, seconds: float = WAITS_S) -> list[str]:
        """Wait until `count` jobs are there and all have ended."""
        return self.wait(lambda all_: len(all_) >= count and all(one in ENDED for one in all_), seconds)

    def events(self, job: int | None = None) -> list[str]:
        """The events of one job, or of all."""
        with Journal(self.storage) as journal:
            jobs = [job] if job else [each.id for each in reversed(journal.jobs(limit=10000))]
            return [event.text for number in jobs for event in journal.events(number)]


def _statuses(journal: Journal) -> list[str]:
    return [str(job.status) for job in reversed(journal.jobs(limit=10000))]
