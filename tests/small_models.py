# SPDX-License-Identifier: Apache-2.0
"""The fixture that gives a test an app's small models, trained when they are not there."""

import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session", name="test_models")
def _test_models() -> Callable[[str], Path]:
    """test_models("totalsegmentator"): the folder with that app's test models (scripts/make-test-models)."""

    @cache
    def made(app: str) -> Path:
        subprocess.run([ROOT / "scripts" / "make-test-models", app], check=True)
        return ROOT / "build" / "test-models" / app

    return made
