# SPDX-License-Identifier: Apache-2.0
"""The MAPs that the real MONAI Deploy packager makes of our contexts, run hardened as the gateway runs them."""

import json
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest
from app_process import run_app
from conftest import LUNGS
from packageapp.building import MADE, OFFLINE_BASE, Builder, sources
from packaged import ROOT, Podman

APPS = ROOT / "apps"
ORGANS = APPS / "organ_segmentation"
JOB = {"content_datetime": "2026-11-20T09:15:00+00:00"}
PAGE = (
    (APPS / "README.md")
    .read_text()
    .partition("## A MAP\n")[2]
    .split("```sh\n")[1]
    .split("```")[0]
    .splitlines()
)

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def podman(tmp_path_factory) -> Podman:
    """Podman with the base image; without, or where it may run nothing, the tests are skipped, saying so."""
    program = shutil.which("podman")
    if program is None:
        pytest.skip("engine not permitted: podman is not installed")
    made = Podman(program, tmp_path_factory.mktemp("podman"))
    done = made.prepare()
    if done.returncode != 0:
        pytest.skip(f"engine not permitted: {done.stderr.strip()[-200:]}")
    return made


@pytest.fixture(scope="module")
def lungs(podman, tmp_path_factory) -> str:
    """The image of lung_densitometry."""
    done = podman.package(LUNGS, tmp_path_factory.mktemp("lungs"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "lung_densitometry:0.1.0 is made." in done.stdout
    return "lung_densitometry:0.1.0"


@pytest.fixture(scope="module")
def results(podman, lungs, chest_series, tmp_path_factory) -> Path:
    """The folder of the image's results of a phantom."""
    folder = tmp_path_factory.mktemp("results") / "image"
    done = podman.run(lungs, chest_series, folder, JOB)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_its_results_are_those_of_the_app_itself(results, chest_series, tmp_path):
    run_app(LUNGS, chest_series, tmp_path / "direct", **JOB)
    said = [json.loads((folder / "results.json").read_text()) for folder in (results, tmp_path / "direct")]
    assert [one.pop("times").keys() for one in said]
    assert said[0] == said[1]
    assert said[0]["results"]
    for one in said[0]["results"]:
        assert (results / one["file"]).read_bytes() == (tmp_path / "direct" / one["file"]).read_bytes()


def test_it_says_what_it_is_without_being_run(podman, lungs):
    config = podman.inspected(lungs)
    labels = config["Labels"]
    manifest = json.loads(podman("run", "--rm", "--network", "none", lungs, "manifest").stdout)
    assert json.loads(labels["org.gantry.manifest"]) == manifest
    assert json.loads(labels["org.gantry.models"]) == {}
    assert labels["org.opencontainers.image.title"] == "lung_densitometry"
    assert labels["org.opencontainers.image.version"] == manifest["version"]
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert labels["org.opencontainers.image.revision"].removesuffix("-dirty") == commit.stdout.strip()
    assert config["User"] == "holoscan"
    assert config["Entrypoint"] == ["python3", "/opt/holoscan/app"]


def test_it_names_what_is_installed_in_it(podman, lungs):
    done = podman("run", "--rm", "--entrypoint", "cat", lungs, "/etc/holoscan/sbom.cdx.json")
    bill = json.loads(done.stdout)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    assert bill["metadata"]["component"]["name"] == "lung_densitometry"
    listed = {component["purl"] for component in bill["components"]}
    assert f"pkg:pypi/numpy@{version('numpy')}" in listed
    assert len(listed) == len(bill["components"])


def test_it_runs_as_nobody_in_particular(podman, lungs):
    done = podman("run", "--rm", "--entrypoint", "id", lungs)
    assert done.stdout.startswith("uid=1000(holoscan) gid=1000(holoscan)")


def test_it_fails_when_the_app_fails_though_the_packagers_own_entrypoint_does_not(podman, lungs, tmp_path):
    failed = podman.run(lungs, tmp_path / "empty", tmp_path / "out", JOB)
    assert failed.returncode == 2, failed.stderr
    assert json.loads((tmp_path / "out" / "error.json").read_text())["error"] == "NoMatchingSeries"
    wrong = podman("run", "--rm", "--network", "none", lungs, "no-such-argument")
    assert wrong.returncode == 1
    tools = podman(
        "run", "--rm", "--network", "none", "--entrypoint", "/var/holoscan/tools", lungs, "no-such-argument"
    )
    assert "usage: python app.py" in tools.stdout + tools.stderr
    assert tools.returncode == 0


def test_the_two_lines_of_the_page_make_a_map(podman, lungs, tmp_path):
    """As they stand in apps/README.md, but for what a packager without network and Docker must be told."""
    for name in ("scripts", "apps", ".venv"):
        (tmp_path / name).symlink_to(ROOT / name)
    environment = podman.environment | Builder(podman.program, offline=True).environment
    environment |= {key: podman.environment[key] for key in ("CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF")}
    write, package = PAGE
    package += f" --source {sources(tmp_path)} --base-image {OFFLINE_BASE} --build-cache {tmp_path / 'cache'}"
    for line in (write, package):
        done = subprocess.run(
            line, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    [made] = MADE.findall(done.stdout)
    ran = podman(
        "run", "--rm", "--network", "none", "--entrypoint", "python3", made, "/opt/holoscan/app", "manifest"
    )
    assert json.loads(ran.stdout) == json.loads(podman.inspected(lungs)["Labels"]["org.gantry.manifest"])


def test_a_bundle_brings_its_weights(podman, chest_series, tmp_path):
    done = podman.package(ORGANS, tmp_path, "--tag", "organs:test")
    assert done.returncode == 0, done.stdout + done.stderr
    labels = podman.inspected("organs:test")["Labels"]
    [hash_] = json.loads(labels["org.gantry.models"]).values()
    assert hash_ in (ORGANS / "model.lock").read_text()
    done = podman.run("organs:test", chest_series, tmp_path / "out", JOB)
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads((tmp_path / "out" / "results.json").read_text())
    assert said["models"] == {"model.safetensors": hash_}
    assert said["app"]["digest"] == json.loads(labels["org.gantry.manifest"])["digest"]
