# SPDX-License-Identifier: Apache-2.0
"""The gateway of a demonstration: the one that the tests start, its jobs as they go along."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gateway_process
import httpx
from archive import Archive
from tool import Tool

from informatics_gateway import quarantine
from informatics_gateway.model import Event, Job
from informatics_gateway.store import Journal

READY_WITHIN_S = 60.0
GIVE_UP_S = 900.0
NOTHING_CAME_S = 60.0

TABLES = """\
{destination}
[[app]]
name = "{tool.name}"
path = "{tool.folder.path}"
models = "{tool.models}"
runner = "warm"

[[route]]
called_ae_title = "{tool.button}"
app = "{tool.name}"
destinations = ["archive"]
"""


class Gateway(gateway_process.Gateway):
    """`gantry serve` on free ports of loopback, with its storage in `folder`."""

    def __init__(self, folder: Path, archive: Archive, tool: Tool) -> None:
        tables = TABLES.format(destination=archive.destination(), tool=tool)
        super().__init__(folder, tables, environment=archive.environment)
        self.url = f"http://{self.host}:{self.web_port}/"

    def start_and_wait(self) -> None:
        """Start, and wait until the status page says ready; raises RuntimeError with its reasons if it does not."""
        self.start()
        deadline = time.monotonic() + READY_WITHIN_S
        while reasons := self._not_ready():
            if time.monotonic() > deadline:
                raise RuntimeError(f"The gateway is not ready: {reasons}\n{self.log[-2000:]}")
            time.sleep(0.05)

    def _not_ready(self) -> str:
        try:
            answer = httpx.get(f"{self.url}readyz")
        except httpx.TransportError as error:
            return str(error)
        return "" if answer.is_success else answer.text

    def follow(self, series: int, on_event: Callable[[Job, Event], None]) -> Iterator[list[Job]]:
        """The jobs, again and again, until one for each of the `series` has ended; their events on the way.

        A series that went to quarantine counts as ended.  Raises RuntimeError when nothing goes on.
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
                if len(jobs) + len(self.refusals()) >= series and all(job.status.ended for job in jobs):
                    return
                self._check(len(jobs), time.monotonic() - begin)
                time.sleep(0.1)

    def _check(self, jobs: int, waited_s: float) -> None:
        if self.process is None or self.process.poll() is not None:
            raise RuntimeError(f"The gateway ended by itself. Its log ends:\n{self.log[-2000:]}")
        if waited_s > GIVE_UP_S or (jobs == 0 and waited_s > NOTHING_CAME_S):
            raise RuntimeError(f"No result after {waited_s:.0f} s. The log ends:\n{self.log[-2000:]}")

    def refusals(self) -> list[str]:
        """Why series or instances were not taken, in sentences."""
        return [f"{entry.sentence} {entry.hint}" for entry in quarantine.entries(self.storage)]

    def details(self, job: Job) -> dict[str, Any]:
        """Everything about the job, as `gantry jobs show` tells it."""
        return dict(self.cli("jobs", "show", str(job.id), "--json"))
