# SPDX-License-Identifier: Apache-2.0
"""A late instance, with a real MONAI Deploy app: the new results say what they replace, the old ones stay."""

import io
from pathlib import Path

import numpy as np
import pytest
from builders import ct_series
from gateway_process import Gateway
from pydicom import Dataset, dcmread

pytestmark = pytest.mark.orthanc

BRIGHT_VOXELS = Path(__file__).parents[1] / "operators" / "apps" / "bright_voxels"


@pytest.fixture
def gateway(tmp_path, orthanc):
    orthanc.clear()
    gateway = Gateway(
        tmp_path / "gateway",
        f"""
{orthanc.destination()}
[[app]]
name = "bright_voxels"
path = "{BRIGHT_VOXELS}"
runner = "warm"
[[route]]
called_ae_title = "LUNGS"
app = "bright_voxels"
destinations = ["archive"]
""",
        quiet_s=0.5,
        environment=orthanc.environment,
    )
    gateway.start()
    yield gateway
    gateway.kill()


def results(gateway: Gateway, orthanc, job: int) -> dict[str, Dataset]:
    """What the archive holds of the job, by kind."""
    found = gateway.cli("jobs", "show", str(job), "--json")["results"]
    return {each["kind"]: dcmread(io.BytesIO(orthanc.file(each["sop_instance_uid"]))) for each in found}


def test_revision_two_says_what_it_replaces_and_alters_nothing(gateway, orthanc, tmp_path):
    pixels = np.full((8, 16, 16), 1000, np.int16)
    pixels[2:6, 4:9, 4:9] = 1400
    paths = ct_series(tmp_path / "ct", slices=8, pixels=pixels)
    gateway.send(paths[:7])
    assert gateway.wait_ended(1) == ["delivered"]
    first = results(gateway, orthanc, 1)
    before = {kind: orthanc.file(result.SOPInstanceUID) for kind, result in first.items()}
    gateway.send(paths[7:])
    assert gateway.wait_ended(2) == ["delivered", "delivered"]
    second = results(gateway, orthanc, 2)
    assert set(second) == {"segmentation", "measurements", "text-report", "secondary-capture"}
    for kind, result in second.items():
        assert f"rev 2, replaces {first[kind].SeriesNumber}" in result.SeriesDescription.replace(
            "series ", ""
        )
        assert result.SOPInstanceUID != first[kind].SOPInstanceUID
        assert orthanc.file(first[kind].SOPInstanceUID) == before[kind]
    for kind in ("measurements", "text-report"):
        [study] = second[kind].PredecessorDocumentsSequence
        named = study.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        assert named == first[kind].SOPInstanceUID
    assert len(orthanc.instances()) == 8
