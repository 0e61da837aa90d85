# SPDX-License-Identifier: Apache-2.0
"""`gantry apps check` on apps of ours: one on the bare contract, and one on MONAI Deploy that breaks rule 10."""

import subprocess
from pathlib import Path

import pytest
from builders import ct_series

from informatics_gateway.apps import AppFolder
from informatics_gateway.cli.contract import check_app

ROOT = Path(__file__).parents[2]
APPS = ROOT / "tests" / "operators" / "apps"


@pytest.fixture
def cases(tmp_path):
    for number, name in enumerate("ab"):
        ct_series(tmp_path / name, slices=4, patient_id=f"CASE-{name}", WindowCenter=number)
    return [tmp_path / "a", tmp_path / "b"]


def broken(name: str, cases: list[Path], work: Path) -> dict[str, str]:
    """The checks that the app does not pass, and why."""
    work.mkdir()
    checks = check_app(AppFolder(APPS / name), None, cases, work)
    return {check.name: check.broken for check in checks if check.broken}


def test_an_app_on_the_bare_contract_keeps_it(cases, tmp_path):
    assert broken("torch_free", cases, tmp_path / "work") == {}


@pytest.mark.timeout(900)  # it starts MONAI Deploy five times, at a guest's priority
def test_an_app_that_keeps_its_first_volume_is_caught(tmp_path, cases):
    different = ct_series(tmp_path / "c", slices=4, patient_id="CASE-c", RescaleIntercept="-500")
    found = broken("keeps_patient_data", [cases[0], different[0].parent], tmp_path / "work")
    assert list(found) == ["keeps nothing between jobs"]
    assert (
        "run 2 (B, cold) and run 2 (B, warm) differ: text-report-0.dcm, in its"
        in (found["keeps nothing between jobs"])
    )


def test_the_script_checks_each_app_on_phantoms_and_fails_when_one_does(tmp_path):
    app = tmp_path / "broken"
    app.mkdir()
    (app / "app.py").write_text("print({})\n")
    command = [ROOT / "scripts" / "check-apps", app, APPS / "torch_free"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "broken: prints its manifest: " in done.stdout
    assert "torch_free keeps the contract." in done.stdout
