# SPDX-License-Identifier: Apache-2.0
"""An app that runs, whatever it runs in, and the watch over its limits; for every runner."""

import os
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock
from typing import TypeVar

import psutil

from ..errors import AppFailed, AppOutOfMemory, AppOutOfTime, JobCancelled
from . import MB, Ended, Limits
from .progress import Tail

TICK_S = 0.1  # how often limits and a cancel are looked at; an answer is taken at once
MEASURES_EVERY_S = 1.0  # what the app wrote: looking through many files takes a while
NEAR_THE_LIMIT = 0.9
BLOCK = 4096  # bytes: an empty file takes room too

T = TypeVar("T")


class Running(ABC):
    """An app that runs.  Whoever makes one must `end` it.

    `memory_seen`: bytes, at the last look.  `starved`: whoever runs it says that it was killed for want of
    memory.
    """

    def __init__(self) -> None:
        self.memory_seen = 0
        self.starved = False

    @property
    @abstractmethod
    def ending(self) -> int:
        """A descriptor that can be read from when the app has ended."""

    @property
    @abstractmethod
    def input(self) -> int:
        """Descriptor of the app's standard input (of an app that talks)."""

    @property
    @abstractmethod
    def output(self) -> int:
        """Descriptor of the app's standard output (of an app that talks)."""

    @abstractmethod
    def exit_status(self, timeout_s: float = 0) -> int | None:
        """How the app ended, None while it runs; waits at most `timeout_s`.

        When it is known, everything the app had started is gone too.
        """

    @abstractmethod
    def processes(self) -> set[psutil.Process]:
        """Every process of the app that this machine can see."""

    @abstractmethod
    def end(self) -> None:
        """Kill the app and everything it started, and wait until it is gone.  May be called again."""

    def uses_more_than(self, limit: int) -> bool:
        """Whether all its processes together hold more than `limit` bytes.

        Looked at by resident size, which is quick and counts shared pages several times; only when that is
        over the limit by proportional size, which counts them once.
        """
        processes = self.processes()
        self.memory_seen = sum(_resident(process) for process in processes)
        if self.memory_seen > limit:
            self.memory_seen = sum(_proportional(process) for process in processes)
        return self.memory_seen > limit


@dataclass
class Watch:
    """Holds one job, or the start of a worker, to its limits.  `written`: the folders that the app fills."""

    app: Running
    limits: Limits
    cancelled: Event
    log: Path
    progress: Tail | None = None
    written: Sequence[Path] = ()
    _kills: int = field(default_factory=lambda: oom_kills())
    _began: float = field(default_factory=time.monotonic)
    _most_memory: int = 0  # bytes; the last look may have been at a process that was dying
    _measured: float = field(default_factory=time.monotonic)

    def wait(self, look: Callable[[float], T | None]) -> T:
        """Call `look(timeout_s)` until it has an answer.

        Raises JobCancelled, AppOutOfTime, AppOutOfMemory or, for what it prints or writes, AppFailed; the app
        may run still then.
        """
        while (answer := look(TICK_S)) is None:
            self._check()
            self._look_at_progress()
        self._look_at_progress()
        self._measure()
        return answer

    def _look_at_progress(self) -> None:
        if self.progress is not None:
            self.progress.look()

    def ended(self, exit_status: int) -> Ended:
        """How the app ended, with the signs of a kill for want of memory.

        A kill -9 that is not ours is the kernel's when its count of such kills rose meanwhile, or when the
        app was near its limit; otherwise somebody killed the app, and it is worth another try.
        """
        near = self._most_memory > NEAR_THE_LIMIT * self.limits.memory_mb * MB
        killed = exit_status == -signal.SIGKILL
        return Ended(
            exit_status, starved=self.app.starved or (killed and (near or oom_kills() > self._kills))
        )

    def _check(self) -> None:
        if self.cancelled.is_set():
            raise JobCancelled
        if time.monotonic() - self._began > self.limits.time_s:
            raise AppOutOfTime(f"The limit is {self.limits.time_s:g} s.")
        too_much = self.app.uses_more_than(self.limits.memory_mb * MB)
        self._most_memory = max(self._most_memory, self.app.memory_seen)
        if too_much:
            used = self.app.memory_seen // MB
            raise AppOutOfMemory(f"It used {used} MB; the limit is {self.limits.memory_mb} MB.")
        if _size(self.log) > self.limits.log_bytes:
            raise AppFailed(
                f"It printed more than {self.limits.log_bytes // MB} MB into its log.",
                hint="Make the app print less: app.log is kept with every job.",
            )
        if time.monotonic() - self._measured > MEASURES_EVERY_S:
            self._measure()
            self._measured = time.monotonic()

    def _measure(self) -> None:
        limit = self.limits.output_bytes
        if bytes_in(self.written, limit) > limit:
            raise AppFailed(
                f"It wrote more than {limit // MB} MB.",
                hint="Make the app write less; output_mb of the [[app]] is its limit for results and its own files.",
            )


@contextmanager
def held(lock: Lock, cancelled: Event) -> Iterator[None]:
    """Wait for the lock and hold it.  Raises JobCancelled when the job is cancelled meanwhile."""
    while not lock.acquire(timeout=TICK_S):
        if cancelled.is_set():
            raise JobCancelled
    try:
        yield
    finally:
        lock.release()


def bytes_in(folders: Sequence[Path], enough: int) -> int:
    """How much is in the folders, each entry at least a block; stops counting above `enough`.

    What vanishes meanwhile counts nothing; links are not followed.
    """
    total, left = 0, list(folders)
    while left and total <= enough:
        with suppress(OSError), os.scandir(left.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    left.append(Path(entry.path))
                with suppress(OSError):
                    total += entry.stat(follow_symlinks=False).st_size + BLOCK
    return total


def oom_kills() -> int:
    """How many processes the kernel has killed for want of memory since boot; 0 where it does not say."""
    with suppress(OSError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def _proportional(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.NoSuchProcess:
        return 0
    except psutil.AccessDenied:  # the app made itself unreadable (prctl PR_SET_DUMPABLE)
        return _resident(process)


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0
