# SPDX-License-Identifier: Apache-2.0
"""Who may import whom: import-linter's contracts in pyproject.toml hold, and each of them bites."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYPROJECT = ROOT / "pyproject.toml"
PACKAGES = {
    "imaging_data": ROOT / "operators/src/imaging_data",
    "imaging_operators": ROOT / "operators/src/imaging_operators",
    "informatics_gateway": ROOT / "informatics-gateway/src/informatics_gateway",
}
APART = "The gateway and the operators never import each other"
DATA = "imaging_data imports neither, and no network, torch or MONAI"
LAYERS = "The line is layered, and its steps do not import each other"
MAP = "What runs inside a MAP is layered: nothing imports in a circle"
SQL = "Only the store speaks SQL"
DIMSE = "Only receive and destinations/dimse speak DIMSE"
RAY = "Only the ray runner imports Ray"
MONAI = "Only the graph imports MONAI Deploy"

# A module, the import that it must not have, and the contract that says so.
BREAKS = [
    ("informatics_gateway.validate", "import imaging_operators", APART),
    ("imaging_operators.app", "import informatics_gateway.config", APART),
    ("imaging_data.volume", "import imaging_operators", DATA),
    ("imaging_data.hashing", "import torch", DATA),
    ("informatics_gateway.route", "import informatics_gateway.execute", LAYERS),
    ("informatics_gateway.store", "import informatics_gateway.pipeline", LAYERS),
    ("informatics_gateway.model", "import informatics_gateway.config", LAYERS),
    ("imaging_operators.results.base", "import imaging_operators.app", MAP),
    ("imaging_operators.loaded", "import imaging_operators.execution", MAP),
    ("imaging_operators.app", "import imaging_operators.bundle", MAP),
    ("informatics_gateway.deliver", "import sqlite3", SQL),
    ("informatics_gateway.execute", "import pynetdicom", DIMSE),
    ("informatics_gateway.destinations.dicomweb", "import pynetdicom", DIMSE),
    ("imaging_operators.app", "import monai.deploy.core", MONAI),
    ("informatics_gateway.runners.ray_runner", "import ray", RAY),
    ("informatics_gateway.execute", "import ray", RAY),
]


def _contracts() -> list[dict]:
    return tomllib.loads(PYPROJECT.read_text())["tool"]["importlinter"]["contracts"]


def _lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [
        Path(sys.executable).with_name("lint-imports"),
        "--config",
        folder / "pyproject.toml",
        "--no-cache",
    ]
    environment = os.environ | {"PYTHONPATH": str(folder), "COLUMNS": "200"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def _file(folder: Path, module: str) -> Path:
    path = folder.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    """A copy of the three packages side by side, with the contracts."""
    folder = tmp_path_factory.mktemp("tree")
    for name, source in PACKAGES.items():
        shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PYPROJECT, folder)
    return folder


def test_the_contracts_hold(tree):
    done = _lint(tree)
    assert done.returncode == 0, done.stdout
    assert f"{len(_contracts())} kept, 0 broken" in done.stdout


@pytest.mark.parametrize(("module", "line", "contract"), BREAKS)
def test_a_contract_bites(tree, module, line, contract):
    path = _file(tree, module)
    intact = path.read_bytes()
    path.write_bytes(intact + f"\n{line}\n".encode())
    try:
        done = _lint(tree)
    finally:
        path.write_bytes(intact)
    assert done.returncode == 1, done.stdout
    assert f"{contract} BROKEN" in done.stdout


def test_every_contract_is_shown_to_bite():
    assert {contract for _, _, contract in BREAKS} == {contract["name"] for contract in _contracts()}


def test_every_module_of_the_gateway_is_in_a_layer():
    layers = next(contract for contract in _contracts() if contract["type"] == "layers")["layers"]
    named = {name.strip() for layer in layers for name in layer.split("|")}
    there = {path.stem for path in PACKAGES["informatics_gateway"].iterdir() if path.suffix in ("", ".py")}
    assert there - {"__init__", "__main__", "__pycache__"} <= named
