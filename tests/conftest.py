# SPDX-License-Identifier: Apache-2.0
"""What every test may use."""

import os
from pathlib import Path

import pytest

pytest_plugins = ("engine", "orthanc", "dcmtk", "skips", "small_models", "ohif")

ROOT = Path(__file__).parents[1]
SAMPLES = Path(os.environ.get("GANTRY_SAMPLES", ROOT.parent / "shared" / "samples"))


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder of real sample studies; without it the test is skipped, saying so."""
    if not SAMPLES.is_dir():
        pytest.skip("samples absent")
    return SAMPLES
