# SPDX-License-Identifier: Apache-2.0
"""Every app with a model, behind its button: Orthanc sends, a gateway runs the app warm, Orthanc has the results."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pydicom
import pytest
from gateway_process import Gateway
from orthanc import Orthanc
from pydicom import Dataset

from imaging_data.phantom import torso, torso_grid, write_series
from imaging_data.phantom.radiograph import chest_radiograph
from imaging_data.phantom.radiograph_file import write_radiograph

pytestmark = [pytest.mark.orthanc, pytest.mark.timeout(900)]

APPS = Path(__file__).parents[2] / "apps"
REPORTS = {"text-report", "secondary-capture"}
VOLUMETRIC = REPORTS | {"segmentation", "measurements"}
BUTTON = """
[[app]]
name = "{app}"
path = "{path}"
{models}
runner = "warm"
[[route]]
called_ae_title = "{called}"
app = "{app}"
{profile}
destinations = ["archive"]
"""


def _torso(folder: Path, seed: int) -> list[Path]:
    return write_series(
        torso(seed).render(torso_grid(), seed=seed, factor=1), folder, patient_id=f"TORSO-{seed}"
    )


def _chest(folder: Path, seed: int, **attributes: str) -> list[Path]:
    folder.mkdir()
    path = folder / "chest.dcm"
    write_radiograph(chest_radiograph(seed, ["Effusion"], 256), path, **attributes)
    return [path]


@dataclass(frozen=True)
class Pressed:
    """A button, what is sent to it, and the kinds of result that must come back."""

    called: str
    app: str
    series: Callable[[Path], list[Path]]
    kinds: set[str]
    profile: str = ""
    test_models: bool = False

    def tables(self, models: Callable[[str], Path]) -> str:
        """Its part of gantry.toml."""
        return BUTTON.format(
            app=self.app,
            path=APPS / self.app,
            called=self.called,
            models=f'models = "{models(self.app)}"' if self.test_models else "",
            profile=f'profile = "{self.profile}"' if self.profile else "",
        )


CASES = (
    Pressed("ORGANS", "organ_segmentation", lambda folder: _torso(folder, 81), VOLUMETRIC),
    Pressed(
        "TOTAL",
        "totalsegmentator",
        lambda folder: _torso(folder, 82),
        VOLUMETRIC | {"rtstruct"},
        "total-fast-rtstruct",
        test_models=True,
    ),
    Pressed(
        "CHEST",
        "chest_xray",
        lambda folder: _chest(folder, 1),
        REPORTS | {"classification", "pdf"},
        test_models=True,
    ),
)


@dataclass(frozen=True)
class Line:
    """The gateway, the archive, and where phantoms are written."""

    gateway: Gateway
    orthanc: Orthanc
    folder: Path

    def press(self, called: str, paths: list[Path]) -> dict:
        """Let Orthanc send the series to this button; its job, once it has ended."""
        for path in paths:
            self.orthanc.upload(path)
        ended = len(self.gateway.statuses()) + 1
        self.orthanc.send_series(str(pydicom.dcmread(paths[0]).SeriesInstanceUID), called)
        self.gateway.wait_ended(ended)
        return self.gateway.cli("jobs", "show", str(ended), "--json")

    def archived(self, sop_instance_uid: str) -> Dataset:
        """An instance as the archive gives it back."""
        return pydicom.dcmread(io.BytesIO(self.orthanc.file(sop_instance_uid)))


@pytest.fixture(scope="module")
def line(test_models, orthanc, tmp_path_factory):
    """A gateway with a button for each app, known to the archive under each button's name."""
    orthanc.clear()
    folder = tmp_path_factory.mktemp("apps")
    tables = orthanc.destination() + "".join(case.tables(test_models) for case in CASES)
    gateway = Gateway(folder / "gateway", tables, environment=orthanc.environment)
    for case in CASES:
        orthanc.add_modality(case.called, gateway.port)
    gateway.start()
    yield Line(gateway, orthanc, folder)
    gateway.kill()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.app)
def test_what_comes_back_lies_beside_its_source_in_the_archive(line, case):
    paths = case.series(line.folder / case.called)
    job = line.press(case.called, paths)
    assert job["status"] == "delivered", line.gateway.events(job["id"])
    assert {result["kind"] for result in job["results"]} == case.kinds
    source = pydicom.dcmread(paths[0])
    for result in job["results"]:
        kept = line.archived(result["sop_instance_uid"])
        assert (kept.PatientID, kept.StudyInstanceUID) == (source.PatientID, source.StudyInstanceUID)
        assert "NOT FOR CLINICAL USE - RESEARCH ONLY" in kept.SeriesDescription


def test_a_lateral_s_job_says_why_it_was_refused(line):
    job = line.press("CHEST", _chest(line.folder / "lateral", 2, ViewPosition="LL"))
    assert job["status"] == "failed"
    assert any("ViewPosition is LL" in text for text in line.gateway.events(job["id"]))
