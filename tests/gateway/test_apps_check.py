# SPDX-License-Identifier: Apache-2.0
"""`gantry apps check` catches every sin by name, and lets an app without one pass."""

import json
import shutil
import subprocess

import pytest
from checked import make_cases, make_results
from mutations import MUTATIONS
from test_apps_cli import apps, gantry, sin
from typer.testing import CliRunner

from imaging_data import SeriesRule, find_instances
from informatics_gateway.apps import AppFolder
from informatics_gateway.cli import contract
from informatics_gateway.cli.apps import app
from informatics_gateway.cli.contract import check_app
from informatics_gateway.cli.samples import find_cases
from informatics_gateway.runners.sealed import why_not

__all__ = ["apps"]


@pytest.fixture
def cases(apps, tmp_path):
    """Two cases, on which the app `copies` has real results."""
    made = make_cases(tmp_path)
    make_results(apps / "copies", made)
    return made


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
        "run 1 (A, cold): input.hash is not that of the series' 4",
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
    ("takes everything", "names its series", "its series rule is empty"),
    ("takes MR", "names its series", "case A: "),
    ("wants all memory", "asks for what is there", "it asks for 1073741824 MB of memory; this machine has "),
    ("wants a GPU", "asks for what is there", "it cannot do without a GPU, and there is none here"),
    ("writes elsewhere", "writes to its output only", "[Errno 30] Read-only file system: "),
    ("writes elsewhere if it can", "writes to its output only", "a run changed patients.txt beside the app"),
    ("calls home", "needs no network", "[Errno 101] Network is unreachable"),
    ("calls home if it can", "needs no network", "run 1 (A, cold): it asked for the network, 1 times"),
]


SEALED = ("needs no network", "writes to its output only")


@pytest.mark.parametrize(("what", "name", "cause"), SINS, ids=[what for what, _, _ in SINS])
def test_a_sin_is_caught_by_name(apps, cases, tmp_path, monkeypatch, what, name, cause):
    if name in SEALED and why_not():
        pytest.skip("namespaces are not permitted here")
    sin(apps, what)
    if what == "wants a GPU":
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    found = broken(apps, cases, tmp_path)
    assert cause in found[name]
    if not what.startswith(("rolls", "new", "is edited")):
        assert set(found) - {"leaves valid results"} == {name}


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


def test_an_app_may_carry_its_cases(apps, cases, tmp_path):
    for case in cases:
        shutil.copytree(case, apps / "copies" / "sample" / case.name)
    assert broken(apps, [], tmp_path) == {}


def test_without_a_case_that_the_rule_takes_it_says_where_they_come_from(apps, tmp_path):
    found = broken(apps, [], tmp_path)
    assert list(found) == ["has a case to run on"]
    assert "takes none of the phantoms (ct, radiograph)" in found["has a case to run on"]
    assert "--case" in found["has a case to run on"]


@pytest.mark.parametrize(
    "name", ["mirrored", "another_name", "nothing_about_research", "a_frame_off_its_slice"]
)
def test_a_result_that_the_gateway_would_refuse_is_caught(apps, cases, tmp_path, name):
    [mutation] = [each for each in MUTATIONS if each.name == name]
    make_results(apps / "copies", cases, lambda dataset: mutation.spoil(dataset, lambda places: 0))
    found = broken(apps, cases, tmp_path)
    assert list(found) == ["leaves valid results"]
    assert mutation.says in found["leaves valid results"]


def test_a_radiograph_is_made_for_an_app_that_takes_radiographs(apps, tmp_path):
    rule = SeriesRule(Modality={"CR", "DX"})
    folders = find_cases(AppFolder(apps / "copies"), rule, [], tmp_path / "made")
    [first, second] = [find_instances(folder).series[0].datasets[0] for folder in folders]
    assert (first.Modality, second.Modality) == ("DX", "DX")
    assert first.PatientID != second.PatientID


def test_a_models_hash_is_looked_at_before_and_after_a_run(apps, cases, tmp_path):
    models = apps / "copies" / "models"
    models.mkdir()
    (models / "model.ts").write_bytes(b"weights")
    sin(apps, "lies about its model")
    assert "the model model.ts than it has" in broken(apps, cases, tmp_path)["describes its files"]
    (apps / "copies" / "model.lock").write_text(f'[[model]]\nname = "model.ts"\nsha256 = "{"a" * 64}"\n')
    shutil.rmtree(tmp_path / "work")
    assert "model.ts has SHA-256 " in broken(apps, cases, tmp_path)["has its models"]


def test_where_a_seal_is_not_permitted_that_is_said(apps, cases, monkeypatch):
    monkeypatch.setattr(contract, "why_not", lambda: "Operation not permitted")
    words = ["check", "copies", "--apps", apps, "--case", cases[0], "--case", cases[1]]
    done = CliRunner().invoke(app, [*map(str, words), "--json"])
    assert done.exit_code == 0
    told = {each["check"]: (each["passed"], each["cause"]) for each in json.loads(done.stdout)}
    unchecked = {name for name, said in told.items() if said == (None, "Operation not permitted")}
    assert unchecked == set(SEALED)
    assert {passed for name, (passed, _) in told.items() if name not in SEALED} == {True}


def test_nothing_of_the_check_runs_on(apps, cases, tmp_path):
    broken(apps, cases, tmp_path)
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(apps) not in listed
