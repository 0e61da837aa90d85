# SPDX-License-Identifier: Apache-2.0
"""What every test may use, and the order in which files of tests begin."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

pytest_plugins = ("engine", "orthanc", "dcmtk", "skips", "small_models", "ohif")

ROOT = Path(__file__).parents[1]
SAMPLES = Path(os.environ.get("GANTRY_SAMPLES", ROOT.parent / "shared" / "samples"))
# The same examples each time; `HYPOTHESIS_PROFILE=default scripts/test ...` looks for new ones.
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
LONGEST_FIRST = ("line", "apps", "gateway", "operators")  # then the others


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that may take long begin first, so that no core is idle while the other one ends a long file.

    How long: the time-out that a file asks for, then its folder.  The order within a file stays.
    """
    allowed: dict[Path, float] = {}
    for item in items:
        asked = [float(mark.args[0]) for mark in item.iter_markers("timeout")]
        allowed[item.path] = max([allowed.get(item.path, 0.0), *asked])

    def place(item: pytest.Item) -> tuple[float, int]:
        folder = item.path.parent.name
        known = LONGEST_FIRST.index(folder) if folder in LONGEST_FIRST else len(LONGEST_FIRST)
        return -allowed[item.path], known

    items.sort(key=place)


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder of real sample studies; without it the test is skipped, saying so."""
    if not SAMPLES.is_dir():
        pytest.skip("samples absent")
    return SAMPLES
