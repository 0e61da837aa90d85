# SPDX-License-Identifier: Apache-2.0
"""The ray runner: an app's jobs run on the nodes of a Ray cluster, one station to a lane.

The gateway itself knows nothing of Ray: a process that it starts at the first job, `ray_driver`, is its link to the
cluster, and is started anew when it has ended.
"""

import os
import socket
import subprocess
import sys
import time
from contextlib import AbstractContextManager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Event, Lock

from ..errors import JobCancelled, RayUnavailable
from . import Ended, Program, Task
from .container import owner_of
from .environment import PASSED_ON
from .ray_parcels import Order, error_of
from .watch import TICK_S, held

OURS = ("HOME", "LANG", "TMPDIR", "USER", *PASSED_ON)
TRIES_AGAIN_S = 5.0
WAITS_FOR_S = 900.0  # for a cluster that is away
CONNECTS_WITHIN_S = 120.0
ENDS_WITHIN_S = 60.0
CANCELS_WITHIN_S = 30.0


def reach(address: str, token_file: Path | None) -> None:
    """Connect to the cluster as for a job, and let go.  Raises RayOpen, RayRefused, RayUnavailable."""
    Link(address, token_file, Event()).end()


class RayRunner:
    """Hands jobs to the cluster at `address`, "auto" for the one that this machine is a node of.

    `token_file`: of the cluster's token; without one Ray looks in its own places.
    """

    def __init__(self, work: Path, address: str = "auto", token_file: Path | None = None) -> None:
        self._owner = owner_of(work)
        self._address, self._token_file = address, token_file
        self._turns: dict[str, Lock] = {}
        self._starting = Lock()
        self._link: Link | None = None

    def turn(self, program: Program, cancelled: Event) -> AbstractContextManager[None]:
        """Wait until the lane's station is free."""
        return held(self._turns.setdefault(program.name, Lock()), cancelled)

    def run(self, program: Program, task: Task, cancelled: Event) -> Ended:
        """Run the app on a node, once more on another when that is lost; what it left is in `task`'s folders.

        Raises as every runner does, and NodeLost, NodeRefused, RayOpen, RayRefused, RayUnavailable.
        """
        order = Order.of(program, task, self._owner)
        connection = self._reach(task, cancelled)
        try:
            with connection:
                connection.send(order)
                return _listen(connection, task, cancelled)
        except (EOFError, OSError) as error:
            raise RayUnavailable("The link to it ended.") from error

    def stop_idle(self) -> None:
        """The link does."""

    def close(self) -> None:
        """End every station and the link."""
        with self._starting:
            if self._link is not None:
                self._link.end()
                self._link = None

    def _reach(self, task: Task, cancelled: Event) -> Connection:
        """A connection for one job; waits for a cluster that is away."""
        until, is_told = time.monotonic() + WAITS_FOR_S, False
        while True:
            try:
                return self._connection(cancelled)
            except RayUnavailable as error:
                if time.monotonic() > until:
                    raise
                if not is_told:
                    task.on_progress(f"waits for the Ray cluster: {error.detail}", 0.0)
                is_told = True
            if cancelled.wait(TRIES_AGAIN_S):
                raise JobCancelled

    def _connection(self, cancelled: Event) -> Connection:
        with held(self._starting, cancelled):
            if self._link is not None and not self._link.is_alive:
                self._link.end()
                self._link = None
            if self._link is None:
                self._link = Link(self._address, self._token_file, cancelled)
            return self._link.connection()


class Link:
    """The process that is Ray's driver.  It gets none of the gateway's secrets in its environment."""

    def __init__(self, address: str, token_file: Path | None, cancelled: Event) -> None:
        environment = {
            name: value for name, value in os.environ.items() if name in OURS or name.startswith("RAY_")
        }
        environment["RAY_AUTH_MODE"] = "token"
        if token_file is not None:
            environment.pop("RAY_AUTH_TOKEN", None)  # which Ray would take first
            environment["RAY_AUTH_TOKEN_PATH"] = str(token_file)
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", f"{__package__}.ray_driver", str(theirs.fileno()), address],
                stdin=subprocess.DEVNULL,
                stdout=2,
                pass_fds=[theirs.fileno()],
                env=environment,
                start_new_session=True,
            )
        try:
            self._hear(cancelled)
        except BaseException:
            self._process.kill()  # it tries for long, and has started nothing
            self.end()
            raise

    def _hear(self, cancelled: Event) -> None:
        """Wait until it has reached the cluster."""
        until = time.monotonic() + CONNECTS_WITHIN_S
        with Connection(os.dup(self._control.fileno())) as said:
            while not said.poll(TICK_S):
                if cancelled.is_set():
                    raise JobCancelled
                if time.monotonic() > until:
                    raise RayUnavailable(f"It did not answer within {CONNECTS_WITHIN_S:g} s.")
            try:
                word, *rest = said.recv()
            except (EOFError, OSError):
                raise RayUnavailable("The link to it did not start.") from None
        if word == "failed":
            raise error_of((rest[0], rest[1], rest[2]))

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def connection(self) -> Connection:
        """A connection for one job.  Raises RayUnavailable."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                socket.send_fds(self._control, [b"j"], [theirs.fileno()])
            except OSError as error:
                ours.close()
                raise RayUnavailable("The link to it ended.") from error
        return Connection(ours.detach())

    def end(self) -> None:
        """End every station in good order, and the process."""
        self._control.close()
        try:
            self._process.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _listen(connection: Connection, task: Task, cancelled: Event) -> Ended:
    """Pass on what the app tells, until the job has ended."""
    ends_by: float | None = None
    while True:
        if connection.poll(TICK_S):
            word, *said = connection.recv()
            if word == "progress":
                task.on_progress(said[0], said[1])
            elif word == "ended":
                return Ended(said[0], said[1])
            else:
                raise error_of((said[0], said[1], said[2]))
        if cancelled.is_set() and ends_by is None:
            with suppress(OSError):  # it has just ended, and said how
                connection.send("cancel")
            ends_by = time.monotonic() + CANCELS_WITHIN_S
        if ends_by is not None and time.monotonic() > ends_by:
            raise JobCancelled
