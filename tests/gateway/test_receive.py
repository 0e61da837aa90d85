# SPDX-License-Identifier: Apache-2.0
"""Known senders' instances arrive, whole and with who sent them; others are turned away and told why."""

import ast
import json
import logging
import tomllib
from dataclasses import asdict
from pathlib import Path

import pytest
from builders import ct_series
from dicom_peer import Peer, data_set_of
from orthanc import Orthanc
from pydicom import Dataset, dcmread
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)
from pynetdicom.sop_class import LabelMapSegmentationStorage, Verification
from receivers import BUTTON, CALLING, ECHO, HOST, STOCK, Running, running, settings

from informatics_gateway import receive
from informatics_gateway.receive import Receiver
from informatics_gateway.receive.stock import StockServer
from informatics_gateway.receive.streaming import StreamingServer


def test_a_series_arrives_with_who_sent_it(receiver: Running, tmp_path: Path) -> None:
    paths = ct_series(tmp_path / "series", slices=5)
    printed = receiver.dcmtk("storescu", *paths)
    assert printed.count("Received Store Response (Success)") == 5
    receiver.heard.wait(lambda heard: heard.released == [True])
    [association] = {association for association, _ in receiver.heard.arrivals}
    assert (association.source, association.calling_ae_title) == (f"{CALLING}@{HOST}", CALLING)
    assert (association.called_ae_title, association.host) == (BUTTON, HOST)
    arrived = [path for _, path in receiver.heard.arrivals]
    assert json.loads((arrived[0].parent / "association.json").read_text()) == asdict(association)
    assert [dcmread(path) for path in arrived] == [dcmread(path) for path in paths]
    assert [path.name for path in arrived] == [f"{dcmread(path).SOPInstanceUID}.dcm" for path in paths]


@pytest.mark.orthanc
def test_orthanc_sends_a_series(server: str, tmp_path: Path, orthanc: Orthanc) -> None:
    paths = ct_series(tmp_path / "series", slices=4)
    for path in paths:
        orthanc.upload(path)
    sources = [{"ae_title": orthanc.aet, "host": HOST}]
    with running(settings(tmp_path / "storage", sources=sources)) as receiver:
        orthanc.add_modality(BUTTON, receiver.receiver.port)
        orthanc.send_series(dcmread(paths[0]).SeriesInstanceUID, BUTTON)
    assert sorted(receiver.files()) == sorted(f"{dcmread(path).SOPInstanceUID}.dcm" for path in paths)
    assert {dcmread(path).pixel_array.tobytes() for _, path in receiver.heard.arrivals} == {
        dcmread(path).pixel_array.tobytes() for path in paths
    }
    orthanc.clear()


def test_what_arrives_is_a_dicom_file_with_the_bytes_that_were_sent(
    receiver: Running, tmp_path: Path
) -> None:
    [path] = ct_series(tmp_path / "series", slices=1)
    data_set, uid = data_set_of(path)
    with Peer(receiver.receiver.port) as peer:
        peer.associate()
        assert peer.store(data_set, uid) == 0x0000
        peer.release()
    [(_, arrived)] = receiver.heard.arrivals
    assert data_set_of(arrived) == (data_set, uid)
    meta = dcmread(arrived).file_meta
    assert (meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID) == (CTImageStorage, uid)
    assert meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert "SourceApplicationEntityTitle" not in meta


def test_the_same_instance_again_is_kept_beside(receiver: Running, tmp_path: Path) -> None:
    [path] = ct_series(tmp_path / "series", slices=1)
    assert receiver.dcmtk("storescu", path, path).count("(Success)") == 2
    uid = dcmread(path).SOPInstanceUID
    assert receiver.files() == [f"{uid}.2.dcm", f"{uid}.dcm"]
    first, second = (arrived for _, arrived in receiver.heard.arrivals)
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("called", [BUTTON, ECHO])
def test_echo(receiver: Running, called: str) -> None:
    assert "Received Echo Response (Success)" in receiver.dcmtk("echoscu", called=called)
    receiver.heard.wait(lambda heard: heard.released == [True])
    assert not list((receiver.storage / "incoming").iterdir())


