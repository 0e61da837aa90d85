# SPDX-License-Identifier: Apache-2.0
"""The process runner: one process of the app for each job."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

from . import Ended, Program, Task, command
from .environment import app_environment, map_environment
from .leftovers import FILE
from .progress import Tail
from .supervise import AppProcess, Order
from .watch import Running, Watch

HOME = "home"


class ProcessRunner:
    """Starts `python app.py` for each job; several at a time, as many as there are callers."""

    @contextmanager
    def turn(self, program: Program, cancelled: Event) -> Iterator[None]:
        """No waiting: every job has a process of its own."""
        yield

    def run(self, program: Program, task: Task, cancelled: Event) -> Ended:
        """Run the app in the task's folders until it has ended, and with it every process it started."""
        app = self._start(program, task)
        try:
            tail = Tail(task.folder.output, task.on_progress)
            written = (task.folder.output, task.folder.path / HOME)
            watch = Watch(app, program.limits, cancelled, task.folder.log, tail, written)
            return watch.ended(watch.wait(app.exit_status))
        finally:
            app.end()

    def _start(self, program: Program, task: Task) -> Running:
        return AppProcess(order(program, task))

    def stop_idle(self) -> None:
        """Nothing waits for work."""

    def close(self) -> None:
        """Nothing outlives its job."""


def order(program: Program, task: Task) -> Order:
    """What to start for a task of the program."""
    home = task.folder.path / HOME
    environment = app_environment(home, program.cpu, program.environment, program.gpu)
    return Order(
        command=command(program.script),
        environment=environment | map_environment(task.folder, program.models, task.job),
        folder=home,
        log=task.folder.log,
        record=task.folder.path / FILE,
    )
