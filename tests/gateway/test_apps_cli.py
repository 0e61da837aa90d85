# SPDX-License-Identifier: Apache-2.0
"""`gantry apps list` and `run`, as processes, with a real app and real DICOM files."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from app_jobs import APP as CONTRACT_ONLY
from builders import ct_series
from pydicom import dcmread

from imaging_data import file_sha256
from informatics_gateway.apps import find_app, find_apps
from informatics_gateway.errors import AppFailed

APPS = Path(__file__).parent / "apps"
GANTRY = Path(sys.executable).with_name("gantry")


def gantry(*arguments: Any, expect: int = 0, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run `gantry apps`, wide enough that no sentence is broken."""
    environment = os.environ | {"COLUMNS": "250"}
    environment.pop("GANTRY_CONFIG", None)
    command = [GANTRY, "apps", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=cwd, check=False)
    assert done.returncode == expect, done.stdout + done.stderr
    return done


@pytest.fixture
def apps(tmp_path) -> Path:
    """A folder with the app `copies`, which can be changed."""
    shutil.copytree(APPS / "copies", tmp_path / "apps" / "copies")
    return tmp_path / "apps"


@pytest.fixture
def study(tmp_path) -> Path:
    """A folder with a series of three slices."""
    ct_series(tmp_path / "study", slices=3)
    return tmp_path / "study"


def sin(apps: Path, what: str) -> None:
    """Let the app do something wrong."""
    (apps / "copies" / "sin").write_text(what)


def test_list_shows_the_apps_of_a_folder(apps):
    shutil.copytree(CONTRACT_ONLY, apps / "contract_only")
    (apps / "notes").mkdir()
    listed = json.loads(gantry("list", "--apps", apps, "--json").stdout)
    assert [each["name"] for each in listed] == ["contract-only", "Copies of slices"]
    copies = listed[1]
    assert (copies["version"], copies["models"], copies["path"]) == ("2.1", "ready", str(apps / "copies"))
    assert copies["series"] == {"Modality": "CT", "SliceThickness": [1, 5]}
    assert copies["digest"] == "d" * 64
    text = gantry("list", "--apps", apps).stdout
    assert "Copies of slices" in text
    assert "ready" in text


def test_list_looks_into_the_folder_apps(apps):
    assert "2.1" in gantry("list", cwd=apps.parent).stdout
    assert "There is no folder apps" in gantry("list", cwd=apps, expect=1).stderr


def test_list_says_when_a_model_is_missing(apps):
    sin(apps, "needs a model")
    [listed] = json.loads(gantry("list", "--apps", apps, "--json").stdout)
    assert (listed["models"], listed["missing"]) == ("missing", ["model.ts"])
    (apps / "copies" / "models").mkdir()
    (apps / "copies" / "models" / "model.ts").touch()
    [listed] = json.loads(gantry("list", "--apps", apps, "--json").stdout)
    assert listed["models"] == "ready"


def test_list_says_when_a_model_is_another_than_the_lock_names(apps, tmp_path):
    sin(apps, "needs a model")
    (tmp_path / "weights" / "copies").mkdir(parents=True)
    (tmp_path / "weights" / "copies" / "model.ts").write_bytes(b"weights")
    name_it = f'[[model]]\nname = "model.ts"\nsha256 = "{"a" * 64}"\n'
    (apps / "copies" / "model.lock").write_text(name_it)
    for models in (tmp_path / "weights", tmp_path / "weights" / "copies"):
        told = gantry("list", "--apps", apps, "--models", models, "--json").stdout
        [listed] = json.loads(told)
        assert (listed["models"], listed["wrong"], listed["missing"]) == ("wrong", ["model.ts"], [])


@pytest.mark.parametrize(
    ("what", "said"), [("prints no manifest", "Invalid JSON"), ("names no needs", "needs.cpu")]
)
def test_list_names_an_app_that_cannot_say_what_it_is_and_shows_the_others(apps, what, said):
    shutil.copytree(CONTRACT_ONLY, apps / "contract_only")
    sin(apps, what)
    done = gantry("list", "--apps", apps, expect=1)
    assert said in done.stdout
    assert "contract-only" in done.stdout
    listed = json.loads(gantry("list", "--apps", apps, "--json", expect=1).stdout)
    assert [bool(each["error"]) for each in listed] == [False, True]
    assert listed[1]["name"] == "copies"


def test_run_leaves_results_and_prints_what_they_are(apps, study, tmp_path):
    done = gantry("run", "copies", study, tmp_path / "out", "--apps", apps)
    assert sorted(os.listdir(tmp_path / "out")) == ["app.log", "copy-0.dcm", "results.json"]
    result = dcmread(tmp_path / "out" / "copy-0.dcm")
    for said in (
        result.SOPInstanceUID,
        "secondary-capture",
        "copy-0.dcm",
        "slices",
        "nothing found",
        "3 instances",
    ):
        assert str(said) in done.stdout
    assert "predict 0." in done.stdout


