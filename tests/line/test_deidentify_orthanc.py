# SPDX-License-Identifier: Apache-2.0
"""What a real Orthanc's /anonymize takes out of an instance, the Basic Profile takes out, too."""

import httpx
import pytest
from deidentify_inputs import KEY, encoded, marked
from pydicom import Dataset

from imaging_data import read_header
from imaging_data.deidentify import Profile, deidentify
from imaging_data.parts import split

pytestmark = pytest.mark.orthanc


def _anonymized(orthanc, content: bytes, path) -> Dataset:
    path.write_bytes(content)
    stored = orthanc.upload(path)
    auth = (orthanc.username, orthanc.password)
    body = {"DicomVersion": "2021b", "Force": True}
    answer = httpx.post(f"{orthanc.url}/instances/{stored}/anonymize", json=body, auth=auth, timeout=60)
    answer.raise_for_status()
    return read_header(answer.content)


def _changed(before: Dataset, after: Dataset) -> set[int]:
    """Attributes of `before` whose value is another, or gone; UIDs, dates and texts alike."""
    return {
        int(element.tag)
        for element in before
        if element.VR != "SQ"
        and element.value
        and (element.tag not in after or after[element.tag].value != element.value)
    }


def test_it_takes_out_all_that_orthanc_takes_out(orthanc, tmp_path):
    dataset = marked()
    content = encoded(dataset)
    theirs = _changed(read_header(content), _anonymized(orthanc, content, tmp_path / "1.dcm"))
    ours = _changed(
        read_header(content), deidentify(split(content).dataset, Profile.read("basic"), KEY).dataset
    )
    assert len(theirs) > 200
    assert {f"{tag:08x}" for tag in theirs - ours} == set()
