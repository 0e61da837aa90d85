# SPDX-License-Identifier: Apache-2.0
"""The gateway of a demonstration: its configuration, its process, and its jobs as they go along."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
from archive import BUTTON, ROOT, Archive
from orthanc import free_port
from processes import environment, wait_until

from informatics_gateway import quarantine
from informatics_gateway.cli.jobs import details
from informatics_gateway.model import Event, Job
from informatics_gateway.store import Journal

APP = ROOT / "apps" / "lung_densitometry"
GIVE_UP_S = 900.0
NOTHING_CAME_S = 60.0

CONFIGURATION = """\
# Written by scripts/demo.

[storage]
path = "{storage}"
reserve_gb = 1

[dicom]
port = {dicom_port}

[web]
port = {web_port}

[[source]]
ae_title = "{calling_ae_title}"
host = "127.0.0.1"

[[destination]]
name = "archive"
clinical = false
{destination}

[[app]]
name = "lung_densitometry"
path = "{app}"
runner = "warm"

[[route]]
called_ae_title = "{button}"
series = {{ Modality = "CT" }}
app = "lung_densitometry"
destinations = ["archive"]
"""


class Gateway:
    """`gantry serve` on free ports of loopback, with its storage in `folder`."""

    def __init__(self, folder: Path, archive: Archive) -> None:
        self.storage, self.config, self.log = (
            folder / "gateway",
            folder / "gantry.toml",
            folder / "gateway.log",
        )
        self.dicom_port, self.web_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.web_port}/"
        self.config.write_text(
            CONFIGURATION.format(
                storage=self.storage,
                dicom_port=self.dicom_port,
                web_port=self.web_port,
                calling_ae_title=archive.calling_ae_title,
                destination=archive.destination(),
                app=APP,
                button=BUTTON,
            )
        )
        self.process = self._start(archive.password)

    def _start(self, password: str) -> subprocess.Popen[bytes]:
        command = [Path(sys.executable).with_name("gantry"), "serve", "--config", self.config]
        with self.log.open("ab") as log:
            return subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                env=environment(ORTHANC_PASSWORD=password),
                start_new_session=True,  # Ctrl-C is for this program, which ends the gateway in good order
            )

    def wait_until_ready(self) -> None:
        """Wait until the status page says so; raises RuntimeError with its log when it does not."""
        wait_until(self._ready, "The gateway", 60, self.process, self.log)

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}readyz").is_success
        except httpx.TransportError:
            return False

    def follow(self, series: int, on_event: Callable[[Job, Event], None]) -> Iterator[list[Job]]:
        """The jobs, again and again, until one for each of the `series` has ended; their events on the way.

        Raises RuntimeError when nothing was taken in, with the reason from the quarantine.
        """
        begin, told = time.monotonic(), 0
        with Journal(self.storage) as journal:
            while True:
                jobs = journal.jobs()[::-1]
                events = [(job, event) for job in jobs for event in journal.events(job.id)]
                for job, event in sorted(events, key=lambda pair: pair[1].at)[told:]:
                    on_event(job, event)
                told = len(events)
                yield jobs
                if len(jobs) + self._refused() >= series and all(job.status.ended for job in jobs):
                    return
                self._check(len(jobs), time.monotonic() - begin)
                time.sleep(0.1)

    def _refused(self) -> int:
        return len(quarantine.entries(self.storage))

    def _check(self, jobs: int, waited_s: float) -> None:
        if self.process.poll() is not None:
            raise RuntimeError(f"The gateway ended by itself; see {self.log}")
        if waited_s > GIVE_UP_S or (jobs == 0 and waited_s > NOTHING_CAME_S):
            raise RuntimeError(f"No result after {waited_s:.0f} s; see {self.url} and {self.log}")

    def refusals(self) -> list[str]:
        """Why series were not taken, in sentences."""
        return [f"{entry.sentence} {entry.hint}" for entry in quarantine.entries(self.storage)]

    def details(self, job: Job) -> dict[str, Any]:
        """Everything about the job, as `gantry jobs show --json` prints it."""
        with Journal(self.storage) as journal:
            return details(journal, job)
