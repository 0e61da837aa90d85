# SPDX-License-Identifier: Apache-2.0
"""C-STORE to a real Orthanc and a real DCMTK storescp, and to archives with faults."""

import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from dcmtk import Storescp
from delivery import Delivery, all_results, changed, small_results, uids
from dimse_archive import dimse_archive
from orthanc import Orthanc
from pydicom import dcmread
from pynetdicom import AE, build_context

from imaging_data import file_sha256, same_content
from informatics_gateway.config import DimseDestination
from informatics_gateway.errors import DestinationHoldsOther, DestinationRefused, DestinationUnavailable
from informatics_gateway.model import Result

RETRIEVED = "retrieved by C-GET and compared"
LISTED = "listed by C-FIND, content not compared"
RESPONSE = "C-STORE response: success (0x0000)"


@pytest.fixture
def results(tmp_path: Path) -> list[Result]:
    return small_results(tmp_path / "job")


def to(server: Orthanc | Storescp, **keys: Any) -> Delivery:
    port = server.dicom_port if isinstance(server, Orthanc) else server.port
    return Delivery(
        DimseDestination(kind="dimse", name="pacs", host="127.0.0.1", port=port, ae_title=server.aet, **keys)
    )


@pytest.fixture
def archive(orthanc: Orthanc) -> Iterator[Orthanc]:
    """The session's Orthanc, emptied, which lets GANTRY find and get."""
    orthanc.clear()
    orthanc.add_modality("GANTRY", 104)
    yield orthanc
    orthanc.add_modality("GANTRY", 104)
    orthanc.clear()


def forbid(orthanc: Orthanc, *services: str) -> None:
    modality = {"AET": "GANTRY", "Host": "127.0.0.1", "Port": 104, "AllowFind": True, "AllowGet": True}
    response = orthanc.client.put(
        "/modalities/GANTRY", json=modality | {f"Allow{service}": False for service in services}
    )
    response.raise_for_status()


# Orthanc


@pytest.mark.orthanc
def test_orthanc_gets_all_results_and_proves_each_as_well_as_it_can(archive, tmp_path):
    """By C-GET it gives no labelmap back: it negotiates no role for a class that its DCMTK lacks."""
    results = all_results(tmp_path / "job")
    proofs = to(archive).run(results)
    assert {result.kind: proof.how for result, proof in zip(results, proofs, strict=True)} == {
        result.kind: LISTED if result.kind == "labelmap" else RETRIEVED for result in results
    }
    for result in results:
        assert same_content(result.path.read_bytes(), archive.file(result.sop_instance_uid))
        assert dcmread(result.path).file_meta.TransferSyntaxUID == syntax_of(
            archive.file(result.sop_instance_uid)
        )


def syntax_of(file: bytes) -> str:
    return str(dcmread(BytesIO(file)).file_meta.TransferSyntaxUID)


@pytest.mark.orthanc
def test_a_second_delivery_sends_nothing(archive, results):
    delivery = to(archive)
    delivery.run(results)
    delivery.run(results, before_sending=lambda: pytest.fail("nothing is to be sent"))
    assert delivery.sent() == []
    assert len(archive.instances()) == 2


@pytest.mark.orthanc
@pytest.mark.parametrize(("proof", "how"), [("find", LISTED), ("retrieve", RETRIEVED)])
def test_the_proof_that_is_configured(archive, results, proof, how):
    assert {each.how for each in to(archive, proof=proof).run(results)} == {how}


@pytest.mark.orthanc
def test_another_content_is_an_error_and_stays(archive, results, tmp_path):
    archive.upload(changed(results[1], tmp_path))
    with pytest.raises(DestinationHoldsOther, match=results[1].sop_instance_uid):
        to(archive).run(results)
    assert archive.file(results[1].sop_instance_uid) == (tmp_path / "changed.dcm").read_bytes()
    assert len(archive.instances()) == 1


@pytest.mark.orthanc
def test_success_for_what_was_not_taken_is_not_believed(archive, results, tmp_path):
    """Orthanc answers 0x0000 and keeps the content that it has under this UID."""
    delivery = to(archive)
    with pytest.raises(DestinationHoldsOther):
        delivery.run(results, before_sending=lambda: archive.upload(changed(results[0], tmp_path)))
    assert delivery.sent() == uids(results)


@pytest.mark.orthanc
def test_where_only_finding_is_allowed(archive, results):
    forbid(archive, "Get")
    assert {proof.how for proof in to(archive).run(results)} == {LISTED}


@pytest.mark.orthanc
def test_where_asking_is_not_allowed_a_person_is_told_how(archive, results):
    """Orthanc breaks the association off instead of saying so."""
    forbid(archive, "Get", "Find")
    with pytest.raises(DestinationUnavailable, match="breaks off when it is asked") as refused:
        to(archive).run(results)
    assert 'proof = "response"' in refused.value.hint
    assert len(to(archive, proof="response").run(results)) == 2


