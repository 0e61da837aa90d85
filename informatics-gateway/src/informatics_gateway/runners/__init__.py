# SPDX-License-Identifier: Apache-2.0
"""How execute starts an app: `process` or `container` (one a job), `warm` (one that keeps the app loaded), `ray`.

Only this package starts processes.  A runner gives back how the app ended; what that means is `outcome`'s
part, and what the app left is `results`'.
"""

import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any, Protocol

from ..model import AttemptFolder
from .progress import OnProgress

BUNDLE = "configs/metadata.json"  # what a folder with a MONAI bundle has in place of a script
MB = 1 << 20
LOG_LIMIT = 64 * MB
OUTPUT_LIMIT = 16 << 30


@dataclass(frozen=True)
class Limits:
    """What a job may take: seconds, MB of memory of all its processes, bytes of log and of what else it writes.

    A limit of the log and not a pump that cuts it off: a warm worker opens the job's log by itself, and an
    app that prints without end is broken, so it is ended like one that runs without end.
    """

    time_s: float
    memory_mb: int
    log_bytes: int = LOG_LIMIT
    output_bytes: int = OUTPUT_LIMIT


@dataclass(frozen=True)
class Layout:
    """Where an image has things: how its app is started, and the folders in it that the app is given.

    The values are those of the images of our apps.  `foreign`: the version of a MAP that nobody here made, which
    knows neither a worker nor results.json; "" for an app of ours.
    """

    command: tuple[str, ...] = ("python3", "/opt/holoscan/app")
    input: Path = Path("/var/holoscan/input")
    output: Path = Path("/var/holoscan/output")
    models: Path = Path("/opt/holoscan/models")
    foreign: str = ""


@dataclass(frozen=True)
class Program:
    """An app as a runner needs it.

    `edition` changes when the app's file does; a warm worker of another edition is stopped.  `idle_s`: a warm
    worker without work is stopped after it.  `image`: the image by digest that the app is in, "" for a folder.
    `gpu`: the UUID of the device or MIG slice that it gets, "" for none.  `layout`: of an image.

    For a cluster: `on_node`, the runner that does the work on the node; `gpu_use`, "required", "preferred" or
    "none"; and `image` is what the node looks for.
    """

    name: str
    script: Path
    models: Path
    limits: Limits
    cpu: int = 0
    idle_s: float = 900
    edition: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)
    image: str = ""
    gpu: str = ""
    on_node: str = "warm"
    gpu_use: str = "none"
    layout: Layout = Layout()


@dataclass(frozen=True)
class Task:
    """One run: the attempt's folders and the value of GANTRY_JOB (None when it is run by hand).

    `on_progress` is called, while the app runs, with each step and fraction that the app tells of.
    """

    folder: AttemptFolder
    job: Mapping[str, Any] | None = None
    on_progress: OnProgress = lambda step, fraction: None


@dataclass(frozen=True)
class Ended:
    """How an app ended.  `exit`: its exit status, or minus the number of the signal that killed it.

    `starved`: the signs are that the kernel killed it for want of memory.
    """

    exit: int
    starved: bool = False


class Runner(Protocol):
    """A way to start an app."""

    def turn(self, program: Program, cancelled: Event) -> AbstractContextManager[None]:
        """Hold this from before the attempt's folder is made until it is gone.

        A warm worker sees one attempt's folder at a time, so the next job waits here.  Raises JobCancelled.
        """

    def run(self, program: Program, task: Task, cancelled: Event) -> Ended:
        """Run the app in `task`'s folders until it has ended, and with it every process it started.

        Raises AppOutOfTime, AppOutOfMemory or AppFailed (log) at a limit, AppCrashed when a worker died
        without a word, JobCancelled.
        """

    def stop_idle(self) -> None:
        """Stop what waits for work for longer than its `idle_s`."""

    def close(self) -> None:
        """Stop everything."""


def command(script: Path, *arguments: str) -> tuple[str, ...]:
    """How Python runs an app: its script or, where that is a bundle's metadata, the module that runs bundles."""
    if script.match(BUNDLE):
        return (sys.executable, "-P", "-m", "imaging_operators.bundle", str(script.parents[1]), *arguments)
    return (sys.executable, str(script), *arguments)
