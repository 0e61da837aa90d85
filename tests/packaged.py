# SPDX-License-Identifier: Apache-2.0
"""Images of apps for tests: packaged by scripts/package-app's own code on the tests' base image, and run hardened."""

import fcntl
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from base_image import BASE, site_packages
from engine import HOME, SETTINGS, Podman

ROOT = Path(__file__).parents[1]
PACKAGES = f'[containers]\nvolumes = ["{site_packages()}"]\n'
# How the gateway runs a container: docs/map-contract.md.
HARDENED = (
    "--rm --pull never --network none --read-only --read-only-tmpfs=false --shm-size 64m --env HOME=/tmp "
    "--tmpfs /tmp:rw,size=512m,mode=1777,nosuid,nodev,notmpcopyup --memory 4g --memory-swap 4g --cpus 2 "
    "--pids-limit 256 --cap-drop ALL --security-opt no-new-privileges --ulimit nofile=1024:1024 "
    "--ulimit nproc=1024:1024 --ulimit stack=33554432:67108864"
)
PACKED_WITH = [ROOT / name for name in ("operators/src", "scripts/packageapp", "constraints.txt")]
Done = subprocess.CompletedProcess[str]


class Packager(Podman):
    """The tests' Podman, with the Python packages of this environment mounted in every container and build."""

    def __init__(self) -> None:
        super().__init__()
        settings = HOME / "packages.conf"
        settings.write_text(SETTINGS.replace("[containers]\n", PACKAGES))
        self.environment["CONTAINERS_CONF"] = str(settings)

    def do(self, *command: str | Path, **environment: str) -> Done:
        """Run a command that may fail, with this Podman as its engine."""
        return subprocess.run(
            command,
            env=os.environ | self.environment | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def package(self, app: Path, folder: Path) -> str:
        """The image of the app, by `scripts/package-app APP --in FOLDER` with this Python; its name."""
        options = ["--in", str(folder), "--base-image", BASE]
        command = [sys.executable, "-P", "-m", "packageapp", str(app), *options]
        done = self.do(*command, PYTHONPATH=str(ROOT / "scripts"))
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.splitlines()[-1].removesuffix(" is made.")

    def packaged(self, app: Path) -> str:
        """The same as the app is now, made by whichever test asks first and then kept."""
        kept = HOME / "packaged" / app.name
        kept.parent.mkdir(exist_ok=True)
        with kept.with_suffix(".lock").open("w") as lock, tempfile.TemporaryDirectory() as folder:
            fcntl.flock(lock, fcntl.LOCK_EX)
            key = _content(app, *PACKED_WITH)
            made, name = kept.read_text().split() if kept.is_file() else ("", "")
            if made != key or not self("images", "--quiet", name):
                name = self.package(app, Path(folder))
                kept.write_text(f"{key} {name}")
            return name

    def start(self, image: str, *command: str) -> Done:
        """Run the image with these arguments or, when the first begins with /, with that program."""
        program = [f"--entrypoint={command[0]}"] if command[0].startswith("/") else []
        arguments = command[1:] if program else command
        return self.do(self.path, "run", "--rm", "--network", "none", *program, image, *arguments)

    def run_hardened(self, image: str, source: Path, output: Path, job: dict[str, Any]) -> Done:
        """One run of the image as the gateway does it, on the files in `source`, its results in `output`."""
        source.mkdir(exist_ok=True)
        source.chmod(0o755)  # the image's user is not ours
        output.mkdir()
        output.chmod(0o777)
        folders = ["-v", f"{source}:/var/holoscan/input:ro", "-v", f"{output}:/var/holoscan/output"]
        return self.do(
            self.path, "run", *HARDENED.split(), f"--env=GANTRY_JOB={json.dumps(job)}", *folders, image
        )

    def inspected(self, image: str) -> dict[str, Any]:
        """What the image says of itself: User, Entrypoint, Env, Labels, ..."""
        [found] = json.loads(self("image", "inspect", image))
        config: dict[str, Any] = found["Config"]
        return config


def _content(*paths: Path) -> str:
    """SHA-256 of the files, and of those below the folders."""
    every = hashlib.sha256()
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                every.update(f"{file.relative_to(path)} {file.stat().st_size} ".encode() + file.read_bytes())
    return every.hexdigest()