@pytest.mark.orthanc
@pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning")
def test_orthanc_that_is_down_is_tried_again_when_it_is_back(archive, results):
    archive.kill()
    try:
        with pytest.raises(DestinationUnavailable, match="cannot be reached"):
            to(archive).run(results)
    finally:
        archive.start()
        archive.add_modality("GANTRY", 104)
    to(archive).run(results)
    assert len(archive.instances()) == 2


@pytest.mark.orthanc
def test_no_patient_is_logged(archive, results, caplog):
    caplog.set_level(logging.INFO)
    to(archive).run(results)
    assert "Requesting Association" in caplog.text
    assert "TEST-1" not in caplog.text
    assert "Phantom" not in caplog.text


# storescp


def test_storescp_cannot_be_asked_and_the_hint_says_what_to_do(storescp, results):
    with pytest.raises(DestinationRefused, match="cannot be asked") as refused:
        to(storescp).run(results)
    assert 'proof = "response"' in refused.value.hint
    assert storescp.received() == []


def test_storescp_gets_the_very_data_sets(storescp, tmp_path):
    results = [result for result in all_results(tmp_path / "job") if result.kind != "labelmap"]
    assert {proof.how for proof in to(storescp, proof="response").run(results)} == {RESPONSE}
    received = {path.name.split(".", 1)[1]: path.read_bytes() for path in storescp.received()}
    assert sorted(received) == sorted(uids(results))
    for result in results:
        ours, theirs = result.path.read_bytes(), received[result.sop_instance_uid]
        assert ours[end_of_meta(ours) :] == theirs[end_of_meta(theirs) :]


def end_of_meta(file: bytes) -> int:
    """Offset after the file meta information, by its group length (PS3.10 table 7.1-1)."""
    return 144 + int.from_bytes(file[140:144], "little")


def test_a_class_that_is_not_taken_is_named_before_anything_is_sent(storescp, tmp_path):
    """DCMTK of this age does not know labelmap segmentations."""
    results = all_results(tmp_path / "job")
    with pytest.raises(DestinationRefused, match="does not take labelmap") as refused:
        to(storescp, proof="response").run(results)
    assert 'segmentation = "binary"' in refused.value.hint
    assert storescp.received() == []


def test_an_archive_that_offers_nothing_of_it(storescp, tmp_path):
    labelmaps = [result for result in all_results(tmp_path / "job") if result.kind == "labelmap"]
    with pytest.raises(DestinationRefused, match="offers none of what is needed"):
        to(storescp, proof="response").run(labelmaps)


# archives with faults


@pytest.mark.parametrize(
    ("status", "error", "says"),
    [
        (0xA700, DestinationUnavailable, "out of resources (0xA700)"),
        (0x0110, DestinationUnavailable, "processing failure (0x0110)"),
        (0xA900, DestinationRefused, "data set does not match SOP class (0xA900)"),
        (0xC000, DestinationRefused, "cannot understand (0xC000)"),
        (0x0117, DestinationRefused, "invalid SOP instance (0x0117)"),
        (0x0124, DestinationRefused, "not authorised (0x0124)"),
    ],
)
def test_which_failures_may_pass(results, status, error, says):
    with dimse_archive(store=lambda event: status) as pacs, pytest.raises(error) as refused:
        Delivery(pacs.destination(proof="response")).run(results)
    assert f"text-report {results[0].sop_instance_uid}: {says}" in str(refused.value)
    assert pacs.received == uids(results[:1])


@pytest.mark.parametrize(
    ("status", "how"),
    [(0xB000, "stored with a warning (0xB000)"), (0x0111, "duplicate SOP instance (0x0111)")],
)
def test_what_counts_as_stored_where_the_response_is_the_proof(results, status, how):
    with dimse_archive(store=lambda event: status) as pacs:
        proofs = Delivery(pacs.destination(proof="response")).run(results)
    assert {proof.how for proof in proofs} == {f"C-STORE response: {how}"}


def test_an_archive_that_answers_success_and_keeps_nothing_is_not_believed(results):
    with dimse_archive(find=lambda event: 0, keep=False) as pacs:
        delivery = Delivery(pacs.destination())
        with pytest.raises(DestinationUnavailable, match="does not have it when asked"):
            delivery.run(results)
    assert delivery.sent() == uids(results)


