# SPDX-License-Identifier: Apache-2.0
"""What a MAP says of itself and what lies in it, checked without a run."""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from imaging_data import NoMatchingSeries
from imaging_data.model_lock import known_sha256

from ..app_manifest import AppManifest
from ..apps import AppFolder, AppImage, in_words
from ..runners import MB, Layout, Program
from ..runners.image_files import files_of
from .context import check_context
from .trial import Case

MODELS_LABEL = "org.gantry.models"
ROOT = ("", "0", "root")
VARIABLES = {  # of each generation, in this order: input, output, models
    "/etc/holoscan": ("HOLOSCAN_INPUT_PATH", "HOLOSCAN_OUTPUT_PATH", "HOLOSCAN_MODEL_PATH"),
    "/etc/monai": ("MONAI_INPUTPATH", "MONAI_OUTPUTPATH", "MONAI_MODELPATH"),
}


@dataclass(frozen=True)
class Check:
    """One rule of the contract, and what broke it (empty: kept).  `unchecked`: why it was not looked at."""

    name: str
    broken: str = ""
    unchecked: str = ""


def check_declared(app: AppFolder | AppImage, manifest: AppManifest, program: Program) -> Iterator[Check]:
    """What can be said of the app before there are cases to run it on.  Raises what the engine raises."""
    if isinstance(app, AppImage):
        yield _user(app)
        yield Check("says where its folders are", _environment(app))
        yield _image_models(app, manifest)
    else:
        if app.is_context:
            yield Check("is packaged whole", check_context(app, manifest))
        faults = app.model_faults(manifest, program.models, thorough=True)
        yield Check("has its models", in_words(faults, program.models))
    yield Check("asks for what is there", _needs(manifest, program))


def check_series(manifest: AppManifest, program: Program, cases: Sequence[Case]) -> Check:
    """Whether the app says which series it works on, and the cases have one."""
    name = "names its series"
    if program.layout.foreign:
        return Check(name, unchecked="the `series` of its [[route]] says on which it works")
    if not manifest.series.to_config():
        return Check(name, "its series rule is empty: it takes every series there is")
    for letter, case in zip("AB", cases, strict=False):
        try:
            manifest.series.select(case.series)
        except NoMatchingSeries as error:
            return Check(name, f"case {letter}: {error}")
    return Check(name)


def model_hashes(app: AppFolder | AppImage, program: Program, names: Sequence[str]) -> Mapping[str, str]:
    """SHA-256 by name of those of the model files that are known."""
    if isinstance(app, AppImage):
        return _labelled(app) or {}
    there = [name for name in names if (program.models / name).is_file()]
    return {name: known_sha256(program.models / name) for name in there}


def _user(app: AppImage) -> Check:
    user = app.image().user
    if user.partition(":")[0] not in ROOT:
        return Check("runs as a user")
    if app.is_foreign:
        return Check("runs as a user", unchecked="its user is root; the gateway gives it another")
    return Check("runs as a user", f"its user is {user or 'root'}: let its Dockerfile end with USER holoscan")


def _environment(app: AppImage) -> str:
    """Whether the image has the variables of a MAP, and they name folders of its own."""
    variables = app.image().variables
    where = str(app.foreign().folder) if app.is_foreign else "/etc/holoscan"
    layout = app.foreign().layout if app.is_foreign else Layout()
    for name, place in zip(VARIABLES[where], (layout.input, layout.output, layout.models), strict=True):
        if name not in variables:
            return f"the image does not set {name}"
        if not _same(variables[name], place):
            return f"the image sets {name} to {variables[name]}, and it is {place}"
    return ""


def _same(said: str, place: Path) -> bool:
    """A path in a MAP's variables may be relative to its working directory."""
    return Path(said) == place or (not said.startswith("/") and place.match(said.rstrip("/")))


def _image_models(app: AppImage, manifest: AppManifest) -> Check:
    """Whether the model files in the image are those of its label."""
    if app.is_foreign and MODELS_LABEL not in app.image().labels:
        return Check("has its models", unchecked=f"it has no label {MODELS_LABEL} to compare them with")
    labelled = _labelled(app)
    if labelled is None:
        return Check("has its models", f"its label {MODELS_LABEL} is no table of texts in JSON")
    if missing := sorted(set(manifest.models) - set(labelled)):
        return Check("has its models", f"its label {MODELS_LABEL} lacks {', '.join(missing)}")
    return Check("has its models", _other_models(app, labelled) if labelled else "")


def _labelled(app: AppImage) -> dict[str, str] | None:
    """SHA-256 by name as the label says; None where it cannot be read."""
    try:
        said: Any = json.loads(app.image().labels.get(MODELS_LABEL, "{}"))
    except ValueError:
        return None
    texts = isinstance(said, dict) and all(isinstance(sha256, str) for sha256 in said.values())
    return said if texts else None


def _other_models(app: AppImage, labelled: Mapping[str, str]) -> str:
    folder = app.foreign().layout.models if app.is_foreign else Layout().models
    with files_of(app.image().id) as files, tempfile.TemporaryDirectory(prefix="gantry-") as here:
        for number, (name, sha256) in enumerate(sorted(labelled.items())):
            copy = Path(here) / str(number)
            if not files.copy(folder / name, copy) or copy.is_symlink() or not copy.is_file():
                return f"{name} is not in {folder} of the image"
            if known_sha256(copy) != sha256:
                return f"{name} in {folder} of the image has another SHA-256 than its label says"
    return ""


def _needs(manifest: AppManifest, program: Program) -> str:
    needs, there = manifest.needs, psutil.virtual_memory().total // MB
    if needs.memory_mb > there:
        return f"it asks for {needs.memory_mb} MB of memory; this machine has {there}"
    if needs.gpu_use == "required" and not program.gpu:
        return "it cannot do without a GPU, and there is none here"
    return ""


def left_alone(app: AppFolder | AppImage, program: Program) -> list[Path]:
    """The folders that a run must leave as they are."""
    return [app.path, program.models] if isinstance(app, AppFolder) else []


def state_of(folders: Sequence[Path]) -> dict[Path, tuple[int, int]]:
    """Size and time of each file in the folders but for what Python keeps."""
    files = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    wanted = (path for path in files if "__pycache__" not in path.parts)
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in wanted}


def changed(before: Mapping[Path, object], after: Mapping[Path, object]) -> str:
    """Which files came, went or changed, in a sentence."""
    names = sorted(path.name for path in {*before, *after} if before.get(path) != after.get(path))
    return f"a run changed {', '.join(names[:3])} beside the app" if names else ""
