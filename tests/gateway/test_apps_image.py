# SPDX-License-Identifier: Apache-2.0
"""`gantry apps` with an image in place of a folder."""

import json
import shutil

import pytest
from builders import ct_series
from test_apps_cli import APPS, gantry

from informatics_gateway.apps import MANIFEST_LABEL, AppFolder
from informatics_gateway.runners.describe import describe

pytestmark = pytest.mark.engine


def build(engine, folder, sin: str = "") -> str:
    """The app `copies` in an image, which does this wrong; its name."""
    folder.mkdir()
    shutil.copy(APPS / "copies" / "app.py", folder / "__main__.py")
    (folder / "sin").write_text(sin)
    manifest = json.loads(describe(AppFolder(APPS / "copies").script))
    name = f"gantry-test-copies-{sin.replace(' ', '-') or 'good'}"
    engine.build(name, folder, {MANIFEST_LABEL: manifest})
    return f"localhost/{name}:latest"


@pytest.fixture
def image(engine, tmp_path) -> str:
    return build(engine, tmp_path / "image")


@pytest.fixture
def cases(tmp_path) -> list[str]:
    for name in "ab":
        ct_series(tmp_path / name, slices=3, patient_id=f"PATIENT-{name}", PatientName=f"{name.upper()}^Case")
    return ["--case", str(tmp_path / "a"), "--case", str(tmp_path / "b")]


def test_list_shows_the_images_of_apps_by_digest(image, tmp_path):
    (tmp_path / "apps").mkdir()
    listed = gantry("list", "--apps", tmp_path / "apps", "--images", "--json")
    found = {each["path"].partition("@")[0]: each for each in json.loads(listed.stdout)}
    app = found[image.removesuffix(":latest")]
    assert (app["name"], app["version"], app["models"]) == ("Copies of slices", "2.1", "ready")
    assert app["path"].partition("@sha256:")[2]


def test_run_gives_an_images_results(image, cases, tmp_path):
    done = gantry("run", image, tmp_path / "a", tmp_path / "out", "--json")
    assert json.loads(done.stdout)["app"]["name"] == "Copies of slices"
    assert (tmp_path / "out" / "copy-0.dcm").is_file()


def test_check_passes_an_image_that_keeps_the_contract(image, cases):
    done = gantry("check", image, *cases)
    assert "keeps the contract" in done.stdout


def test_check_fails_an_image_that_keeps_patients_data(engine, cases, tmp_path):
    done = gantry("check", build(engine, tmp_path / "image", "remembers how many"), *cases, expect=1)
    assert "keeps nothing between jobs" in done.stdout


def test_an_image_that_is_not_there_is_named(engine, cases, tmp_path):
    done = gantry("run", "localhost/no-such:1", tmp_path / "a", tmp_path / "out", expect=1)
    assert "There is no image localhost/no-such:1." in done.stderr


def test_an_image_without_the_label_says_so(engine, cases, tmp_path):
    (tmp_path / "bare").mkdir()
    engine.build("gantry-test-bare", tmp_path / "bare")
    done = gantry("run", "localhost/gantry-test-bare:latest", tmp_path / "a", tmp_path / "out", expect=1)
    assert MANIFEST_LABEL in done.stderr
