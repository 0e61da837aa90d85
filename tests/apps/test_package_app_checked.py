# SPDX-License-Identifier: Apache-2.0
"""The image that the MONAI Deploy packager makes of each app keeps the contract, by `gantry apps check`."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from packaged import ROOT, Packager

from imaging_data.phantom import thorax, thorax_grid, write_series

GANTRY = Path(sys.executable).with_name("gantry")
APPS = sorted(path.parent for path in (ROOT / "apps").glob("*/model.lock"))
FETCHED = ("chest_xray", "totalsegmentator")  # their models are; here are ours, trained on phantoms

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def small_cases(tmp_path_factory) -> list[Path]:
    """Two patients' series that take little time."""
    folders = [tmp_path_factory.mktemp("case") for _ in "AB"]
    for number, folder in enumerate(folders, 1):
        rendered = thorax(number).render(thorax_grid(10, 48), noise_hu=20.0, seed=number)
        write_series(rendered, folder, patient_id=f"CHECK-{number}")
    return folders


@pytest.fixture
def whole(test_models, tmp_path) -> Callable[[Path], Path]:
    """whole(APP): the app's folder with its models in it."""

    def made(app: Path) -> Path:
        if app.name not in FETCHED:
            return app
        folder = tmp_path / app.name
        shutil.copytree(app, folder, ignore=shutil.ignore_patterns("models", "__pycache__"))
        shutil.copytree(test_models(app.name), folder / "models")
        return folder

    return made


@pytest.mark.parametrize("app", APPS, ids=lambda app: app.name)
def test_it_keeps_the_contract(podman, app, whole, small_cases):
    packager = Packager()
    image = packager.packaged(whole(app))
    cases = [] if app.name == "chest_xray" else [f"--case={case}" for case in small_cases]
    done = packager.do(GANTRY, "apps", "check", image, *cases, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert {check["passed"] for check in found} == {True}
    assert {"has its models", "runs warm", "keeps nothing between jobs"} <= {
        check["check"] for check in found
    }