@pytest.mark.parametrize("lost", [1, 2])
def test_a_lost_response_is_tried_again_on_a_new_association(results, lost):
    """The empty status: the association ends before the response."""
    left = [lost]

    def store(event: Any) -> int:
        if left[0]:
            left[0] -= 1
            event.assoc.abort()
            return 0xC000
        return 0

    with dimse_archive(store=store) as pacs:
        Delivery(pacs.destination(proof="response")).run(results)
    assert pacs.received == [*uids(results[:1]) * lost, *uids(results)]
    assert pacs.associations == lost + 1


def test_an_association_that_ends_between_two_results(results):
    ended = threading.Event()

    def store(event: Any) -> int:
        if not ended.is_set():
            threading.Timer(0.05, lambda: (event.assoc.abort(), ended.set())).start()
        return 0

    with dimse_archive(store=store) as pacs, Delivery(pacs.destination(proof="response")).open() as client:
        client.send(results, lambda result: wait_for(ended))
    assert pacs.received == uids(results)
    assert pacs.associations == 2


def wait_for(ended: threading.Event) -> None:
    assert ended.wait(60)
    time.sleep(0.2)  # until this side has heard of it


def test_an_archive_that_never_answers_is_left(results):
    def store(event: Any) -> int:
        event.assoc.abort()
        return 0xC000

    with (
        dimse_archive(store=store) as pacs,
        pytest.raises(DestinationUnavailable, match="no response to C-STORE"),
    ):
        Delivery(pacs.destination(proof="response")).run(results)
    assert pacs.associations == 3


def test_a_caller_that_is_not_known_needs_a_person(results):
    with (
        dimse_archive(require_calling_aet=["SOMEBODY"]) as pacs,
        pytest.raises(DestinationRefused) as refused,
    ):
        Delivery(pacs.destination(proof="response")).run(results)
    assert "rejects the association" in str(refused.value)
    assert "AE title" in refused.value.hint


def test_an_archive_that_has_no_association_left_may_have_one_later(results):
    with dimse_archive(maximum_associations=1) as pacs:
        other = AE().associate("127.0.0.1", pacs.port, [build_context(results[0].sop_class_uid)])
        with pytest.raises(DestinationUnavailable, match="rejects the association"):
            Delivery(pacs.destination(proof="response")).run(results)
        other.release()


def test_a_host_that_is_not_known(results):
    destination = DimseDestination(kind="dimse", name="pacs", host="archive.invalid", port=104, ae_title="X")
    with pytest.raises(DestinationUnavailable, match=r"pacs \(X at archive.invalid:104\)"):
        Delivery(destination).run(results)


@pytest.mark.parametrize(
    ("status", "error"),
    [(0xA700, DestinationUnavailable), (0xC000, DestinationRefused), (0x0124, DestinationRefused)],
)
def test_an_archive_that_fails_when_it_is_asked(results, status, error):
    with dimse_archive(find=lambda event: status) as pacs, pytest.raises(error):
        Delivery(pacs.destination()).run(results)
    assert pacs.received == []


def test_an_archive_that_fails_to_retrieve_is_asked_to_find(results):
    with dimse_archive(get=lambda event: 0xA702, find=lambda event: 0) as pacs:
        proofs = Delivery(pacs.destination()).run(results)
    assert {proof.how for proof in proofs} == {LISTED}


def test_retrieving_alone_takes_a_failure_for_missing(results):
    """As Orthanc says that it has no such instance; whether it has it after sending decides."""
    with (
        dimse_archive(get=lambda event: 0xC000) as pacs,
        pytest.raises(DestinationUnavailable, match="when asked"),
    ):
        Delivery(pacs.destination(proof="retrieve")).run(results)
    assert pacs.received == uids(results)


class Ended(BaseException):
    """Stands for the end of the process."""


@pytest.mark.orthanc
def test_ended_between_sending_and_proof_nothing_is_sent_twice(archive, results):
    delivery = to(archive)
    with pytest.raises(Ended), delivery.open() as client:
        client.send(results, lambda result: end_at(result, results[1]))
    delivery.run(results)
    assert delivery.sent() == []
    assert len(archive.instances()) == 2


def end_at(result: Result, last: Result) -> None:
    if result == last:
        raise Ended


def test_results_of_one_class_in_two_transfer_syntaxes(storescp, tmp_path, results):
    dataset = dcmread(results[0].path)
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2"
    dataset.SOPInstanceUID = f"{dataset.SOPInstanceUID[:-3]}.1"
    dataset.save_as(tmp_path / "implicit.dcm", implicit_vr=True, enforce_file_format=True)
    second = replace(
        results[0],
        path=tmp_path / "implicit.dcm",
        sop_instance_uid=dataset.SOPInstanceUID,
        sha256=file_sha256(tmp_path / "implicit.dcm"),
    )
    to(storescp, proof="response").run([results[0], second])
    syntaxes = {str(dcmread(path).file_meta.TransferSyntaxUID) for path in storescp.received()}
    assert syntaxes == {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1"}
