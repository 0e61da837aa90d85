# SPDX-License-Identifier: Apache-2.0
"""Work that a page began: one at a time, with its progress, its outcome and a folder of its own."""

import secrets
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from ...errors import GantryError
from .outcome import FAULT, SENDING, At, Check, Ended, Outcome, Work

MOST_KEPT, MOST_WAITING = 20, 8
LOOKS_EVERY_S = 0.2  # whether one that waits was stopped
State = Literal["under way", "done", "failed"]


class TooMuchWork(GantryError):
    """Too much is waiting."""

    hint = "Wait until something has ended."


class Stopped(GantryError):
    """The work was stopped."""


class DiskFills(Stopped):
    """The work was stopped, since it took room on the disk that the line needs."""


@dataclass
class Task:
    """One piece of work.  `folder` is emptied but for the download when it has ended.

    reserve: bytes that stay free on its disk.  stopped: set it to end the work.
    """

    id: str
    name: str
    folder: Path
    began: datetime
    reserve: float
    stopped: threading.Event = field(default_factory=threading.Event)
    step: str = "waits for the work before it"
    done: int = 0
    total: int = 0
    state: State = "under way"
    error: str = ""
    hint: str = ""
    outcome: Outcome = field(default_factory=Outcome)

    def at(self, step: str) -> Callable[[int, int], None]:
        """Say what is done now; gives what tells how far it is."""
        self.step, self.done, self.total = step, 0, 0

        def progress(done: int, total: int) -> None:
            self.done, self.total = done, total

        return progress

    def check(self) -> None:
        """Raise Stopped where the work is to end now, with how far it is."""
        kind = Stopped if self.stopped.is_set() else DiskFills
        if kind is Stopped or shutil.disk_usage(self.folder).free < self.reserve:
            far = f", {self.done} of {self.total}" if self.total else ""
            went = "What had arrived by then stays there: begin it again to send the rest."
            raise kind(f"At: {self.step}{far}.", hint=went if self.step == SENDING else "Nothing was sent.")


Run = Callable[[Work, Path, At, Check], Ended]


class Tasks:
    """The latest tasks, the newest first.  Their folders lie in `root`, which belongs to nobody else.

    run: does the work of one and waits for its end.  reserve: bytes that it leaves free on the disk.
    """

    def __init__(self, root: Path, run: Run, reserve: float = 0) -> None:
        self._root, self._run, self._reserve = root, run, reserve
        self._turn, self._one = threading.Lock(), threading.Lock()
        self._tasks: dict[str, Task] = {}
        shutil.rmtree(root, ignore_errors=True)  # what an earlier process left is nobody's

    def new(self, name: str) -> Task:
        """A task that `begin` starts, with an empty folder.  Raises TooMuchWork."""
        with self._turn:
            waiting = [task for task in self._tasks.values() if task.state == "under way"]
            if len(waiting) >= MOST_WAITING:
                raise TooMuchWork(f"{len(waiting)} pieces of work.")
            identifier = secrets.token_hex(8)
            folder = self._root / identifier
            folder.mkdir(parents=True, mode=0o700)
            task = Task(identifier, name, folder, datetime.now(UTC), self._reserve)
            self._tasks[identifier] = task
            self._forget()
            return task

    def begin(self, task: Task, work: Work) -> None:
        """Do it when no other is under way.  It does not keep the process from ending."""
        threading.Thread(target=self._do, args=(task, work), name="research", daemon=True).start()

    def drop(self, task: Task) -> None:
        """Forget a task that was not begun."""
        with self._turn:
            self._tasks.pop(task.id, None)
        shutil.rmtree(task.folder, ignore_errors=True)

    def get(self, identifier: str) -> Task | None:
        """The task, None when it is forgotten."""
        return self._tasks.get(identifier)

    def latest(self) -> list[Task]:
        """Those that are kept."""
        return list(reversed(self._tasks.values()))

    def _do(self, task: Task, work: Work) -> None:
        ended = Ended(error=FAULT)  # unless it is known better; the thread's end prints the trace
        try:
            self._await_turn(task)
            try:
                task.step = "starts"
                ended = self._run(work, task.folder, task.at, task.check)
            finally:
                self._one.release()
        except Stopped as stopped:
            ended = Ended(error=str(stopped), hint=stopped.hint)
        finally:
            task.outcome, task.error, task.hint = ended.outcome, ended.error, ended.hint
            if ended.error:
                task.outcome = Outcome(dict(work.places))
            _empty(task)
            task.state = "failed" if ended.error else "done"

    def _await_turn(self, task: Task) -> None:
        while not self._one.acquire(timeout=LOOKS_EVERY_S):
            task.check()

    def _forget(self) -> None:
        ended = [task for task in self._tasks.values() if task.state != "under way"]
        for task in ended[: max(0, len(self._tasks) - MOST_KEPT)]:
            del self._tasks[task.id]
            shutil.rmtree(task.folder, ignore_errors=True)


def _empty(task: Task) -> None:
    for path in task.folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif path != task.outcome.download:
            path.unlink()