def test_an_unknown_caller_is_rejected_with_the_lines_to_add(receiver: Running, tmp_path: Path) -> None:
    [path] = ct_series(tmp_path / "series", slices=1)
    printed = receiver.dcmtk("storescu", path, calling='NEW "CT" 1')
    assert "Calling AE Title Not Recognized" in printed
    [refusal] = receiver.heard.refusals
    assert refusal.calling_ae_title in refusal.reason
    assert HOST in refusal.reason
    [lines] = tomllib.loads(refusal.hint.partition(":\n")[2])["source"]
    assert lines == {"ae_title": 'NEW "CT" 1', "host": HOST}
    assert not receiver.files()


def test_the_lines_to_add_let_the_caller_in(server: str, tmp_path: Path) -> None:
    with running(settings(tmp_path / "storage")) as refusing:
        refusing.dcmtk("echoscu", calling="NEW")
    lines = tomllib.loads(refusing.heard.refusals[0].hint.partition(":\n")[2])["source"]
    with running(settings(tmp_path / "storage", sources=lines)) as admitting:
        assert "(Success)" in admitting.dcmtk("echoscu", calling="NEW")


def test_a_known_title_from_another_host_is_rejected(server: str, tmp_path: Path) -> None:
    elsewhere = {"ae_title": CALLING, "host": "192.0.2.7"}
    with running(settings(tmp_path / "storage", sources=[elsewhere])) as receiver:
        assert "Calling AE Title Not Recognized" in receiver.dcmtk("echoscu")
    assert f"The configuration has {CALLING} at 192.0.2.7." in receiver.heard.refusals[0].hint


def test_a_host_may_be_a_name(server: str, tmp_path: Path) -> None:
    sources = [
        {"ae_title": CALLING, "host": "no.such.host.invalid"},
        {"ae_title": CALLING, "host": "localhost"},
    ]
    with running(settings(tmp_path / "storage", sources=sources)) as receiver:
        assert "(Success)" in receiver.dcmtk("echoscu")


@pytest.mark.parametrize(("called", "says"), [("LUNG", "is no button"), (ECHO, "is no button")])
def test_a_series_to_what_is_no_button_is_rejected(
    receiver: Running, tmp_path: Path, called: str, says: str
) -> None:
    [path] = ct_series(tmp_path / "series", slices=1)
    assert "Called AE Title Not Recognized" in receiver.dcmtk("storescu", path, called=called)
    [refusal] = receiver.heard.refusals
    assert says in refusal.reason
    assert BUTTON in refusal.hint
    assert ("C-ECHO only" in refusal.hint) == (called == ECHO)


def test_more_associations_than_are_allowed_may_come_again(server: str, tmp_path: Path) -> None:
    with running(settings(tmp_path / "storage", max_associations=1)) as receiver:
        with Peer(receiver.receiver.port) as first:
            first.associate()
            assert "Local Limit Exceeded" in receiver.dcmtk("echoscu")
            first.release()
        receiver.heard.wait(lambda heard: heard.released == [True])
        assert "(Success)" in receiver.dcmtk("echoscu")
    assert "max_associations" in receiver.heard.refusals[0].hint


def test_each_transfer_syntax_is_kept_as_it_was_sent(receiver: Running, tmp_path: Path) -> None:
    sent = {}
    for syntax, option in (
        (ImplicitVRLittleEndian, "-xi"),
        (ExplicitVRLittleEndian, "-xe"),
        (DeflatedExplicitVRLittleEndian, "-xd"),
        (RLELossless, "-xr"),
    ):
        [path] = ct_series(tmp_path / option, slices=1)
        if syntax == RLELossless:
            compressed = dcmread(path)
            compressed.compress(RLELossless)
            compressed.save_as(path)
        assert "(Success)" in receiver.dcmtk("storescu", option, path)
        sent[f"{dcmread(path).SOPInstanceUID}.dcm"] = syntax, dcmread(path).pixel_array
    for _, path in receiver.heard.arrivals:
        arrived = dcmread(path)
        syntax, pixels = sent.pop(path.name)
        assert arrived.file_meta.TransferSyntaxUID == syntax
        assert (arrived.pixel_array == pixels).all()
    assert not sent


