# SPDX-License-Identifier: Apache-2.0
"""MAPs that nobody here made, by the MONAI Deploy packagers of both generations, read without running them.

/etc/holoscan/{app,pkg}.json and HOLOSCAN_*: SDK 1.0 and later.  /etc/monai/{app,pkg}.json and MONAI_*: before.
Neither says on which series it works: the configuration does, in the [[route]].
"""

import functools
import json
import re
import shlex
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, TypeVar

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from .app_manifest import AppManifest, Needs
from .errors import AppFailed
from .runners import MB, Layout
from .runners.engine import Image
from .runners.folders import read_regular
from .runners.image_files import files_of

GENERATIONS = (Path("/etc/holoscan"), Path("/etc/monai"))
SIZE_LIMIT = 1 << 20
UNLIMITED_S = 3600.0  # of a MAP that sets no time limit
MEMORY_MB = 4096  # of a MAP that says none
UNITS = {"": 1, "k": 1000, "ki": 1 << 10, "m": 10**6, "mi": 1 << 20, "g": 10**9, "gi": 1 << 30}
AUTHOR = "Make the MAP anew with `monai-deploy package`."
INSTALLED = (
    "/home/{user}/.local"  # where the packager's pip puts packages; the gateway's run has another HOME
)
TITLE = "org.opencontainers.image.title"


def _command(said: Any) -> Any:
    """A list; or a text, which is such a list in JSON or words as in a shell."""
    if not isinstance(said, str):
        return said
    return json.loads(said) if said.lstrip().startswith("[") else shlex.split(said)


def _mb(said: Any) -> Any:
    """MB from a number of bytes or a text like 2Gi."""
    found = re.fullmatch(r"([0-9.]+)\s*([kmg]i?)?b?", str(said).lower())
    if found is None:
        raise ValueError("is no size, such as 2Gi")
    return max(1, round(float(found[1]) * UNITS[found[2] or ""] / MB))


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, populate_by_name=True)


Read = TypeVar("Read", bound=_Read)


class _Place(_Read):
    path: str = ""


class _App(_Read):
    """app.json; the first generation writes names with a hyphen."""

    command: Annotated[tuple[str, ...], BeforeValidator(_command)] = Field(min_length=1)
    input: _Place
    output: _Place
    working_directory: str = Field(
        validation_alias=AliasChoices("workingDirectory", "working-directory"), pattern="^/"
    )
    timeout: float = Field(0, ge=0)
    version: Any = ""


class _Resources(_Read):
    cpu: float = Field(0, ge=0)
    gpu: float = Field(0, ge=0)
    memory: Annotated[int, BeforeValidator(_mb)] = MEMORY_MB


class _Package(_Read):
    """pkg.json."""

    model_root: str = Field(validation_alias=AliasChoices("modelRoot", "model-root"), pattern="^/")
    resources: _Resources = Field(_Resources(), validation_alias=AliasChoices("resources", "resource"))


@dataclass(frozen=True)
class Foreign:
    """A MAP of others: what the gateway has to know, in the words of our own apps.

    `folder`: where its manifests are.  `environment`: what a run needs beside the MAP interface's own.
    """

    folder: Path
    manifest: AppManifest
    layout: Layout
    environment: Mapping[str, str]


def read_foreign(image: Image, name: str) -> Foreign | None:
    """The MAP in this image, None when it is none; it is read once for each content.

    Raises AppFailed, naming file and key, for a manifest that cannot be used; EngineRefused, EngineUnavailable.
    """
    title = image.labels.get(TITLE) or name
    return _read(image.id, title[:64], image.user.partition(":")[0])


@functools.lru_cache(maxsize=64)
def _read(image: str, name: str, user: str) -> Foreign | None:
    with files_of(image) as files, tempfile.TemporaryDirectory(prefix="gantry-") as here:
        for folder in GENERATIONS:
            texts = []
            for file in ("app.json", "pkg.json"):
                copy = Path(here) / f"{folder.name}-{file}"
                if files.copy(folder / file, copy):
                    texts.append(_text(folder / file, copy))
            if len(texts) == 2:
                return _foreign(folder, texts, image, name, user)
    return None


def _text(path: Path, copy: Path) -> bytes:
    try:
        return read_regular(copy, SIZE_LIMIT)
    except (OSError, ValueError) as error:
        raise AppFailed(f"{path} in the image is no plain file.", AUTHOR) from error


def _foreign(folder: Path, texts: list[bytes], image: str, name: str, user: str) -> Foreign:
    app, package = (
        _parse(_App, folder / "app.json", texts[0]),
        _parse(_Package, folder / "pkg.json", texts[1]),
    )
    resources, home = package.resources, INSTALLED.format(user=user)
    needs = Needs(
        cpu=int(resources.cpu),
        memory_mb=resources.memory,
        gpu_memory_mb=0,
        timeout_s=app.timeout or UNLIMITED_S,
        gpu="required" if resources.gpu else "none",
    )
    digest, version = image.removeprefix("sha256:"), str(app.version or "0")
    about = {"name": name, "version": version, "creator": "", "digest": digest}
    manifest = AppManifest.model_validate(about | {"series": {}, "needs": needs, "models": ()})
    layout = Layout(
        command=app.command,
        input=_inside(app, app.input, "input"),
        output=_inside(app, app.output, "output"),
        models=Path(package.model_root),
        foreign=manifest.version,
    )
    named = user and not user.isdecimal() and user != "root"
    return Foreign(folder, manifest, layout, {"PYTHONUSERBASE": home} if named else {})


def _parse(kind: type[Read], path: Path, text: bytes) -> Read:
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, problem["loc"])) or "it"
        raise AppFailed(f"{path} in the image: {where}: {problem['msg']}.", AUTHOR) from error


def _inside(app: _App, place: _Place, usual: str) -> Path:
    """Where a folder of the MAP is, within the image."""
    path = PurePosixPath(app.working_directory) / (place.path or usual)
    if ".." in path.parts or len(path.parts) < 2:
        raise AppFailed(f"app.json in the image names {path} as a folder of its own.", AUTHOR)
    return Path(path)
