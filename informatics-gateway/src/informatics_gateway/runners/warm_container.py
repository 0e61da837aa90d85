# SPDX-License-Identifier: Apache-2.0
"""A warm container: a warm worker whose process is in a container, with a spool in place of the work folder.

One folder stays mounted, the spool.  An attempt's folder is moved into it for as long as its job runs, so the
container sees this attempt's folders only.  What is said and heard goes over the engine's client, as with a
process: when the gateway dies, standard input ends, and with it the worker.
"""

from dataclasses import replace
from pathlib import Path
from threading import Event

from ..model import AttemptFolder
from . import Ended, Task
from .container import Container, Plan, open_up, owner_of
from .environment import map_environment
from .watch import Running
from .worker import Worker

SPOOL = "spool"
MOUNTED = Path("/var/holoscan") / SPOOL
SCRATCH = (Path("/tmp"), Path("/dev/shm"), MOUNTED)


class WarmContainer(Worker):
    """A warm worker in a container.  All it can write to is folders here, so that what a job left can be removed."""

    def _start(self) -> Running:
        for folder in self._scratch:
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o755 if folder.name == SPOOL else 0o1777)
        owner = owner_of(self._folder.parent)
        inside = self.program.layout
        variables = map_environment(inside, inside.models, None) | dict(self.program.environment)
        plan = Plan(
            program=self.program,
            name=f"gantry-{owner}-warm.{self.program.name}",
            owner=owner,
            arguments=("worker",),
            variables=variables,
            mounts=[(here, there, "rw") for here, there in zip(self._scratch, SCRATCH, strict=True)],
            log=self._log,
            talks=True,
        )
        return Container(plan)

    @property
    def _scratch(self) -> tuple[Path, ...]:
        return self._home / "tmp", self._home / "shm", self._folder / SPOOL

    def _seen(self, folder: AttemptFolder) -> AttemptFolder:
        return AttemptFolder(MOUNTED / folder.path.name)

    def work(self, task: Task, cancelled: Event) -> Ended:
        """Run one job as `Worker.work` does, with the attempt's folder in the spool meanwhile."""
        open_up(task.folder)
        within = AttemptFolder(self._folder / SPOOL / task.folder.path.name)
        task.folder.path.rename(within.path)
        try:
            return super().work(replace(task, folder=within), cancelled)
        finally:
            within.path.rename(task.folder.path)


def take_out(work: Path) -> None:
    """Move what a gateway that died left in a spool back into the work folder."""
    for folder in work.glob(f"warm.*/{SPOOL}/*"):
        folder.rename(work / folder.name)
