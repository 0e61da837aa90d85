# SPDX-License-Identifier: Apache-2.0
"""What `scripts/package-app NAME --context` writes, checked without an engine: what the packager makes a MAP from."""

import json
import re
from collections.abc import Iterator

from ..app_manifest import AppManifest
from ..apps import CONTEXT, AppFolder
from ..runners.describe import describe

PACKAGES = ("imaging_data", "imaging_operators")  # on no index, so they travel along
OTHERS = ("requirements.txt", "app.yaml", "sbom.py")
PINNED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[\w,-]+\])?==[^\s;]+(\s*;.*)?")
RUNS_GRAPHS = "holoscan"  # installed by the packager too, in another version where it is not pinned


def check_context(app: AppFolder, manifest: AppManifest) -> str:
    """The first thing that is wrong with it, in a sentence; "" for nothing."""
    return next((sentence for sentence in _wrong(app, manifest) if sentence), "")


def _wrong(app: AppFolder, manifest: AppManifest) -> Iterator[str]:
    for name in PACKAGES:
        if not (app.path / "packages" / name / "__init__.py").is_file():
            yield f"packages/{name} is missing"
    for name in OTHERS:
        if not (app.path / name).is_file():
            yield f"{name} is missing"
            return
    if json.loads(describe(app.script)) != _kept(app):
        yield f"{CONTEXT} is not what the app says of itself now: write it anew"
    yield from _requirements((app.path / "requirements.txt").read_text())
    yield from _yaml((app.path / "app.yaml").read_text(), manifest)


def _kept(app: AppFolder) -> object:
    try:
        kept: object = json.loads((app.path / CONTEXT).read_text())
    except ValueError:
        return None
    return kept


def _requirements(text: str) -> Iterator[str]:
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    for line in lines:
        if not PINNED.fullmatch(line):
            yield f"requirements.txt does not pin {line!r}"
    if not any(line.startswith(RUNS_GRAPHS) for line in lines):
        yield f"requirements.txt does not pin {RUNS_GRAPHS}"


def _yaml(text: str, manifest: AppManifest) -> Iterator[str]:
    for key, wanted in (("title", manifest.name), ("version", manifest.version)):
        found = re.search(rf"^\s+{key}:\s*(.+?)\s*$", text, re.MULTILINE)
        if found is None or found[1].strip("\"'") != wanted:
            yield f"app.yaml says another {key} than the app"
