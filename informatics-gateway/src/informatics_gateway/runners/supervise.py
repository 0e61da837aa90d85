# SPDX-License-Identifier: Apache-2.0
"""One app process under its keeper, for a job or for a warm worker."""

import json
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path

import psutil

from .leftovers import MARK, end_marked, record_of
from .watch import Running

KEEPER = Path(__file__).with_name("keeper.py")
KEEPER_ENDS_WITHIN_S = 10.0
PIPE_BYTES = 1 << 20  # a job's line must fit in, so that writing it to a worker that hangs does not block


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


class AppProcess(Running):
    """An app that runs as a process.  Whoever makes one must `end` it."""

    def __init__(self, order: Order) -> None:
        self._mark = secrets.token_hex(16)
        super().__init__()
        self._exit: int | None = None
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
    def ending(self) -> int:
        """Descriptor of the socket to the keeper."""
        return self.control.fileno()

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