def test_run_as_json(apps, study, tmp_path):
    (study / "notes.txt").write_text("not DICOM")
    (study / "DICOMDIR").write_bytes(b"\0" * 200)
    told = json.loads(gantry("run", "copies", study, tmp_path / "out", "--apps", apps, "--json").stdout)
    assert (told["instances"], told["skipped"]) == (3, 2)
    assert told["results"][0]["sha256"] == file_sha256(tmp_path / "out" / "copy-0.dcm")
    assert told["measurements"] == [{"name": "slices", "value": 3, "unit": "1", "site": None}]
    assert told["app"]["name"] == "Copies of slices"
    assert told["wall_s"] > 0


@pytest.mark.parametrize("name", ["copies", "Copies of slices", "PATH"])
def test_an_app_is_found_by_folder_by_its_own_name_and_by_path(apps, name):
    wanted = str(apps / "copies") if name == "PATH" else name
    assert find_app(wanted, apps).path == apps / "copies"


def test_run_skips_and_counts_what_is_not_dicom(apps, study, tmp_path):
    (study / "notes.txt").write_text("not DICOM")
    done = gantry("run", apps / "copies", study, tmp_path / "out")
    assert "3 instances; skipped what is not DICOM: 1 file" in done.stdout


def test_run_does_not_touch_the_input(apps, study, tmp_path):
    before = {
        path: (file_sha256(path), path.stat().st_nlink, path.stat().st_mode) for path in study.iterdir()
    }
    gantry("run", "copies", study, tmp_path / "out", "--apps", apps)
    assert before == {
        path: (file_sha256(path), path.stat().st_nlink, path.stat().st_mode) for path in study.iterdir()
    }


def test_run_names_the_command_that_fetches_a_missing_model(apps, study, tmp_path):
    sin(apps, "needs a model")
    done = gantry("run", "Copies of slices", study, tmp_path / "out", "--apps", apps, expect=1)
    assert "model.ts" in done.stderr
    assert "scripts/fetch-models copies" in done.stderr
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "model.ts").touch()
    gantry("run", "copies", study, tmp_path / "out", "--apps", apps, "--models", tmp_path / "weights")


def test_a_models_folder_is_meant_from_where_the_command_is_run(apps):
    folder = find_app("copies", apps)
    assert folder.program(folder.manifest(), Path("models")).models == Path.cwd() / "models"


def test_run_of_an_app_that_fails_is_its_sentence_and_its_log(apps, study, tmp_path):
    sin(apps, "fails")
    done = gantry("run", "copies", study, tmp_path / "out", "--apps", apps, expect=1)
    assert "The app ended with an error. ValueError: the sum is wrong" in done.stderr
    assert "Traceback" not in done.stderr
    assert os.listdir(tmp_path / "out") == ["app.log"]
    assert "Traceback" in (tmp_path / "out" / "app.log").read_text()


def test_run_wants_an_empty_output(apps, study, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old.dcm").touch()
    assert "is not empty" in gantry("run", "copies", study, tmp_path / "out", "--apps", apps, expect=1).stderr


def test_run_wants_dicom_files(apps, tmp_path):
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "notes.txt").touch()
    done = gantry("run", "copies", tmp_path / "study", tmp_path / "out", "--apps", apps, expect=1)
    assert "holds no DICOM file (1 others)" in done.stderr
    gantry("run", "copies", tmp_path / "nowhere", tmp_path / "out2", "--apps", apps, expect=2)


def test_the_same_file_twice_is_one_instance_and_two_under_one_uid_are_refused(apps, study, tmp_path):
    first = sorted(study.iterdir())[0]
    shutil.copy(first, study / "copy.dcm")
    told = json.loads(gantry("run", "copies", study, tmp_path / "out", "--apps", apps, "--json").stdout)
    assert told["instances"] == 3
    changed = dcmread(first)
    changed.InstanceNumber = 77
    changed.save_as(study / "copy.dcm")
    done = gantry("run", "copies", study, tmp_path / "out2", "--apps", apps, expect=1)
    assert "copy.dcm" in done.stderr
    assert "differ" in done.stderr


def test_an_app_that_is_not_there_is_said_with_those_that_are(apps, study, tmp_path):
    done = gantry("run", "spleen", study, tmp_path / "out", "--apps", apps, expect=1)
    assert "There is no app 'spleen'" in done.stderr
    assert "there is: copies" in done.stderr


def test_a_folder_that_is_no_app_says_what_it_lacks(tmp_path):
    assert find_apps(tmp_path / "nowhere") == []
    with pytest.raises(AppFailed, match="there is: none"):
        find_app(str(tmp_path), tmp_path)
