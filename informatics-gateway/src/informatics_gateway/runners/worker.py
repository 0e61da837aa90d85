# SPDX-License-Identifier: Apache-2.0
"""One warm worker: its process, what is said to it and heard from it, and what makes it unfit for more."""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import wait
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple

import psutil

from ..errors import AppCrashed, AppFailed
from ..model import AttemptFolder
from . import MB, Ended, Program, Task, command
from .environment import app_environment
from .folders import remove
from .leftovers import FILE
from .progress import Tail
from .supervise import PIPE_BYTES, AppProcess, Order
from .watch import Running, Watch

LINE_LIMIT = 1 << 16
GROWTH = 1.25  # a worker that holds more than this times what it held after its first job,
GROWTH_MB = 256  # and more than this above it, is taken to leak
GOODBYE_S = 2.0


class Heard(NamedTuple):
    """What came from a worker: an answer, or its exit status when it ended instead."""

    answer: dict[str, Any]
    exit: int | None = None


class Worker:
    """A warm worker of `program`.  Its folder under `work` holds its log, its record and its HOME."""

    def __init__(self, program: Program, work: Path) -> None:
        self.program = program
        self.is_ready = False
        self.jobs = 0  # that it answered
        self.used_at = time.monotonic()
        self._first_memory = 0
        self._heard = b""
        self._own: set[psutil.Process] = set()
        self._own_files: set[Path] = set()
        self._folder = Path(tempfile.mkdtemp(prefix=f"warm.{program.name}.", dir=work))
        self._home = self._folder / "home"
        self._log = self._folder / "worker.log"
        try:
            self.app = self._start()
        except BaseException:
            remove(self._folder)
            raise

    def _start(self) -> Running:
        environment = app_environment(
            self._home, self.program.cpu, self.program.environment, self.program.gpu
        )
        models = str(self.program.models)
        order = Order(
            command=command(self.program.script, "worker"),
            environment=environment | {"HOLOSCAN_MODEL_PATH": models, "MONAI_MODELPATH": models},
            folder=self._home,
            log=self._log,
            record=self._folder / FILE,
            talks=True,
        )
        return AppProcess(order)

    def _seen(self, folder: AttemptFolder) -> AttemptFolder:
        """Where the worker itself finds an attempt's folder."""
        return folder

    def get_ready(self, cancelled: Event) -> Ended | None:
        """Wait until the app is loaded; how the worker ended, if it did instead.  Raises as `work` does."""
        watch = Watch(self.app, self.program.limits, cancelled, self._log)
        heard = watch.wait(self._hear)
        if heard.exit is not None:
            return _died(watch.ended(heard.exit))
        if heard.answer != {"ready": True}:
            raise _no_answer()
        self._own = self.app.processes()
        self._own_files = set(self._in_scratch())
        self.is_ready = True
        return None

    def work(self, task: Task, cancelled: Event) -> Ended:
        """Run one job; how it ended, or how the worker did.

        Raises AppOutOfTime, AppOutOfMemory, JobCancelled, AppCrashed when the worker ends without a word, and
        AppFailed when it answers nonsense or can answer no more.
        """
        tail = Tail(task.folder.output, task.on_progress)
        written = (task.folder.output, self._home)
        watch = Watch(self.app, self.program.limits, cancelled, task.folder.log, tail, written)
        self._say(task)
        heard = watch.wait(self._hear)
        if heard.exit is not None:
            return _died(watch.ended(heard.exit))
        status = heard.answer.get("exit")
        if type(status) is not int or not 0 <= status <= 255:
            raise _no_answer()
        self.jobs += 1
        self.used_at = time.monotonic()
        return Ended(status)

    @property
    def is_quiet(self) -> bool:
        """Whether the worker lives and has said nothing since its last answer."""
        return not self._heard and not wait([self.app.ending, self.app.output], 0)

    def unfit(self) -> str:
        """Why the worker must not have another job, or "".  Clears its scratch folders of what the job left."""
        for path in set(self._in_scratch()) - self._own_files:
            _delete(path)
        if any(_runs(process) for process in self.app.processes() - self._own):
            return "a process that the job started still runs"
        too_much = self.app.uses_more_than(self.program.limits.memory_mb * MB)
        memory = self.app.memory_seen
        self._first_memory = self._first_memory or memory
        if too_much or memory > max(GROWTH * self._first_memory, self._first_memory + GROWTH_MB * MB):
            return f"its memory grew from {self._first_memory // MB} to {memory // MB} MB"
        return ""

    def give_log_to(self, task: Task) -> None:
        """Add what the worker printed while it loaded to the log of the job that waited for it."""
        with self._log.open("rb") as said, task.folder.log.open("ab") as log:
            shutil.copyfileobj(said, log)

    def end(self) -> None:
        """End the worker and everything it started, and remove its folder."""
        self.app.end()
        remove(self._folder)

    @property
    def _scratch(self) -> tuple[Path, ...]:
        """Where a job may leave what the next one would find."""
        return (self._home / "tmp",)

    def _in_scratch(self) -> Iterator[Path]:
        for folder in self._scratch:
            yield from folder.iterdir()

    def _say(self, task: Task) -> None:
        folder = self._seen(task.folder)
        message = {
            "input": str(folder.input),
            "output": str(folder.output),
            "models": str(self.program.models),
            "log": str(folder.log),
            "job": task.job or {},
        }
        line = json.dumps(message).encode() + b"\n"
        if len(line) > PIPE_BYTES:
            raise AppFailed(f"GANTRY_JOB is {len(line)} bytes long; a worker takes {PIPE_BYTES}.")
        with suppress(BrokenPipeError):  # it has just died: the answer will say so
            os.write(self.app.input, line)

    def _hear(self, timeout_s: float) -> Heard | None:
        """The next thing to hear; None when nothing came in time."""
        if b"\n" not in self._heard and self.app.output in wait(
            [self.app.ending, self.app.output], timeout_s
        ):
            more = os.read(self.app.output, LINE_LIMIT)
            if not more:
                return self._cannot_answer()
            self._heard += more
        line, end, rest = self._heard.partition(b"\n")
        if end:
            self._heard = rest
            return Heard(_parse(line))
        if len(line) > LINE_LIMIT:
            raise _no_answer()
        status = self.app.exit_status()
        return None if status is None else Heard({}, status)

    def _cannot_answer(self) -> Heard:
        """The pipe ended.  Most likely the worker did, and its keeper says so in a moment."""
        status = self.app.exit_status(GOODBYE_S)
        if status is None:
            raise AppFailed("Its warm worker closed the standard output on which it should answer.")
        return Heard({}, status)


def _parse(line: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        raise _no_answer() from None
    if not isinstance(answer, dict):
        raise _no_answer()
    return answer


def _no_answer() -> AppFailed:
    return AppFailed(
        "Its warm worker wrote something where only its answers belong.",
        hint="The app must not print to the descriptor that was its standard output at start.",
    )


def _died(ended: Ended) -> Ended:
    if ended.exit == 0:
        raise AppCrashed("Its warm worker ended in good order but without an answer.")
    return ended


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        remove(path)
    else:
        path.unlink(missing_ok=True)
