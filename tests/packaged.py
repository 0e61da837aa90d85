# SPDX-License-Identifier: Apache-2.0
"""Images of apps for tests: packaged by scripts/package-app's own code on the tests' base image, and run hardened."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from base_image import BASE, site_packages, write_base

ROOT = Path(__file__).parents[1]
SCRIPTS = ROOT / "scripts"
# Debian's podman where neither a user session nor a cgroup manager runs, and the packages mounted in every container.
CONTAINERS = """[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
log_driver = "k8s-file"
volumes = ["{packages}"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "none"
"""
STORAGE = '[storage]\ndriver = "overlay"\ngraphroot = "{folder}/store"\nrunroot = "{folder}/run"\n'
# How the gateway runs a container: docs/map-contract.md.
HARDENED = (
    "--rm --pull never --network none --read-only --read-only-tmpfs=false --shm-size 64m --env HOME=/tmp "
    "--tmpfs /tmp:rw,size=512m,mode=1777,nosuid,nodev,notmpcopyup --memory 4g --memory-swap 4g --cpus 2 "
    "--pids-limit 256 --cap-drop ALL --security-opt no-new-privileges --ulimit nofile=1024:1024 "
    "--ulimit nproc=1024:1024 --ulimit stack=33554432:67108864"
)
Done = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Podman:
    """Podman with a storage of its own in `folder`, which holds the base image."""

    program: str
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """That of every process that builds or runs with it."""
        path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin"))  # runc
        files = {
            "CONTAINERS_CONF": "containers.conf",
            "CONTAINERS_STORAGE_CONF": "storage.conf",
        }
        own = {key: str(self.folder / name) for key, name in files.items()}
        return os.environ | own | {"PATH": path, "GANTRY_ENGINE": self.program}

    def __call__(self, *arguments: str | Path) -> Done:
        """`podman ARGUMENTS`."""
        command = [self.program, *map(str, arguments)]
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=300, check=False
        )

    def prepare(self) -> Done:
        """Write its configuration and import the base image; what a container of it says."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "containers.conf").write_text(CONTAINERS.format(packages=site_packages()))
        (self.folder / "storage.conf").write_text(STORAGE.format(folder=self.folder))
        write_base(self.folder / "base.tar")
        self("import", self.folder / "base.tar", BASE)
        (self.folder / "base.tar").unlink()
        return self("run", "--rm", "--pull", "never", "--network", "none", BASE, "python3", "--version")

    def package(self, app: Path, folder: Path, *options: str) -> Done:
        """`scripts/package-app APP --in FOLDER` on the base image, with this Python."""
        command = [
            sys.executable,
            "-P",
            "-m",
            "packageapp",
            str(app),
            "--in",
            str(folder),
            "--base-image",
            BASE,
        ]
        environment = self.environment | {"PYTHONPATH": str(SCRIPTS)}
        return subprocess.run(
            [*command, *options], env=environment, capture_output=True, text=True, timeout=300, check=False
        )

    def run(self, image: str, source: Path, output: Path, job: dict[str, Any], *command: str) -> Done:
        """One hardened run of the image on the files in `source`, its results in `output`; command: another one."""
        source.mkdir(exist_ok=True)
        source.chmod(0o755)  # the image's user is not ours
        output.mkdir()
        output.chmod(0o777)
        folders = ["-v", f"{source}:/var/holoscan/input:ro", "-v", f"{output}:/var/holoscan/output"]
        entrypoint = [f"--entrypoint={name}" for name in command[:1]]
        options = [f"--env=GANTRY_JOB={json.dumps(job)}", *folders, *entrypoint]
        return self("run", *HARDENED.split(), *options, image, *command[1:])

    def inspected(self, image: str) -> dict[str, Any]:
        """What the image says of itself: User, Entrypoint, Env, Labels, ..."""
        [found] = json.loads(self("image", "inspect", image).stdout)
        config: dict[str, Any] = found["Config"]
        return config
