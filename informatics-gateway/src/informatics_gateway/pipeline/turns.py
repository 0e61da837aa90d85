# SPDX-License-Identifier: Apache-2.0
"""Which job of an app is next: urgent, normal, background; none while the app is paused."""

import threading
from collections.abc import Sequence
from datetime import datetime

from ..config import Config
from ..model import Job, JobStatus, Priority
from ..store import Store

FAIR_TURN = 8  # of so many jobs that an app starts, one is the job that is due for longest


class Turns:
    """Gives each lane its app's next job.

    Urgent jobs go before normal ones, those before background ones.  Every eighth turn of an app goes to the
    job that is due for longest, whatever its priority: so a job with n older ones before it starts after at
    most 8 (n + 1) others, and an urgent one waits for at most one more than it would.  Outside the hours of
    [background], background jobs do not start and have no turn.
    """

    def __init__(self, store: Store, config: Config) -> None:
        self._store, self._config = store, config
        self._lock = threading.Lock()
        self._taken: set[int] = set()  # jobs that a lane works on
        self._turn: dict[tuple[str, Sequence[JobStatus]], int] = {}

    def take(self, app: str, statuses: Sequence[JobStatus]) -> tuple[Job | None, float | None]:
        """The job to work on, which no other lane gets until `give_back`; else when one will be due."""
        starts = JobStatus.QUEUED in statuses
        if starts and app in self._store.paused():
            return None, None
        with self._lock:
            fair = self._turn.get((app, statuses), 0) % FAIR_TURN == FAIR_TURN - 1
            allowed = self._allowed() if starts else tuple(Priority)
            job, due = self._store.next_job(app, statuses, allowed, fair, self._taken)
            if job is not None:
                self._taken.add(job.id)
            return job, due

    def give_back(self, job: Job, statuses: Sequence[JobStatus], worked: bool) -> None:
        """The lane is done with the job; a turn counts when it `worked` on it."""
        with self._lock:
            self._taken.discard(job.id)
            if worked:
                self._turn[job.app, statuses] = self._turn.get((job.app, statuses), 0) + 1

    def _allowed(self) -> tuple[Priority, ...]:
        if self._config.background.is_open(datetime.now().time()):
            return tuple(Priority)
        return Priority.URGENT, Priority.NORMAL
