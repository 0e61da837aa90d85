# SPDX-License-Identifier: Apache-2.0
"""Behind a button: a gateway takes the radiograph, runs the app warm, validates and delivers what it made."""

from pathlib import Path

import pytest
from gateway_process import Gateway
from pydicom import dcmread

from imaging_data.phantom.radiograph import chest_radiograph
from imaging_data.phantom.radiograph_file import write_radiograph

pytestmark = pytest.mark.timeout(600)

APP = Path(__file__).parents[2] / "apps" / "chest_xray"
WITHIN_S = 240  # apps run at low priority: on a busy machine they wait
KINDS = {"classification", "text-report", "secondary-capture", "pdf"}
TABLES = """
[[destination]]
name = "files"
kind = "folder"
path = "results"
clinical = false
[[app]]
name = "chest_xray"
path = "{app}"
models = "{models}"
runner = "warm"
[[route]]
called_ae_title = "CHEST"
app = "chest_xray"
destinations = ["files"]
"""


@pytest.fixture(scope="module")
def gateway(test_models, tmp_path_factory):
    """A gateway that was sent a chest with an effusion, and a lateral."""
    folder = tmp_path_factory.mktemp("line")
    gateway = Gateway(folder / "gateway", TABLES.format(app=APP, models=test_models("chest_xray")))
    gateway.start()
    for number, attributes in enumerate(({}, {"ViewPosition": "LL"}), start=1):
        image = write_radiograph(
            chest_radiograph(number, ["Effusion"], 256), folder / f"{number}.dcm", **attributes
        )
        assert gateway.send([image], called="CHEST") == {image.name}
        gateway.wait_ended(number, seconds=WITHIN_S)
    yield gateway
    gateway.kill()


def test_the_radiograph_s_results_are_valid_and_delivered(gateway):
    job = gateway.cli("jobs", "show", "1", "--json")
    assert job["status"] == "delivered"
    assert {result["kind"] for result in job["results"]} == KINDS
    delivered = [dcmread(path) for path in (gateway.folder / "results").rglob("*.dcm")]
    assert {str(dataset.Modality) for dataset in delivered} == {"SR", "OT", "DOC"}
    assert len(delivered) == 4
    assert all("NOT FOR CLINICAL USE" in dataset.SeriesDescription for dataset in delivered)


def test_the_lateral_s_job_says_why_it_was_refused(gateway):
    job = gateway.cli("jobs", "show", "2", "--json")
    assert job["status"] != "delivered"
    assert any("ViewPosition is LL" in text for text in gateway.events(2))
