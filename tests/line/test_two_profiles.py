# SPDX-License-Identifier: Apache-2.0
"""One button, two profiles of one app: two jobs, two results, side by side; what the app lacks is refused at start."""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from builders import ct_series
from gateway_process import Gateway
from pydicom import dcmread

APP = Path(__file__).parents[1] / "operators" / "apps" / "profiled"
GANTRY = Path(sys.executable).with_name("gantry")
TABLES = f"""
[[destination]]
name = "files"
kind = "folder"
path = "results"
clinical = false
[[app]]
name = "profiled"
path = "{APP}"
runner = "warm"
"""
ROUTE = """
[[route]]
called_ae_title = "COUNT"
app = "profiled"
profile = "{}"
destinations = ["files"]
"""


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A gateway that has counted one series in both profiles."""
    folder = tmp_path_factory.mktemp("line")
    gateway = Gateway(folder / "gateway", TABLES + ROUTE.format("bright") + ROUTE.format("every"))
    gateway.start()
    paths = ct_series(folder / "ct", slices=3)
    assert gateway.send(paths, called="COUNT") == {path.name for path in paths}
    assert gateway.wait_ended(2, seconds=280) == ["delivered", "delivered"], gateway.events()
    yield gateway, folder / "ct"
    gateway.kill()


def test_each_profile_has_its_own_results(done):
    gateway, _ = done
    shown = {number: gateway.cli("jobs", "show", str(number), "--json") for number in (1, 2)}
    assert {job["profile"]: job["route"] for job in shown.values()} == {
        "bright": "COUNT/profiled/bright",
        "every": "COUNT/profiled/every",
    }
    reports = [dcmread(job["results"][0]["path"]) for job in shown.values()]
    assert reports[0].SOPInstanceUID != reports[1].SOPInstanceUID
    assert len(list((gateway.folder / "results").rglob("*.dcm"))) == 2


def test_the_profile_is_shown(done):
    gateway, source = done
    assert "profiled, profile bright, is delivered" in gateway.cli("jobs", "show", "1")
    page = httpx.get(f"http://127.0.0.1:{gateway.web_port}/jobs/2").text
    assert "profile every" in page
    tried = gateway.cli("routes", "test", str(source), "--json")["verdicts"]
    assert [verdict["profile"] for verdict in tried if verdict["matches"]] == ["bright", "every"]


def test_the_apps_progress_is_in_its_jobs_history(done):
    gateway, _ = done
    for job in (1, 2):
        told = [text for text in gateway.events(job) if text.startswith("progress: ")]
        assert told == ["progress: read", "progress: predict", "progress: write"]


def test_a_profile_that_the_app_lacks_is_refused_at_start(tmp_path):
    gateway = Gateway(tmp_path, TABLES + ROUTE.format("dark"))
    for command in (("serve",), ("routes", "test", str(tmp_path))):
        said = gateway.cli(*command, expect=1)
        assert f"{gateway.config}: route.0.profile: " in said.replace("\n", "")
        assert "profiled has not 'dark' but: bright, every" in said


def gantry(*arguments: object, expect: int = 0) -> subprocess.CompletedProcess[str]:
    command = [GANTRY, "apps", *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"COLUMNS": "250"}, check=False
    )
    assert done.returncode == expect, done.stdout + done.stderr
    return done


def test_an_app_is_run_by_hand_in_a_profile(tmp_path):
    ct_series(tmp_path / "ct", slices=2)
    ran = ("run", APP, tmp_path / "ct")
    assert (
        "profiled 1.0, profile every, ran on 2 instances"
        in gantry(*ran, tmp_path / "out", "--profile", "every").stdout
    )
    said = gantry(*ran, tmp_path / "none", "--profile", "dark", expect=1).stderr
    assert said.startswith("The app has no such profile. profiled has not 'dark' but: bright, every.")
    assert not (tmp_path / "none").exists()
    [listed] = [
        each for each in json.loads(gantry("list", "--apps", APP.parent, "--json").stdout) if each["profiles"]
    ]
    assert list(listed["profiles"]) == ["bright", "every"]
    assert "bright, every" in gantry("list", "--apps", APP.parent).stdout
