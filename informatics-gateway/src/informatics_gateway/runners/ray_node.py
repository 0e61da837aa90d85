# SPDX-License-Identifier: Apache-2.0
"""On a node of the cluster: a station, the actor that runs one lane's jobs there, one after the other.

It stays on its node and keeps the lane's warm worker.  The work is done by the same runners as on the gateway's
own machine, in a folder of the node; when the actor is killed its watchman ends what it started.
"""

import os
import shutil
import socket
import stat
import tempfile
from dataclasses import replace
from pathlib import Path
from threading import Event, Lock
from typing import Any

import ray

from imaging_data import ExplainedError

from ..errors import AppFailed
from ..model import AttemptFolder
from . import Ended, Program, Runner, Task, folders
from .container import ContainerRunner
from .engine import find_engine
from .leftovers import boot_id
from .process import ProcessRunner
from .ray_parcels import NO_FAULT, Fault, Order, Outcome, fault_of, pack, sha256, unpack
from .ray_watchman import watch_over
from .warm import WarmRunner
from .watch import bytes_in

RESULTS = ("output", "app.log")


class Station:
    """Runs jobs on this node.  `run` is called for one at a time, everything else also meanwhile."""

    def __init__(self, owner: str, lane: str, has_containers: bool) -> None:
        self._work = _work_folder(owner, lane)
        self._watched = watch_over(self._work, has_containers)
        self._runners: dict[str, Runner] = {
            "process": ProcessRunner(),
            "container": ContainerRunner(self._work),
            "warm": WarmRunner(self._work),
        }
        self._cancelled = Event()
        self._news: list[tuple[str, float]] = []
        self._at_work = Lock()

    def where(self) -> tuple[str, str]:
        """The node's id in the cluster, and its name."""
        return ray.get_runtime_context().get_node_id(), socket.gethostname()

    def run(self, order: Order, parcels: list[Any]) -> Outcome:
        """Run a job on the input set in these parcels (references)."""
        with self._at_work:
            folder = AttemptFolder(self._work / order.folder.path.name)
            try:
                self._fill(folder, parcels)
                ended, fault = self._run(order, folder)
                strange = folders.take_out_strange(folder)
                refs = [ray.put(parcel) for parcel in pack(folder.path, *_travels(order, folder))]
                return Outcome(ended, fault, refs, strange, self.news())
            finally:
                folders.remove(folder.path)

    def news(self) -> list[tuple[str, float]]:
        """The steps and fractions that the app told of since the last call."""
        news, self._news = self._news, []
        return news

    def cancel(self) -> None:
        """End the app.  There is no other job for this station afterwards."""
        self._cancelled.set()

    def close(self) -> None:
        """End the app and the warm worker, with everything they started, and leave nothing here."""
        self.cancel()
        with self._at_work:
            for runner in self._runners.values():
                runner.close()
            folders.remove(self._work)

    def _fill(self, folder: AttemptFolder, parcels: list[Any]) -> None:
        folders.make(folder.path, {})
        folder.input.chmod(0o700)
        room = shutil.disk_usage(self._work).free
        for parcel in parcels:
            unpack(ray.get(parcel), folder.path, frozenset({"input"}), room)
        for path in folder.input.iterdir():
            path.chmod(0o444)
        folder.input.chmod(0o500)

    def _run(self, order: Order, folder: AttemptFolder) -> tuple[Ended | None, Fault]:
        task = Task(folder, order.job, lambda step, fraction: self._news.append((step, fraction)))
        try:
            program = _here(order)
            runner = self._runners[program.on_node]
            with runner.turn(program, self._cancelled):
                return runner.run(program, task, self._cancelled), NO_FAULT
        except ExplainedError as error:
            return None, fault_of(error)


def _travels(order: Order, folder: AttemptFolder) -> tuple[str, ...]:
    """What of a job's folder goes to the gateway: not the output of an app that was ended for its size."""
    limit = order.program.limits.output_bytes
    return RESULTS if bytes_in([folder.output], limit) <= limit else ("app.log",)


def _here(order: Order) -> Program:
    """The program as it is on this node, with the GPU that Ray has given."""
    gpu = ",".join(map(str, ray.get_gpu_ids()))
    if order.program.image:
        image = find_engine().image(order.program.image, pull=True).id
        return replace(order.program, image=image, gpu=gpu)
    if sha256(order.program.script) != order.script:
        raise AppFailed(
            f"{socket.gethostname()} has another {order.program.script} than the gateway.",
            "Install the same apps on every node, or run the app from an image.",
        )
    return replace(order.program, gpu=gpu)


def _work_folder(owner: str, lane: str) -> Path:
    """A folder for this station in that of the gateway's work on this machine, where nobody else may look.

    What a machine that lost its power left there is removed.
    """
    folder = Path(tempfile.gettempdir()) / f"gantry-{os.geteuid()}-{owner}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise AppFailed(f"{folder} is not this user's alone.", "Remove it, and look who made it.")
    boot = boot_id()
    for old in folder.iterdir():
        if not old.name.startswith(boot):
            folders.remove(old)
    return Path(tempfile.mkdtemp(prefix=f"{boot}.{lane}.", dir=folder))