def test_explicit_vr_is_taken_where_the_sender_leaves_the_choice(receiver: Running) -> None:
    proposed = (JPEG2000Lossless, ImplicitVRLittleEndian, ExplicitVRLittleEndian)
    with Peer(receiver.receiver.port) as peer:
        accepted = peer.associate(
            [(CTImageStorage, proposed), (CTImageStorage, proposed[:1]), (Verification, proposed)]
        )
    assert accepted == {1: ExplicitVRLittleEndian, 3: JPEG2000Lossless, 5: ImplicitVRLittleEndian}


@pytest.mark.parametrize(
    "sop_class", [LabelMapSegmentationStorage, "1.2.840.10008.5.1.4.1.1.9999.1", "1.2.246.352.70.1.70"]
)
def test_every_storage_class_is_taken_also_a_private_or_unknown_one(
    receiver: Running, tmp_path: Path, sop_class: str
) -> None:
    [path] = ct_series(tmp_path / "series", slices=1, SOPClassUID=sop_class)
    data_set, uid = data_set_of(path)
    with Peer(receiver.receiver.port) as peer:
        assert peer.associate([(sop_class, (ExplicitVRLittleEndian,))]) == {1: ExplicitVRLittleEndian}
        assert peer.store(data_set, uid, sop_class) == 0x0000
    [(_, arrived)] = receiver.heard.arrivals
    assert dcmread(arrived).file_meta.MediaStorageSOPClassUID == sop_class


def test_what_is_no_storage_or_cannot_be_kept_as_a_file_is_not_negotiated(receiver: Running) -> None:
    find, commitment = "1.2.840.10008.5.1.4.1.2.2.1", "1.2.840.10008.1.20.1"
    jpip, unknown = "1.2.840.10008.1.2.4.204", "1.2.3.4.5"
    with Peer(receiver.receiver.port) as peer:
        accepted = peer.associate(
            [
                (find, (ExplicitVRLittleEndian,)),
                (commitment, (ExplicitVRLittleEndian,)),
                (CTImageStorage, (jpip, unknown)),
            ]
        )
    assert accepted == {}


def test_an_object_of_our_own_making_is_taken(receiver: Running, tmp_path: Path) -> None:
    """Back from the archive, say.  It starts no job, but that is decided later."""
    equipment = Dataset()
    equipment.Manufacturer = equipment.ManufacturerModelName = "Gantry"
    [path] = ct_series(tmp_path / "series", slices=1, ContributingEquipmentSequence=[equipment])
    assert "(Success)" in receiver.dcmtk("storescu", path)


def test_no_patient_attribute_is_logged(
    receiver: Running, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    about = {"PatientName": "Secret^Name", "PatientID": "SECRET-1", "PatientBirthDate": "19170411"}
    good, bad = ct_series(tmp_path / "series", slices=2, **about)
    data_set, uid = data_set_of(bad)
    with Peer(receiver.receiver.port) as peer:
        peer.associate()
        peer.store(data_set[:-4], uid)
        peer.store(data_set_of(good)[0], "1.2.3")
        peer.store(*data_set_of(good))
    receiver.heard.wait(lambda heard: heard.released == [False])
    reasons = [(entry / "reason.json").read_text() for entry in receiver.quarantined()]
    assert len(reasons) == 2
    everything = caplog.text + "".join(reasons) + str(receiver.heard.ends)
    assert caplog.text
    for secret in ("Secret", "SECRET", "19170411"):
        assert secret not in everything


def test_the_server_is_pynetdicoms_own_under_a_version_that_was_not_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert receive.server_class() is StreamingServer
    monkeypatch.setattr(receive, "TRIED_WITH", STOCK)
    assert receive.server_class() is StockServer


def test_a_taken_port_is_said_at_the_start(receiver: Running, tmp_path: Path) -> None:
    taken = settings(tmp_path / "other", port=receiver.receiver.port)
    with pytest.raises(OSError, match="in use"):
        Receiver(taken, receiver.heard).start()


def test_nothing_private_of_pynetdicom_is_touched() -> None:
    """So its updates may move what is inside; what is documented is tried with each pinned version."""
    for path in Path(receive.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr.startswith("_") and node.attr != "__version__":
                assert ast.unparse(node.value) in ("self", "super()"), f"{path.name}: {ast.unparse(node)}"
