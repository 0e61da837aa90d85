# SPDX-License-Identifier: Apache-2.0
"""From a context to an image: the MONAI Deploy packager as it is, then what it leaves to do."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from .context import IMAGE, Context
from .labels import labels
from .wrong import BuildFailed, NoBuilder

SHIM = Path(__file__).parent / "bin"
OFFLINE_BASE = "localhost/gantry-offline-base"
MADE = re.compile(r"Docker Tag:\s+(\S+)")


def find_builder() -> str:
    """GANTRY_ENGINE, else podman, buildah, or docker where it answers.  Raises NoBuilder."""
    if named := os.environ.get("GANTRY_ENGINE"):
        if found := shutil.which(named):
            return found
        raise NoBuilder(f"GANTRY_ENGINE is {named}, which is no program.")
    for name in ("podman", "buildah"):
        if found := shutil.which(name):
            return found
    docker = shutil.which("docker")
    if docker and subprocess.run([docker, "info"], capture_output=True, check=False).returncode == 0:
        return docker
    raise NoBuilder("There is no podman, no buildah, and no docker that answers.")


def build(context: Context, tag: str, base: str = "") -> str:
    """Make the image `tag` of the context; its tag.  Raises BuildFailed, NoBuilder.

    base: an image with python3, pip and the packages of requirements.txt, on which it is built without network;
    "": the one that the packager chooses, and what it downloads.
    """
    builder = Builder(find_builder(), offline=bool(base))
    if base:
        builder.build("base", OFFLINE_BASE, {"BASE": base})
    made = builder.package(context.folder, tag)
    builder.build("finish", tag, {"MAP": made, "APP": context.app}, labels(context))
    return tag


class Builder:
    """A program that builds images; `environment` makes it the packager's `docker`, by the one in bin/."""

    def __init__(self, program: str, offline: bool) -> None:
        self.offline = offline
        path = os.pathsep.join((str(SHIM), os.environ.get("PATH", os.defpath)))
        self.environment = os.environ | {"PATH": path, "GANTRY_BUILDER": program}
        if offline:
            self.environment["GANTRY_BUILD_OFFLINE"] = "1"

    def build(
        self, name: str, tag: str, arguments: dict[str, str], labelled: dict[str, str] | None = None
    ) -> None:
        """Build image/NAME.containerfile.  Raises BuildFailed."""
        options = [f"--build-arg={key}={value}" for key, value in arguments.items()]
        options += [f"--label={key}={value}" for key, value in (labelled or {}).items()]
        file = IMAGE / f"{name}.containerfile"
        with tempfile.TemporaryDirectory() as nothing:
            self._run(["docker", "buildx", "build", *options, "--tag", tag, "--file", str(file), nothing])

    def package(self, folder: Path, tag: str) -> str:
        """Call the packager; the tag that it gave its image.  Raises BuildFailed."""
        program = [sys.executable, str(Path(sys.executable).with_name("monai-deploy"))]
        options = ["--config", str(folder / "app.yaml"), "--platform", "x86_64", "--tag", tag]
        with tempfile.TemporaryDirectory() as place:
            options += ["--build-cache", place]
            if self.offline:
                options += ["--source", str(sources(Path(place))), "--base-image", OFFLINE_BASE]
            said = self._run([*program, "package", str(folder), *options])
        made = MADE.search(said)
        if made is None:
            raise BuildFailed("The packager names no image.")
        return made[1]

    def _run(self, command: Sequence[str]) -> str:
        """What the command says, which is printed as it comes.  Raises BuildFailed."""
        lines = []
        pipe = subprocess.PIPE
        with subprocess.Popen(
            command, env=self.environment, stdout=pipe, stderr=subprocess.STDOUT, text=True
        ) as process:
            for line in process.stdout or ():
                lines.append(line)
                print(line, end="", flush=True)
        if process.returncode != 0:
            raise BuildFailed(f"`{Path(command[0]).name} {command[1]}` ended with {process.returncode}.")
        return "".join(lines)


def sources(folder: Path) -> Path:
    """The packager's manifest of what it would download, for the holoscan that is installed; it names nothing."""
    images = {kind: {} for kind in ("igpu", "dgpu", "cpu")}
    holoscan = version("holoscan-cu13")
    known = {"wheel-version": holoscan, "debian-version": holoscan, "base-images": {}, "build-images": images}
    file = folder / "artifacts.json"
    file.write_text(json.dumps({holoscan: {"holoscan": known}}))
    return file
