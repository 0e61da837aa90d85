# SPDX-License-Identifier: Apache-2.0
"""The warm runner: one worker per app, which loads the app and its model once and then runs job after job.

A worker is a process or, for an app in an image, a container.  What ends one, so that the next job gets a new
one: any job that did not succeed, a cancel, a limit, a process that a job left running, memory that grew from
job to job, a new edition or image of the app, an answer nobody asked for, and idleness.  Nothing of this fails
a job that succeeded.
"""

import logging
import time
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Event, Lock

from ..errors import AppCrashed, AppOutOfMemory
from . import Ended, Program, Task
from .warm_container import WarmContainer
from .watch import held
from .worker import Worker

log = logging.getLogger("gantry.warm")


class WarmRunner:
    """Keeps one worker per app, under `work`.  An app's jobs take turns; different apps run side by side."""

    def __init__(self, work: Path) -> None:
        self._work = work
        self._workers: dict[str, Worker] = {}
        self._turns: dict[str, Lock] = {}

    def turn(self, program: Program, cancelled: Event) -> AbstractContextManager[None]:
        """Wait until the app's worker is free, and keep it so that it sees one attempt's folder at a time."""
        return held(self._turns.setdefault(program.name, Lock()), cancelled)

    def run(self, program: Program, task: Task, cancelled: Event) -> Ended:
        """Run one job in the app's worker, which is started when there is none that can be used.

        A worker that runs out of memory after other jobs may have kept theirs: that is AppCrashed, which is
        tried again, and then in a new worker.
        """
        worker = self._usable(program)
        try:
            ended = self._run_in(worker, task, cancelled)
        except AppOutOfMemory as error:
            self._drop(program.name)
            if worker.jobs == 0:
                raise
            raise AppCrashed(f"Its warm worker ran out of memory after {worker.jobs} jobs.") from error
        except BaseException:
            self._drop(program.name)
            raise
        self._look_after(worker, ended)
        return ended

    def _usable(self, program: Program) -> Worker:
        """The app's worker, not ready when it is new."""
        worker = self._workers.get(program.name)
        if worker is None or worker.program != program or not worker.is_quiet:
            self._drop(program.name)
            kind = WarmContainer if program.image else Worker
            worker = self._workers[program.name] = kind(program, self._work)
        return worker

    def _run_in(self, worker: Worker, task: Task, cancelled: Event) -> Ended:
        if not worker.is_ready:
            try:
                ended = worker.get_ready(cancelled)
            finally:
                worker.give_log_to(task)
            if ended is not None:
                return ended
        return worker.work(task, cancelled)

    def _look_after(self, worker: Worker, ended: Ended) -> None:
        """Decide, after an answer, whether the worker may have another job."""
        reason = "its job failed" if ended.exit != 0 else worker.unfit()
        if reason:
            name = worker.program.name
            log.info("%s: the warm worker is stopped after %d jobs: %s", name, worker.jobs, reason)
            self._drop(name)

    def _drop(self, name: str) -> None:
        worker = self._workers.pop(name, None)
        if worker is not None:
            worker.end()

    def keeps(self, name: str) -> bool:
        """Whether a worker of this name lives."""
        return name in self._workers

    def let_go(self, name: str) -> None:
        """Stop the worker of this name, if there is one, when it has no job."""
        with self._turns.setdefault(name, Lock()):
            self._drop(name)

    def stop_idle(self) -> None:
        """Stop every worker that has waited for work for longer than its app's `idle_s`."""
        for name, worker in list(self._workers.items()):
            turn = self._turns[name]
            if not turn.acquire(blocking=False):
                continue
            try:
                idle_s = time.monotonic() - worker.used_at
                if self._workers.get(name) is worker and idle_s > worker.program.idle_s:
                    self._drop(name)
            finally:
                turn.release()

    def close(self) -> None:
        """Stop every worker.  No job may be under way."""
        for name in list(self._workers):
            self._drop(name)
