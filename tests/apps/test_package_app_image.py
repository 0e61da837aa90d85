# SPDX-License-Identifier: Apache-2.0
"""The MAPs that the real MONAI Deploy packager makes of our contexts, run hardened as the gateway runs them."""

import json
import re
import subprocess
from importlib.metadata import version

import pytest
from app_process import run_app
from packageapp.building import MADE, OFFLINE_BASE, Builder, sources
from packaged import ROOT, Packager

from informatics_gateway.apps import AppImage
from informatics_gateway.cli.declared import check_declared
from informatics_gateway.runners import Layout
from informatics_gateway.runners.engine import find_engine

APPS = ROOT / "apps"
LUNGS, ORGANS = APPS / "lung_densitometry", APPS / "organ_segmentation"
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
def packager(podman) -> Packager:
    """Podman with packages."""
    return Packager()


@pytest.fixture(scope="module")
def lungs(packager) -> str:
    """The image of lung_densitometry."""
    return packager.packaged(LUNGS)


@pytest.fixture(scope="module")
def organs(packager) -> str:
    """The image of organ_segmentation, a bundle with weights."""
    return packager.packaged(ORGANS)


def test_its_results_are_those_of_the_app_itself(packager, lungs, chest_series, tmp_path):
    done = packager.run_hardened(lungs, chest_series, tmp_path / "image", JOB)
    assert done.returncode == 0, done.stdout + done.stderr
    run_app(LUNGS, chest_series, tmp_path / "direct", **JOB)
    image, direct = (tmp_path / name for name in ("image", "direct"))
    said = [json.loads((folder / "results.json").read_text()) for folder in (image, direct)]
    assert [one.pop("times").keys() for one in said]
    assert said[0] == said[1]
    assert said[0]["results"]
    for one in said[0]["results"]:
        assert (image / one["file"]).read_bytes() == (direct / one["file"]).read_bytes()


def test_the_packagers_own_image_is_a_map_of_others_to_the_gateway(packager, lungs, monkeypatch):
    for name, value in packager.environment.items():
        monkeypatch.setenv(name, value)
    image = AppImage(find_engine().digest(lungs.replace(":", "-x64-workstation-dgpu-linux-amd64:")))
    manifest, foreign = image.manifest(), image.foreign()
    assert (manifest.version, manifest.series.to_config()) == (lungs.partition(":")[2], {})
    assert foreign.layout == Layout(foreign=manifest.version)
    assert foreign.environment == {"PYTHONUSERBASE": "/home/holoscan/.local"}
    found = list(check_declared(image, manifest, image.program(manifest)))
    assert [check.broken for check in found if check.broken] == []


def test_it_says_what_it_is_without_being_run(packager, lungs):
    config = packager.inspected(lungs)
    labels = config["Labels"]
    manifest = json.loads(packager.start(lungs, "manifest").stdout)
    assert json.loads(labels["org.gantry.manifest"]) == manifest
    assert json.loads(labels["org.gantry.models"]) == {}
    assert labels["org.opencontainers.image.title"] == "lung_densitometry"
    assert labels["org.opencontainers.image.version"] == manifest["version"]
    [commit] = re.findall(r"^([0-9a-f]{40})(?:-dirty)?$", labels["org.opencontainers.image.revision"])
    subprocess.run(["git", "cat-file", "-e", f"{commit}^{{commit}}"], cwd=ROOT, check=True)
    assert config["User"] == "holoscan"
    assert config["Entrypoint"] == ["python3", "/opt/holoscan/app"]


def test_it_runs_as_nobody_in_particular_and_names_what_is_installed(packager, lungs):
    done = packager.start(lungs, "/usr/bin/sh", "-c", "id && cat /etc/holoscan/sbom.cdx.json")
    user, _, bill = done.stdout.partition("\n")
    assert user.startswith("uid=1000(holoscan) gid=1000(holoscan)")
    bill = json.loads(bill)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    assert bill["metadata"]["component"]["name"] == "lung_densitometry"
    listed = {component["purl"] for component in bill["components"]}
    assert f"pkg:pypi/numpy@{version('numpy')}" in listed
    assert len(listed) == len(bill["components"])


def test_any_other_user_may_run_it(packager, lungs):
    stranger = ("--user=4711:4711", "--env=HOME=/tmp", "--network=none")
    done = packager.do(packager.path, "run", "--rm", *stranger, lungs, "manifest")
    assert json.loads(done.stdout)["name"] == "lung_densitometry", done.stderr
    homes = packager.start(lungs, "/usr/bin/stat", "-c", "%a", "/home/holoscan")
    assert homes.stdout == "755\n"


def test_it_fails_as_its_app_does_though_the_packagers_own_entrypoint_does_not(packager, lungs):
    assert packager.start(lungs, "no-such-argument").returncode == 1
    tools = packager.start(lungs, "/var/holoscan/tools", "no-such-argument")
    assert "usage: python app.py" in tools.stdout + tools.stderr
    assert tools.returncode == 0


def test_the_two_lines_of_the_page_make_a_map(packager, lungs, tmp_path):
    """As they stand in apps/README.md, but for what a packager without network and Docker must be told."""
    for name in ("scripts", "apps", ".venv"):
        (tmp_path / name).symlink_to(ROOT / name)
    environment = Builder(packager.path, offline=True).environment | packager.environment
    write, package = PAGE
    package += f" --source {sources(tmp_path)} --base-image {OFFLINE_BASE} --build-cache {tmp_path / 'cache'}"
    for line in (write, package):
        done = subprocess.run(
            line, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    [made] = MADE.findall(done.stdout)
    ran = packager.start(made, "/usr/bin/python3", "/opt/holoscan/app", "manifest")
    assert json.loads(ran.stdout) == json.loads(packager.inspected(lungs)["Labels"]["org.gantry.manifest"])


def test_a_bundle_brings_its_weights_and_fails_for_want_of_a_series_only(packager, organs, tmp_path):
    labels = packager.inspected(organs)["Labels"]
    [sha256] = json.loads(labels["org.gantry.models"]).values()
    assert sha256 in (ORGANS / "model.lock").read_text()
    sums = packager.start(organs, "/usr/bin/sha256sum", "/opt/holoscan/models/model.safetensors")
    assert sums.stdout.startswith(sha256)
    done = packager.run_hardened(organs, tmp_path / "empty", tmp_path / "out", JOB)
    assert done.returncode == 2, done.stdout + done.stderr
    assert json.loads((tmp_path / "out" / "error.json").read_text())["error"] == "NoMatchingSeries"
