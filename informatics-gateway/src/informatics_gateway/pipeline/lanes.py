# SPDX-License-Identifier: Apache-2.0
"""The lanes: for each app threads that execute, as many as its `jobs_at_once`, and one that delivers."""

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from imaging_data import ExplainedError

from ..config import Config
from ..errors import AppOutOfGpuMemory, JobCancelled, WaitsForGpu
from ..execute import Executor
from ..gpu.cards import FRESH_S, Cards
from ..model import Job, JobStatus
from ..store import Store
from .faults import faults_named
from .steps import MAX_ATTEMPTS, Steps
from .turns import Turns

log = logging.getLogger("gantry.pipeline")

LONGEST_WAIT_S = 900.0
LOOK_AROUND_S = 1.0
EXECUTE = (JobStatus.QUEUED,)
DELIVER = (JobStatus.EXECUTED, JobStatus.VALIDATED)


@dataclass(frozen=True)
class Lane:
    """One job of the app at a time, in this part of the line.  `name`: of its warm worker and its GPU."""

    app: str
    name: str
    statuses: Sequence[JobStatus]


def lanes_of(config: Config) -> Iterator[Lane]:
    """An app's first lane has the app's name."""
    for app in config.apps:
        yield Lane(app.name, app.name, EXECUTE)
        for number in range(2, app.jobs_at_once + 1):
            yield Lane(app.name, f"{app.name}.lane{number}", EXECUTE)
        yield Lane(app.name, app.name, DELIVER)


class Lanes:
    """Takes jobs along, one step at a time, until `stop`.

    An archive that is down holds up no app, and one app no other.
    """

    def __init__(self, store: Store, config: Config, executor: Executor) -> None:
        self._store, self._config, self._executor = store, config, executor
        self.cards = Cards(config.gpu, store, executor)
        self._steps = Steps(store, config, executor, self.cards)
        self._turns = Turns(store, config)
        self._told: dict[int, set[str]] = {}  # for what a job waits, as its history says it already
        self._stopping = False
        self._bell = threading.Condition()
        self._rung = 0
        self.threads = [
            threading.Thread(target=self._lane, args=(lane,), name=_thread_name(lane), daemon=True)
            for lane in lanes_of(config)
        ]
        self.threads.append(threading.Thread(target=self._look_at_cards, name="gpu", daemon=True))

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

    def _lane(self, lane: Lane) -> None:
        while not self._stopping:
            heard = self._rung
            job, due = self._turns.take(lane.app, lane.statuses)
            if job is None:
                if lane.statuses is EXECUTE:
                    self.cards.withdraw(lane.name)
                self._wait(heard, due)
            elif self._take_turn(job, lane):
                self.ring()
            else:
                self._wait(heard, None)
            if lane.statuses is EXECUTE:
                self._executor.stop_idle()

    def _take_turn(self, job: Job, lane: Lane) -> bool:
        worked = False
        try:
            worked = self.take_step(job, lane.name)
        finally:
            self._turns.give_back(job, lane.statuses, worked)
        return worked

    def _look_at_cards(self) -> None:
        """What the jobs on the cards take is seen while they run."""
        while not self._stopping:
            try:
                with faults_named("looking at the GPUs"):
                    self.cards.look()
            except ExplainedError as error:
                log.error("%s", error)
            with self._bell:
                self._bell.wait_for(lambda: self._stopping, FRESH_S)

    def _wait(self, heard: int, due: float | None) -> None:
        """Wait for a job to become due, unless the bell has rung since the journal was asked."""
        seconds = LOOK_AROUND_S if due is None else min(LOOK_AROUND_S, max(0.0, due - time.time()))
        with self._bell:
            self._bell.wait_for(lambda: self._rung != heard, seconds)

    def take_step(self, job: Job, lane: str = "") -> bool:
        """Move the job one status along, or record why not; False: it waits for a GPU, and nothing was done."""
        try:
            with faults_named(f"working on job {job.id} after {job.status}"):
                self._steps.take(job, lane or job.app)
        except WaitsForGpu as error:
            self._waits(job, error)
            return False
        except ExplainedError as error:
            self._failed(job, error)
        self._told.pop(job.id, None)
        return True

    def _waits(self, job: Job, error: WaitsForGpu) -> None:
        """Say once for what the job waits."""
        told = self._told.setdefault(job.id, set())
        if str(error) not in told:
            told.add(str(error))
            self._store.note(job, str(error))

    def _failed(self, job: Job, error: ExplainedError) -> None:
        if self._stopping and isinstance(error, JobCancelled):
            self._store.uncount(job)
            return
        if isinstance(error, AppOutOfGpuMemory) and self._steps.lighten(job, error):
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


def _thread_name(lane: Lane) -> str:
    return f"{'execute' if lane.statuses is EXECUTE else 'deliver'} {lane.name}"
