# SPDX-License-Identifier: Apache-2.0
"""Images for the tests, and a bench whose app is in one."""

import json
import shutil
from pathlib import Path
from threading import Event
from typing import Any

import psutil
from app_jobs import APP, REQUEST, Bench
from engine import Podman

from informatics_gateway.apps import MANIFEST_LABEL
from informatics_gateway.model import Job, Manifest
from informatics_gateway.runners.container import LABEL, owner_of
from informatics_gateway.runners.describe import describe


def stub(podman: Podman, folder: Path, version: str = "1") -> str:
    """The image of the app whose input says what it shall do."""
    shutil.copy(APP / "app.py", folder / "__main__.py")
    shutil.copy(APP / "deeds.py", folder)
    manifest = json.loads(describe(APP / "app.py")) | {"version": version}
    return podman.build(f"gantry-test-stub-{version}", folder, {MANIFEST_LABEL: manifest})


class ContainerBench(Bench):
    """An executor whose app is in an image."""

    def __init__(self, podman: Podman, storage: Path, **app: Any) -> None:
        super().__init__(storage, **app)
        self.podman, self.image = podman, app["image"]
        self.owner = owner_of(storage / "work")

    def execute(self, job: Job, **others: Any) -> Manifest:
        """Run a job that was made by hand."""
        return self.executor.execute(job, REQUEST, Event(), **others)

    def containers(self) -> list[str]:
        """The names of this gateway's containers, running or not."""
        label = f"label={LABEL}={self.owner}"
        return self.podman("ps", "--all", "--filter", label, "--format", "{{.Names}}").split()

    def identity(self) -> str:
        """The engine's id of the only container."""
        [name] = self.containers()
        return self.podman("inspect", name, "--format", "{{.Id}}")

    def start_stranger(self, attempt: str) -> str:
        """A container as a gateway before this one could have left it; its name."""
        name, label = f"gantry-{self.owner}-{attempt}", f"--label={LABEL}={self.owner}"
        sleeps = ("--entrypoint=python3", self.image, "-c", "import time; time.sleep(600)")
        self.podman("run", "--detach", "--network=none", f"--name={name}", label, *sleeps)
        return name

    def kill_client(self) -> None:
        """Kill the engine's client that waits for the only container."""
        [name] = self.containers()
        [client] = [each for each in psutil.process_iter() if _starts(each, name)]
        client.kill()


def _starts(process: psutil.Process, name: str) -> bool:
    try:
        line = process.cmdline()
    except psutil.Error:
        return False
    return line[1:2] == ["start"] and line[-1] == name
