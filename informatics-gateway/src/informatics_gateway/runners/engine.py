# SPDX-License-Identifier: Apache-2.0
"""The container engine of this machine, Podman or Docker, asked through its command line.

Podman before Docker, because it needs no daemon with root's rights.  Every question has a time limit: an engine
that hangs must not hold a job for ever.
"""

import functools
import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import EngineRefused, EngineUnavailable, ImageUnavailable, RegistryUnavailable
from .outcome import plain

NAMED_BY = "GANTRY_ENGINE"
ANSWERS_WITHIN_S = 60.0
PULLS_WITHIN_S = 3600.0
AWAY = ("Cannot connect to the Docker daemon", "Cannot connect to Podman", "unable to connect to Podman")
UNKNOWN_IMAGE = ("manifest unknown", "not found", "name unknown")


@dataclass(frozen=True)
class Image:
    """An image on this machine: the engine's id of exactly this content, its labels, user ("": root), variables."""

    id: str
    labels: Mapping[str, str]
    user: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Engine:
    """An engine that answered; `kind` is "podman" or "docker"."""

    path: str
    kind: str

    def call(
        self,
        *arguments: str,
        timeout_s: float | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> str:
        """What the engine prints.  `environment` is added to the gateway's own, which wins.

        Raises EngineRefused with its last words, EngineUnavailable when it says nothing in time.
        """
        done = _run([self.path, *arguments], timeout_s or ANSWERS_WITHIN_S, environment or {})
        if done.returncode == 0:
            return done.stdout
        said = done.stderr.strip().splitlines() or [f"Its exit status is {done.returncode}."]
        if any(sign in done.stderr for sign in AWAY):
            raise EngineUnavailable(f"{self.kind}: {plain(said[-1])}")
        raise EngineRefused(f"{self.kind} {arguments[0]}: {plain(said[-1])}")

    def state(self, name: str) -> dict[str, Any]:
        """What the engine knows of a container: Status, Running, Pid, ExitCode, OOMKilled, ..."""
        state: dict[str, Any] = json.loads(self.call("container", "inspect", name))[0]["State"]
        return state

    def remove(self, *names: str) -> None:
        """Kill these containers with everything in them, and remove them; those that are not there are well."""
        if self.kind == "podman":
            self.call("rm", "--force", "--time", "0", "--volumes", "--ignore", *names)
            return
        for name in names:
            try:
                self.call("rm", "--force", "--volumes", name)
            except EngineRefused as error:
                if "No such container" not in str(error):
                    raise

    def labelled(self, label: str) -> list[str]:
        """The names of the containers with this label (`key` or `key=value`), running or not."""
        return self.call("ps", "--all", "--filter", f"label={label}", "--format", "{{.Names}}").split()

    def labels(self, name: str) -> dict[str, str]:
        """The labels of a container; none of one that is not there any more."""
        try:
            [found] = json.loads(self.call("container", "inspect", name))
        except EngineRefused:
            return {}
        labels: dict[str, str] = found["Config"]["Labels"]
        return labels

    def image(self, reference: str, pull: bool) -> Image:
        """The image `name@sha256:...`; with `pull` it is fetched from its registry when it is not here.

        The digest may be the registry's or, of an image that was built here, its id.  Raises ImageUnavailable,
        and RegistryUnavailable when the registry is away.
        """
        name, _, digest = reference.partition("@")
        here = self._images(reference) or [each for each in self._images_of(name) if digest in _digests(each)]
        if not here and pull and is_in_registry(name):
            self._pull(reference)
            here = self._images(reference)
        if not here:
            raise ImageUnavailable(self._missing(name, digest))
        config = here[0]["Config"]
        variables = dict(each.split("=", 1) for each in config.get("Env") or () if "=" in each)
        return Image(here[0]["Id"], config.get("Labels") or {}, config.get("User") or "", variables)

    def digest(self, name: str) -> str:
        """The reference by digest of the image that `name` (with a tag or without) stands for here."""
        here = self._images(name)
        if not here:
            raise ImageUnavailable(f"There is no image {name}.")
        [*digests] = here[0].get("RepoDigests") or [f"{_without_tag(name)}@{_id(here[0])}"]
        return str(digests[0])

    def images_with(self, label: str) -> list[str]:
        """The names, with a tag, of the images that have this label."""
        form = "{{.Repository}}:{{.Tag}}"
        names = self.call("images", "--filter", f"label={label}", "--format", form).split()
        return sorted(name for name in names if "<none>" not in name)

    def _images(self, *names: str) -> list[dict[str, Any]]:
        try:
            found: list[dict[str, Any]] = json.loads(self.call("image", "inspect", *names)) if names else []
        except EngineRefused:
            return []
        return found

    def _images_of(self, name: str) -> list[dict[str, Any]]:
        """Every image of this name, whatever its tag."""
        return self._images(*set(self.call("images", "--no-trunc", "--quiet", name).split()))

    def _missing(self, name: str, digest: str) -> str:
        others = sorted({each for image in self._images_of(name) for each in _digests(image)})
        if others:
            return f"{name} is here as {', '.join(others)}, not as {digest}."
        return f"There is no image {name}@{digest}."

    def _pull(self, reference: str) -> None:
        try:
            self.call("pull", "--quiet", reference, timeout_s=PULLS_WITHIN_S)
        except EngineRefused as error:
            unknown = any(sign in str(error) for sign in UNKNOWN_IMAGE)
            raise (ImageUnavailable if unknown else RegistryUnavailable)(error.detail) from error


def find_engine() -> Engine:
    """The engine that GANTRY_ENGINE names (a path), else Podman, else a Docker that answers.

    Raises EngineUnavailable.
    """
    return _find(os.environ.get(NAMED_BY, ""), os.environ.get("PATH", ""))


@functools.cache
def _find(named: str, path: str) -> Engine:
    for name in [named] if named else ["podman", "docker"]:
        found = shutil.which(name, path=path)
        if found is None:
            continue
        kind = "podman" if "podman" in Engine(found, name).call("--version").lower() else "docker"
        engine = Engine(found, kind)
        if named or kind == "podman" or _answers(engine):
            return engine
    raise EngineUnavailable(
        f"{NAMED_BY} names {named}, which is no program." if named else "There is none on this machine.",
        f"Install Podman (`apt install podman`) or Docker, or name one's path in {NAMED_BY}.",
    )


def _answers(engine: Engine) -> bool:
    try:
        engine.call("info")
    except (EngineRefused, EngineUnavailable):
        return False
    return True


def _run(
    command: Sequence[str], timeout_s: float, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    asked = " ".join(command[:2])
    try:
        return subprocess.run(
            command,
            env={**environment, **os.environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise EngineUnavailable(f"`{asked}` took more than {timeout_s:g} s.") from None
    except OSError as error:
        raise EngineUnavailable(f"`{asked}`: {error.strerror}.") from error


def is_in_registry(name: str) -> bool:
    """Whether an image's name says of which registry it is; `localhost/...` is built here."""
    host, slash, _ = name.partition("/")
    return bool(slash) and ("." in host or ":" in host)


def _digests(image: Mapping[str, Any]) -> set[str]:
    named = {each.partition("@")[2] for each in image.get("RepoDigests") or ()}
    return named | {_id(image)}


def _id(image: Mapping[str, Any]) -> str:
    return "sha256:" + str(image["Id"]).removeprefix("sha256:")


def _without_tag(name: str) -> str:
    start, slash, last = name.rpartition("/")
    return start + slash + last.partition(":")[0]
