# SPDX-License-Identifier: Apache-2.0
"""The folder that the packager makes a MAP from: the app, what runs it, our packages, and what pip installs."""

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imaging_data
import imaging_operators
from informatics_gateway.apps import AppFolder
from informatics_gateway.runners.describe import describe

from .models import files, verified
from .pins import requirements

PACKAGES = (imaging_data, imaging_operators)  # on no index
IMAGE = Path(__file__).parent / "image"
APP_YAML = """%YAML 1.2
---
application:
  title: {name}
  version: {version}
  input-formats: ["file"]
  output-formats: ["file"]
resources:
  cpu: {cpu}
  gpu: {gpu}
  memory: {memory_mb}Mi
"""


@dataclass(frozen=True)
class Context:
    """What was written of the app in `source`: the folder, its manifest, the SHA-256 by name of its model files."""

    source: Path
    folder: Path
    manifest: dict[str, Any]
    models: dict[str, str]

    @property
    def app(self) -> str:
        """The name of the app's folder."""
        return self.source.name

    @property
    def missing(self) -> list[str]:
        """Model files that the app declares and that were not there."""
        return [name for name in self.manifest["models"] if name not in self.models]


def write_context(app: Path, folder: Path) -> Context:
    """Write the context of the app into `folder`, whole or not at all, in place of what was there.

    Raises NotPackaged; GantryError for an app that does not describe itself; BadModelLock.
    """
    manifest = json.loads(describe(AppFolder(app).script))
    models = verified(app, manifest["models"])
    pins = requirements(app)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as hidden:
        made = Path(hidden) / folder.name
        _write(made, app, manifest, files(app, list(models)))
        (made / "requirements.txt").write_text(pins)
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)
    return Context(app, folder, manifest, models)


def _write(made: Path, app: Path, manifest: dict[str, Any], models: list[str]) -> None:
    _copy(app, made / "apps" / app.name, "models")
    for name in models:
        target = made / "apps" / app.name / "models" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(app / "models" / name, target)
    for package in PACKAGES:
        source = Path(package.__path__[0])
        _copy(source, made / "packages" / source.name)
    shutil.copyfile(IMAGE / "entry.py", made / "__main__.py")
    shutil.copyfile(IMAGE / "sbom.py", made / "sbom.py")
    (made / "manifest.json").write_text(json.dumps(manifest))
    (made / "app.yaml").write_text(_app_yaml(manifest))


def _copy(source: Path, target: Path, *left_out: str) -> None:
    """The folder's tree but for what Python and editors leave, and what is named for its top."""

    def ignore(folder: str, names: list[str]) -> set[str]:
        top = left_out if Path(folder) == source else ()
        return {name for name in names if name.startswith((".", "__pycache__")) or name in top}

    shutil.copytree(source, target, ignore=ignore)


def _app_yaml(manifest: dict[str, Any]) -> str:
    """What the packager reads.  JSON's texts are YAML's too."""
    needs = manifest["needs"]
    texts = {key: json.dumps(manifest[key]) for key in ("name", "version")}
    gpu = int(needs["gpu_memory_mb"] > 0 or needs.get("gpu") in ("required", "preferred"))
    return APP_YAML.format(**texts, cpu=needs["cpu"], gpu=gpu, memory_mb=needs["memory_mb"])
