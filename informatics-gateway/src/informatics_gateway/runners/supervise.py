# SPDX-License-Identifier: Apache-2.0
"""One app process under its keeper, and the watch over its limits; for both runners."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path
from threading import Event
from typing import TypeVar

import psutil

from ..errors import AppFailed, AppOutOfMemory, AppOutOfTime, JobCancelled
from . import MB, Ended, Limits
from .leftovers import MARK, end_marked, record_of
from .progress import Tail

KEEPER = Path(__file__).with_name("keeper.py")
KEEPER_ENDS_WITHIN_S = 10.0
TICK_S = 0.1  # how often limits and a cancel are looked at; an answer is taken at once
NEAR_THE_LIMIT = 0.9
PIPE_BYTES = 1 << 20  # a job's line must fit in, so that writing it to a worker that hangs does not block

T = TypeVar("T")


@dataclass(frozen=True)
class Order:
    """What to start: command, its whole environment and working folder.

    `log` takes standard error, and standard output unless the app `talks` over its standard streams.
    `record` is where the record of the running process is written before the app starts.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    log: Path
    record: Path
    talks: bool = False


class AppProcess:
    """An app that runs.  Whoever makes one must `end` it."""

    def __init__(self, order: Order) -> None:
        self._mark = secrets.token_hex(16)
        self._exit: int | None = None
        self.memory_seen = 0  # bytes, at the last look
        self.control, theirs = socket.socketpair()
        try:
            with theirs, order.log.open("ab") as log:
                self._keeper = self._start_keeper(order, theirs, log.fileno())
        except BaseException:
            self.control.close()
            raise
        try:
            record_of(self._keeper.pid, self._mark).write(order.record)
            with suppress(BrokenPipeError, ConnectionResetError):  # killed already: `exit_status` says so
                self.control.sendall(self._as_json(order))
        except BaseException:
            self.end()
            raise

    def _start_keeper(self, order: Order, theirs: socket.socket, log: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", str(KEEPER), str(theirs.fileno())],
            stdin=subprocess.PIPE if order.talks else subprocess.DEVNULL,
            stdout=subprocess.PIPE if order.talks else log,
            stderr=log,
            bufsize=0,
            pipesize=PIPE_BYTES,
            pass_fds=[theirs.fileno()],
            env={MARK: self._mark},
            start_new_session=True,  # a Ctrl-C at the gateway's terminal is the gateway's
        )

    def _as_json(self, order: Order) -> bytes:
        environment = dict(order.environment) | {MARK: self._mark}
        start = {"command": order.command, "environment": environment, "folder": str(order.folder)}
        return json.dumps(start).encode() + b"\n"

    @property
    def pid(self) -> int:
        """The keeper's process number; the app is its child."""
        return self._keeper.pid

    @property
    def input(self) -> int:
        """Descriptor of the app's standard input (of an app that talks)."""
        assert self._keeper.stdin is not None
        return self._keeper.stdin.fileno()

    @property
    def output(self) -> int:
        """Descriptor of the app's standard output (of an app that talks)."""
        assert self._keeper.stdout is not None
        return self._keeper.stdout.fileno()

    def exit_status(self, timeout_s: float = 0) -> int | None:
        """How the app ended, None while it runs; waits at most `timeout_s`.

        When it is known, everything the app had started is gone too.  A keeper that was killed reports
        nothing; its app died with it, by SIGKILL.
        """
        if self._exit is None and wait([self.control], timeout_s):
            report = self._report()
            self._exit = json.loads(report)["exit"] if report else -signal.SIGKILL
        return self._exit

    def _report(self) -> bytes:
        """What the keeper says, nothing when it is gone; the socket is reset when it never read its order."""
        try:
            return self.control.recv(256)
        except ConnectionResetError:
            return b""

    def processes(self) -> set[psutil.Process]:
        """Every process of the app, also in other sessions; the keeper is none of them."""
        try:
            return set(psutil.Process(self.pid).children(recursive=True))
        except psutil.NoSuchProcess:
            return set()

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

    def end(self) -> None:
        """Kill the app and everything it started, and wait until it is gone.  May be called again."""
        self.control.close()
        for stream in (self._keeper.stdin, self._keeper.stdout):
            if stream is not None:
                stream.close()
        try:
            self._keeper.wait(KEEPER_ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._keeper.kill()
            self._keeper.wait()
        if self._keeper.returncode != 0:
            end_marked(self._mark)


@dataclass
class Watch:
    """Holds one job, or the start of a worker, to its limits."""

    app: AppProcess
    limits: Limits
    cancelled: Event
    log: Path
    progress: Tail | None = None
    _kills: int = field(default_factory=lambda: oom_kills())
    _began: float = field(default_factory=time.monotonic)
    _most_memory: int = 0  # bytes; the last look may have been at a process that was dying

    def wait(self, look: Callable[[float], T | None]) -> T:
        """Call `look(timeout_s)` until it has an answer.

        Raises JobCancelled, AppOutOfTime, AppOutOfMemory or, for its log, AppFailed; the app still runs then.
        """
        while (answer := look(TICK_S)) is None:
            self._check()
            self._look_at_progress()
        self._look_at_progress()
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
        return Ended(exit_status, starved=killed and (near or oom_kills() > self._kills))

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
