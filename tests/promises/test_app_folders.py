# SPDX-License-Identifier: Apache-2.0
"""Every app in apps/: what its image would install agrees with the project."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = sorted(path.parent for path in (ROOT / "apps").glob("*/README.md"))
BUNDLES = [folder for folder in FOLDERS if (folder / "configs" / "metadata.json").is_file()]
CODE = [folder for folder in FOLDERS if folder not in BUNDLES]


def of(folders: list[Path]) -> pytest.MarkDecorator:
    """The test is for each of these apps."""
    return pytest.mark.parametrize("app", folders, ids=lambda folder: folder.name)


def _pins(path: Path) -> dict[str, str]:
    """The versions that a file of requirements pins, one a line; ValueError where a line pins none."""
    lines = (line for line in path.read_text().splitlines() if line and not line.startswith("#"))
    return {name.lower(): version for name, version in (line.split("==") for line in lines)}


def test_every_folder_is_an_app():
    assert {path for path in (ROOT / "apps").iterdir() if path.is_dir()} == set(FOLDERS)
    assert len(CODE) >= 3


@of(CODE)
def test_the_requirements_are_the_pins_of_the_project(app):
    pins, wanted = _pins(ROOT / "constraints.txt"), _pins(app / "requirements.txt")
    assert {"monai-deploy-app-sdk", "pydicom"} <= wanted.keys()
    assert wanted == {name: pins.get(name) for name in wanted}


@of(BUNDLES)
def test_a_bundle_has_no_code_and_installs_nothing(app):
    assert {"app.py", "requirements.txt"}.isdisjoint(path.name for path in app.iterdir())
