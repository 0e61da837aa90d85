# SPDX-License-Identifier: Apache-2.0
"""Which archive a demonstration takes: Orthanc, else Orthanc in Docker, else folders; and its report's arithmetic."""

import gc
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from builders import ct_series
from orthanc import BINARY, free_port

from imaging_data import find_instances
from imaging_data.phantom import LungTruth, torso, torso_grid

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts" / "demonstration"))
import archive as archives
import report
from processes import Kept, Started
from truth import LungNumbers, OrganVolumes

# Stands in for the docker client: it notes how it is called, and `run` is a real Orthanc with that configuration.
DOCKER = """#!/bin/bash
echo "$@" >> "$CALLS"
if [ "$1" = run ]; then
  while [ "$1" != --volume ]; do shift; done
  exec /usr/sbin/Orthanc "${2%:/etc/orthanc:ro}"
fi
"""


@pytest.fixture
def hidden(monkeypatch, tmp_path) -> Path:
    """A machine without Orthanc on it, and with nothing but `bin` on PATH."""
    monkeypatch.setattr(archives, "BINARY", tmp_path / "absent")
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    return tmp_path


def _install_docker(folder: Path, script: str = DOCKER) -> None:
    (folder / "bin" / "docker").write_text(script)
    (folder / "bin" / "docker").chmod(0o755)


def test_without_orthanc_and_docker_it_is_a_folder(hidden):
    found = archives.open_archive("auto", hidden, print)
    assert isinstance(found, archives.Folders)
    assert str(hidden / "results") in found.destination()
    assert found.addresses() == {"results": str(hidden / "results")}


@pytest.mark.parametrize("script", ["#!/bin/sh\nexit 1", '#!/bin/sh\n[ "$1" = info ]'])
def test_docker_that_may_not_run_or_fetch_is_passed_over(hidden, script):
    _install_docker(hidden, script)
    assert isinstance(archives.open_archive("auto", hidden, print), archives.Folders)


def test_what_is_wanted_and_not_there_is_an_error(hidden):
    with pytest.raises(RuntimeError, match="--archive orthanc: this machine has no such archive"):
        archives.open_archive("orthanc", hidden, print)


@pytest.mark.orthanc
@pytest.mark.skipif(not BINARY.exists(), reason="Orthanc is not installed")
def test_orthanc_in_docker_is_started_used_and_ended(hidden):
    _install_docker(hidden)
    said = []
    found = archives.open_archive("auto", hidden, said.append)
    try:
        assert said == [f"Fetching the image {archives.IMAGE}"]
        found.load(ct_series(hidden / "ct", slices=2), lambda part: None)
        assert len(found.server.instances()) == 2
        container = found.server.container
    finally:
        found.close()
    calls = (hidden / "calls").read_text().splitlines()
    assert [call.split()[0] for call in calls] == ["info", "pull", "run", "rm"]
    assert f"--network host --name {container}" in calls[2]
    assert calls[2].endswith(f"/configuration:/etc/orthanc:ro {archives.IMAGE}")
    assert json.loads(calls[2].partition("ORTHANC_JSON=")[2].partition("} ")[0] + "}")["StorageDirectory"]
    assert calls[3] == f"rm --force {container}"


def test_its_image_is_the_one_of_compose():
    compose = Path(archives.ROOT, "informatics-gateway", "compose.yaml").read_text()
    assert f"image: {archives.IMAGE}\n" in compose


# pynetdicom leaves the socket of a refused connection to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_gateway_that_does_not_answer_is_said(tmp_path):
    ct_series(tmp_path / "ct", slices=2)
    [series] = find_instances(tmp_path / "ct").series
    with pytest.raises(RuntimeError, match="did not take 2 of the instances"):
        archives.Folders(tmp_path).send(series, "LUNGS", free_port(), lambda part: None)
    gc.collect()


TRUTH = {"left": LungTruth(100.0, -800.0, -900.0, 5.0), "total": LungTruth(200.0, -810.0, -910.0, 6.0)}


@pytest.mark.parametrize(
    ("site", "name", "true"),
    [
        ("Left lung", "Volume", 100.0),
        ("Lung", "Volume", 200.0),
        ("Lung", "Attenuation Coefficient (Mean)", -810.0),
        ("Left lung", "15th percentile of lung density", -900.0),
        ("Left lung", "LAA-950: part of the lung below -950 HU", 5.0),
        ("Right lung", "Volume", None),
        ("Left lung", "Diameter", None),
    ],
)
def test_the_true_number_beside_a_measured_one(site, name, true):
    assert LungNumbers(TRUTH).number(site, name) == true


@pytest.mark.parametrize(
    ("site", "name", "true"),
    [
        ("Left kidney", "Volume", 150.0),
        ("kidney_left", "volume", 150.0),
        ("Kidney", "Volume", None),
        ("Left kidney", "Mean", None),
        ("Heart", "Volume", None),
    ],
)
def test_the_true_volume_of_an_organ(site, name, true):
    assert OrganVolumes({"kidney_left": 150.0, "liver": 1500.0}).number(site, name) == true


def test_the_volumes_of_a_phantom_are_counted_in_its_labelmap():
    rendered = torso(1).render(torso_grid(28, 33), seed=1)
    volumes = OrganVolumes.of(rendered)
    number = rendered.organs["liver"]
    assert volumes.number("Liver", "Volume") == pytest.approx(
        np.count_nonzero(rendered.labelmap == number) * rendered.grid.voxel_ml
    )


def test_the_steps_add_up():
    texts = [
        "queued for x",
        "execute: x starts",
        "executed in 5 s",
        "validated in",
        "deliver: to y",
        "delivered: proved",
    ]
    events = [{"at": 100.0 + n, "text": text} for n, text in enumerate(texts)]
    details = {"events": events, "times": {"read_s": 0.25, "predict_s": 0.5}}
    assert report.steps(details, sent=99.5) == [
        ("assemble, route", 0.5),
        (report.EXECUTE, 1.0),
        ("  start, import", 0.25),
        ("  read", 0.25),
        ("  predict", 0.5),
        ("validate", 1.0),
        ("deliver, with proof", 1.0),
    ]


def test_a_process_that_has_only_the_same_number_is_left_alone(tmp_path):
    process = subprocess.Popen(["sleep", "60"])
    started = Started.of(process)
    other = Started(process.pid, started.born - 1)
    try:
        assert other.process is None
        other.end()
        assert process.poll() is None
        Kept(tmp_path).write([started], [])
        assert Kept(tmp_path).running
        assert Kept(tmp_path).end()
    finally:
        process.kill()
        process.wait()
    assert not Kept(tmp_path).running
    assert os.listdir(tmp_path) == []
