# SPDX-License-Identifier: Apache-2.0
"""The wheel holds every package and every file in it; pins and requirements agree."""

import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT, SETUPTOOLS = PYPROJECT["project"], PYPROJECT["tool"]["setuptools"]
TOP = {name: ROOT / folder for name, folder in SETUPTOOLS["package-dir"].items()}


def _packages() -> dict[str, Path]:
    """Every folder with Python files, by its import name."""
    found = {}
    for top, folder in TOP.items():
        for path in folder.rglob("*.py"):
            inner = path.parent.relative_to(folder).parts
            found[".".join((top, *inner))] = path.parent
    return found


def test_every_package_is_in_the_wheel():
    assert set(SETUPTOOLS["packages"]) == set(_packages())


def test_every_package_has_an_init():
    assert [name for name, folder in _packages().items() if not (folder / "__init__.py").is_file()] == []


def test_every_other_file_is_package_data():
    patterns = SETUPTOOLS["package-data"]
    forgotten = []
    for folder in TOP.values():
        for path in folder.rglob("*"):
            if path.is_file() and path.suffix not in (".py", ".pyc"):
                forgotten += [] if _is_data(path, patterns) else [str(path.relative_to(ROOT))]
    assert forgotten == []


def _is_data(path: Path, patterns: dict[str, list[str]]) -> bool:
    return any(
        fnmatch(path.relative_to(_packages()[package]).as_posix(), pattern)
        for package, globs in patterns.items()
        if path.is_relative_to(_packages()[package])
        for pattern in globs
    )


def _name(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", requirement)[0]).lower()


EXTRAS = PROJECT["optional-dependencies"]
REQUIREMENTS = [*PROJECT["dependencies"], *EXTRAS["apps"], *EXTRAS["ray"], *EXTRAS["dev"]]


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=_name)
def test_every_requirement_is_pinned(requirement):
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split() if "==" in line)
    pinned = {_name(name): version for name, version in pins.items()}
    assert _name(requirement) in pinned
    if "==" in requirement:
        assert requirement.split("==")[1] == pinned[_name(requirement)]


def test_a_bare_gateway_host_gets_no_torch():
    heavy = {"torch", "monai", "monai-deploy-app-sdk", "holoscan-cu13", "ray"}
    assert heavy.isdisjoint(map(_name, PROJECT["dependencies"]))
    assert heavy <= set(map(_name, [*EXTRAS["apps"], *EXTRAS["ray"]]))
