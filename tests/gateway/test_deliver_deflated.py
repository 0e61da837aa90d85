# SPDX-License-Identifier: Apache-2.0
"""A large segmentation goes deflated over DIMSE where that is taken, and is proved all the same."""

from collections.abc import Iterator
from io import BytesIO

import pytest
from delivery import Delivery, all_results, changed
from orthanc import Orthanc
from pydicom import dcmread
from pydicom.uid import DeflatedExplicitVRLittleEndian

from imaging_data import same_content
from informatics_gateway.config import DimseDestination
from informatics_gateway.destinations import deflated
from informatics_gateway.errors import DestinationHoldsOther


@pytest.fixture
def archive(orthanc: Orthanc) -> Iterator[Orthanc]:
    """The session's Orthanc, emptied, which lets GANTRY find and get."""
    orthanc.clear()
    orthanc.add_modality("GANTRY", 104)
    yield orthanc
    orthanc.clear()


def to(server: Orthanc) -> Delivery:
    return Delivery(
        DimseDestination(
            kind="dimse", name="pacs", host="127.0.0.1", port=server.dicom_port, ae_title=server.aet
        )
    )


@pytest.mark.orthanc
def test_a_large_segmentation_goes_deflated_where_that_is_taken(archive, tmp_path, monkeypatch):
    monkeypatch.setattr(deflated, "WORTH_IT", 0)
    results = all_results(tmp_path / "job")
    proofs = to(archive).run(results)
    for result, proof in zip(results, proofs, strict=True):
        kept = archive.file(result.sop_instance_uid)
        own = dcmread(result.path).file_meta.TransferSyntaxUID
        wanted = DeflatedExplicitVRLittleEndian if result.kind == "segmentation" else own
        assert dcmread(BytesIO(kept)).file_meta.TransferSyntaxUID == wanted
        assert same_content(result.path.read_bytes(), kept)
        assert proof.how.startswith("listed" if result.kind == "labelmap" else "retrieved")
    delivery = to(archive)
    delivery.run(results, before_sending=lambda: pytest.fail("nothing is to be sent"))


@pytest.mark.orthanc
def test_another_content_in_a_deflated_segmentation_is_seen(archive, tmp_path):
    [segmentation] = [each for each in all_results(tmp_path / "job") if each.kind == "segmentation"]
    deflated.deflate(changed(segmentation, tmp_path), tmp_path / "deflated.dcm")
    archive.upload(tmp_path / "deflated.dcm")
    with pytest.raises(DestinationHoldsOther):
        to(archive).run([segmentation])


def test_a_deflated_copy_is_the_same_data_set(tmp_path):
    for result in all_results(tmp_path / "job"):
        if result.kind == "segmentation":
            deflated.deflate(result.path, tmp_path / "deflated.dcm")
            copy = dcmread(tmp_path / "deflated.dcm")
            assert copy.file_meta.TransferSyntaxUID == DeflatedExplicitVRLittleEndian
            assert copy == dcmread(result.path)
            assert (tmp_path / "deflated.dcm").stat().st_size < result.path.stat().st_size
