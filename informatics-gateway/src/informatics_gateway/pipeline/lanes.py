# SPDX-License-Identifier: Apache-2.0
"""The lanes: for each app a thread that executes and one that validates and delivers."""

import logging
import threading
import time
from collections.abc import Sequence

from imaging_data import ExplainedError

from ..config import App, Config
from ..errors import JobCancelled
from ..execute import Executor
from ..model import Job, JobStatus
from ..store import Store
from .faults import faults_named
from .steps import MAX_ATTEMPTS, Steps

log = logging.getLogger("gantry.pipeline")

LONGEST_WAIT_S = 900.0
LOOK_AROUND_S = 1.0
EXECUTE = (JobStatus.QUEUED,)
DELIVER = (JobStatus.EXECUTED, JobStatus.VALIDATED)


class Lanes:
    """Takes jobs along, one step at a time, until `stop`.

    An archive that is down holds up no app, and one app no other.
    """

    def __init__(self, store: Store, config: Config, executor: Executor) -> None:
        self._store, self._config, self._executor = store, config, executor
        self._steps = Steps(store, config, executor)
        self._stopping = False
        self._bell = threading.Condition()
        self._rung = 0
        self.threads = [
            threading.Thread(target=self._lane, args=(app, statuses), name=f"{name} {app.name}", daemon=True)
            for app in config.apps
            for name, statuses in (("execute", EXECUTE), ("deliver", DELIVER))
        ]

    def start(self) -> None:
        """Begin to work."""
        for thread in self.threads:
            thread.start()

    def stop(self) -> None:
        """End the attempts under way and wait for the steps to come to an end."""
        self._stopping = True
        self._steps.end_attempts()
        self.ring()
        for thread in self.threads:
            thread.join()

    def ring(self) -> None:
        """There is news in the journal."""
        with self._bell:
            self._rung += 1
            self._bell.notify_all()

    def end_attempt(self, number: int) -> None:
        """The job was ended: end its app too."""
        self._steps.end_attempt(number)

    def _lane(self, app: App, statuses: Sequence[JobStatus]) -> None:
        while not self._stopping:
            heard = self._rung
            job, due = self._store.next_job(app.name, statuses)
            if job is not None:
                self.take_step(job)
                self.ring()
            else:
                self._wait(heard, due)
            if statuses is EXECUTE:
                self._executor.stop_idle()

    def _wait(self, heard: int, due: float | None) -> None:
        """Wait for a job to become due, unless the bell has rung since the journal was asked."""
        seconds = LOOK_AROUND_S if due is None else min(LOOK_AROUND_S, max(0.0, due - time.time()))
        with self._bell:
            self._bell.wait_for(lambda: self._rung != heard, seconds)

    def take_step(self, job: Job) -> None:
        """Move the job one status along, or record why not."""
        try:
            with faults_named(f"working on job {job.id} after {job.status}"):
                self._steps.take(job)
        except ExplainedError as error:
            self._failed(job, error)

    def _failed(self, job: Job, error: ExplainedError) -> None:
        if self._stopping and isinstance(error, JobCancelled):
            self._store.uncount(job)
            return
        wait = self._next_wait(job, error)
        if wait is not None:
            self._store.postpone(job, wait, error)
        elif self._store.end(job, JobStatus.FAILED, error):
            log.warning("job %d failed: %s", job.id, error.sentence)

    def _next_wait(self, job: Job, error: ExplainedError) -> float | None:
        """Seconds until the step is tried again; None: it is not."""
        if not error.retryable:
            return None
        tries = (self._store.job(job.id) or job).attempts
        if job.status is JobStatus.QUEUED:
            return 5.0 ** (tries - 1) if tries < MAX_ATTEMPTS else None
        since = self._store.failing_since(job) or time.time()
        if time.time() - since > self._config.deliver.retry_hours * 3600:
            return None
        return min(LONGEST_WAIT_S, 2.0 ** min(tries, 10))
