# SPDX-License-Identifier: Apache-2.0
"""A pytest plugin: a real Podman for the tests, with a storage and settings of its own under `build/`.

It is set up once and then kept, and several test processes share it: making the base image takes seconds.
"""

import fcntl
import functools
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from base_image import BASE, write_base

HOME = Path(__file__).parents[1] / "build" / "test-engine"
SETTINGS = """[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "none"
"""
STORAGE = """[storage]
driver = "overlay"
graphroot = "{home}/store"
runroot = "{home}/run"
"""


class Podman:
    """The tests' Podman; `environment` is what makes it theirs."""

    def __init__(self) -> None:
        self.path = shutil.which("podman") or "/usr/bin/podman"
        self.environment = {
            "GANTRY_ENGINE": self.path,
            "CONTAINERS_CONF": str(HOME / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(HOME / "storage.conf"),
        }

    def __call__(self, *arguments: str, check: bool = True) -> str:
        """What Podman prints; with `check` a failure is an error."""
        done = subprocess.run(
            [self.path, *arguments],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert not check or done.returncode == 0, f"podman {arguments}: {done.stderr}"
        return done.stdout.strip()

    def set_up(self) -> None:
        """Write the settings, and make the base image when it is not there yet."""
        HOME.mkdir(parents=True, exist_ok=True)
        with (HOME / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            (HOME / "containers.conf").write_text(SETTINGS)
            (HOME / "storage.conf").write_text(STORAGE.format(home=HOME))
            if not self("images", "--quiet", BASE):
                write_base(HOME / "base.tar")
                self("import", "--quiet", str(HOME / "base.tar"), BASE)
                (HOME / "base.tar").unlink()

    def build(
        self, name: str, app: Path, labels: Mapping[str, object] | None = None, more: Sequence[str] = ()
    ) -> str:
        """An image with the files of the folder `app` in /opt/holoscan/app; its reference by digest.

        A label that is no text is written as JSON.  `more`: lines of its Containerfile.
        """
        texts = {
            key: value if isinstance(value, str) else json.dumps(value)
            for key, value in (labels or {}).items()
        }
        lines = [f"FROM {BASE}", "COPY app /opt/holoscan/app", *more]
        flags = [f"--label={key}={value}" for key, value in texts.items()]
        with tempfile.TemporaryDirectory() as context:
            shutil.copytree(app, Path(context) / "app", ignore=shutil.ignore_patterns("__pycache__"))
            (Path(context) / "Containerfile").write_text("\n".join(lines))
            quiet = ("--quiet", "--pull=never", "--network=none", "--timestamp=0")
            self("build", *quiet, *flags, "--tag", f"localhost/{name}", context)
        return f"localhost/{name}@{self('image', 'inspect', name, '--format', '{{.Digest}}')}"


@functools.cache
def why_not() -> str:
    """Why this machine runs no container of ours; empty when it does."""
    if shutil.which("podman") is None:
        return "it is not installed"
    podman = Podman()
    try:
        podman.set_up()
        podman("run", "--rm", "--network=none", BASE, "true")
    except (AssertionError, OSError, RuntimeError, subprocess.SubprocessError) as error:
        return str(error)[:300]
    return ""


@pytest.fixture(scope="session")
def podman() -> Podman:
    """Podman with a base image; the test is skipped where it may not run a container."""
    if why_not():
        pytest.skip(f"podman is not permitted here: {why_not()}")
    return Podman()


@pytest.fixture
def engine(podman: Podman, monkeypatch: pytest.MonkeyPatch) -> Podman:
    """The same, as the engine that the gateway finds."""
    for name, value in podman.environment.items():
        monkeypatch.setenv(name, value)
    return podman
