# SPDX-License-Identifier: Apache-2.0
"""scripts/package-app --context: what the MONAI Deploy packager is given of each app, without an engine."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packageapp.building import Builder
from packageapp.context import write_context
from packageapp.pins import requirements
from packaged import ROOT

APPS = sorted(path.parent for path in (ROOT / "apps").glob("*/model.lock"))
ORGANS = ROOT / "apps" / "organ_segmentation"
PINS = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().lower().splitlines())
# Stands in for the engine: it says what it was asked, and keeps the folder that it was given to build from.
ENGINE = """#!/bin/sh
echo "$@" >> "$KEPT.calls"
case "$*" in
  --version) echo "$NAME" ;;
  "image inspect"*) echo '[{"Id":"sha256:1"}]' ;;
  build*) for last in "$@"; do :; done; cp -R "$last" "$KEPT" ;;
esac
"""


@pytest.fixture
def engine(tmp_path, monkeypatch) -> Path:
    """A program that builds nothing; the folder `kept` beside it is what it was given."""
    program = tmp_path / "engine"
    program.write_text(ENGINE)
    program.chmod(0o755)
    monkeypatch.setenv("KEPT", str(tmp_path / "kept"))
    monkeypatch.setenv("NAME", "podman")
    return program


def _copy(app: Path, folder: Path) -> Path:
    return Path(shutil.copytree(app, folder / app.name, ignore=shutil.ignore_patterns("__pycache__")))


def _pinned(text: str) -> dict[str, str]:
    return dict(line.split("==") for line in text.splitlines())


@pytest.mark.parametrize("app", APPS, ids=lambda app: app.name)
def test_the_context_of_each_app_is_what_the_real_packager_takes(app, tmp_path, engine):
    context = write_context(app, tmp_path / "maps" / app.name)
    builder = Builder(str(engine), offline=True)
    tag = builder.package(context.folder, f"{app.name}:1.2")
    assert tag == f"{app.name}-x64-workstation-dgpu-linux-amd64:1.2"
    given = tmp_path / "kept"
    made = json.loads((given / "map" / "app.json").read_text())
    assert made["command"] == '["python3", "/opt/holoscan/app"]'
    assert made["version"] == context.manifest["version"]
    needs = json.loads((given / "map" / "pkg.json").read_text())["resources"]
    assert needs["memory"] == f"{context.manifest['needs']['memory_mb']}Mi"
    assert (given / "pip" / "requirements.txt").read_text().split() == (
        context.folder / "requirements.txt"
    ).read_text().split()

    command = [sys.executable, "-P", str(given / "app"), "manifest"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert json.loads(said) == context.manifest  # its digest too: no file of the app or of ours is missing


@pytest.mark.parametrize("app", APPS, ids=lambda app: app.name)
def test_everything_is_pinned_as_it_was_tried(app):
    pinned = _pinned(requirements(app))
    own = app / "requirements.txt"
    wanted = re.findall(r"^([\w.-]+)==", own.read_text() if own.is_file() else "", re.MULTILINE)
    assert {name.lower() for name in wanted} <= pinned.keys()
    assert {
        "torch",
        "monai",
        "highdicom",
        "holoscan-cu13",
        "holoscan-cli",
    } <= pinned.keys()  # cli: needed by another
    known = {name.replace("_", "-").replace(".", "-"): version for name, version in PINS.items()}
    assert {name: known.get(name, version) for name, version in pinned.items()} == pinned
