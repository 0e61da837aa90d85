# SPDX-License-Identifier: Apache-2.0
"""`gantry apps check` catches every sin by name, and lets an app without one pass."""

import json
import subprocess

import pytest
from builders import ct_series
from test_apps_cli import apps, gantry, sin

from informatics_gateway.apps import AppFolder
from informatics_gateway.cli.contract import check_app

__all__ = ["apps"]


@pytest.fixture
def cases(tmp_path):
    for name in "ab":
        ct_series(tmp_path / name, slices=3, patient_id=f"PATIENT-{name}", PatientName=f"{name.upper()}^Case")
    return [tmp_path / "a", tmp_path / "b"]


def broken(apps, cases, tmp_path) -> dict[str, str]:
    """The checks that the app does not pass, and why."""
    (tmp_path / "work").mkdir()
    found = list(check_app(AppFolder(apps / "copies"), None, cases, tmp_path / "work"))
    assert list((tmp_path / "work").glob("warm.*")) == []
    return {check.name: check.broken for check in found if check.broken}


def test_an_app_without_sin_passes(apps, cases, tmp_path):
    assert broken(apps, cases, tmp_path) == {}


SINS = [
    ("prints no manifest", "prints its manifest", "Invalid JSON"),
    ("names no needs", "prints its manifest", "needs.cpu: Field required"),
    ("needs a model", "has its models", "Run `scripts/fetch-models copies`."),
    ("fails", "runs cold", "run 1 (A, cold): The app ended with an error. ValueError: the sum is wrong"),
    ("no manifest", "runs cold", "run 1 (A, cold): The app ended without writing results.json"),
    (
        "wrong input hash",
        "names its input by its hash",
        "run 1 (A, cold): input.hash is not that of the series' 3",
    ),
    ("another patient", "keeps patient and study", "run 1 (A, cold): copy-0.dcm carries another PatientID"),
    ("writes half a file", "runs cold", "run 1 (A, cold): The DICOM instance cannot be read"),
    ("wrong file hash", "describes its files", "run 1 (A, cold): copy-0.dcm has another sha256"),
    (
        "rolls dice",
        "same input, same results",
        "run 1 (A, cold) and run 3 (A, cold) differ: copy-0.dcm, in its con",
    ),
    ("new identifiers", "same input, same results", "in UIDs, dates or times only"),
    (
        "remembers how many",
        "keeps nothing between jobs",
        "run 2 (B, cold) and run 2 (B, warm) differ: copy-0.dcm, in",
    ),
    ("is edited", "same input, same results", "the app itself changed meanwhile"),
    ("counts patients", "keeps nothing between jobs", "differ: measurements or findings in results.json"),
    ("exits 0 on failure", "says when it fails", "with an empty input its exit status is 0"),
]


@pytest.mark.parametrize(("what", "name", "cause"), SINS, ids=[what for what, _, _ in SINS])
def test_a_sin_is_caught_by_name(apps, cases, tmp_path, what, name, cause):
    sin(apps, what)
    found = broken(apps, cases, tmp_path)
    assert cause in found[name]
    if not what.startswith(("rolls", "new", "is edited")):
        assert list(found) == [name]


def test_an_app_that_keeps_its_first_patient_is_caught(apps, cases, tmp_path):
    sin(apps, "keeps the first patient")
    found = broken(apps, cases, tmp_path)
    assert "run 2 (B, warm): copy-0.dcm carries another PatientID" in found["keeps patient and study"]
    assert "run 2 (B, cold) and run 2 (B, warm) differ" in found["keeps nothing between jobs"]


def test_the_command_shows_a_table_and_fails_with_the_cause(apps, cases):
    options = ["--case", cases[0], "--case", cases[1], "--apps", apps]
    done = gantry("check", "copies", *options)
    assert "keeps nothing between jobs" in done.stdout
    assert "copies keeps the contract." in done.stdout
    sin(apps, "exits 0 on failure")
    done = gantry("check", "copies", *options, expect=1)
    assert "copies: says when it fails: with an empty input its exit status is 0" in done.stdout
    told = json.loads(gantry("check", "copies", *options, "--json", expect=1).stdout)
    assert [each["check"] for each in told if not each["passed"]] == ["says when it fails"]


def test_two_cases_are_wanted(apps, cases):
    assert "give two cases" in gantry("check", "copies", "--case", cases[0], "--apps", apps, expect=2).stderr
    gantry("check", "copies", "--apps", apps, expect=2)


def test_nothing_of_the_check_runs_on(apps, cases, tmp_path):
    broken(apps, cases, tmp_path)
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(apps) not in listed
