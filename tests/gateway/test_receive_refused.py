# SPDX-License-Identifier: Apache-2.0
"""What cannot be understood goes to quarantine, what has no room is refused; nothing else is disturbed."""

import errno
import json
import shutil
import zlib
from collections import namedtuple
from dataclasses import asdict
from pathlib import Path

import pytest
from builders import ct_series
from dicom_peer import COMMAND, LAST, P_DATA, Peer, command, data_set_of, pdu, value
from pydicom.uid import DeflatedExplicitVRLittleEndian
from receivers import STREAMING, Running, running, settings

from imaging_data import file_sha256
from informatics_gateway import quarantine, receive
from informatics_gateway.receive.incoming import NewInstance

CANNOT_UNDERSTAND, OUT_OF_RESOURCES, SUCCESS = 0xC000, 0xA700, 0x0000
CT = "1.2.840.10008.5.1.4.1.1.2"
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def instance(tmp_path: Path) -> tuple[bytes, str]:
    """A good data set and its SOPInstanceUID."""
    return data_set_of(ct_series(tmp_path / "good", slices=1)[0])


def _refused(receiver: Running, data_set: bytes, uid: str, good: tuple[bytes, str]) -> quarantine.Entry:
    """Send what is to be refused between two good instances, which arrive; returns the entry it made."""
    with Peer(receiver.receiver.port) as peer:
        peer.associate()
        assert peer.store(*good) == SUCCESS
        assert peer.store(data_set, uid) == CANNOT_UNDERSTAND
        assert peer.store(*good) == SUCCESS
        peer.release()
    receiver.heard.wait(lambda heard: heard.released == [True])
    assert receiver.files() == [f"{good[1]}.2.dcm", f"{good[1]}.dcm"]
    [entry] = quarantine.entries(receiver.storage)
    return entry


@pytest.mark.parametrize(
    ("keyword", "uid", "fault"),
    [
        ("SOPInstanceUID", "1.2.03.4", "leading zero"),
        ("SeriesInstanceUID", "1.2.840.010", "leading zero"),
        ("StudyInstanceUID", "1..2", "empty component"),
        ("SeriesInstanceUID", None, "missing"),
        ("StudyInstanceUID", "", "missing"),
        ("SOPClassUID", None, "missing"),
        ("SOPInstanceUID", "../../etc/passwd", "characters"),
        ("StudyInstanceUID", "1." + "2" * 63, "65 characters"),
    ],
)
@pytest.mark.filterwarnings("ignore:Invalid value for VR UI", "ignore:The value length")
def test_a_bad_identifier(
    receiver: Running, tmp_path: Path, instance: tuple[bytes, str], keyword: str, uid: str | None, fault: str
) -> None:
    [path] = ct_series(tmp_path / "bad", slices=1)
    _, sop_instance_uid = data_set_of(path)
    bad = _with_uid(path, keyword, uid)
    command_uid = uid if keyword == "SOPInstanceUID" and uid else sop_instance_uid
    entry = _refused(receiver, bad, command_uid, instance)
    assert keyword in entry.sentence
    assert fault in entry.sentence


def _with_uid(path: Path, keyword: str, uid: str | None) -> bytes:
    """The encoded data set with another UID, written by hand because pydicom refuses some of these."""
    tags = {"SOPClassUID": b"\x08\0\x16\0", "SOPInstanceUID": b"\x08\0\x18\0"}
    tags |= {"StudyInstanceUID": b"\x20\0\x0d\0", "SeriesInstanceUID": b"\x20\0\x0e\0"}
    data_set, _ = data_set_of(path)
    start = data_set.index(tags[keyword] + b"UI")
    end = start + 8 + int.from_bytes(data_set[start + 6 : start + 8], "little")
    text = (uid or "").encode() + b"\0" * (len(uid or "") % 2)
    element = tags[keyword] + b"UI" + len(text).to_bytes(2, "little") + text if uid is not None else b""
    return data_set[:start] + element + data_set[end:]


@pytest.mark.parametrize("cut", [1, 2, 100, -300, -1])
def test_a_truncated_data_set(receiver: Running, instance: tuple[bytes, str], cut: int) -> None:
    data_set, uid = instance
    entry = _refused(receiver, data_set[:-cut], uid, instance)
    assert "cut off" in entry.sentence


def test_a_data_set_that_ends_before_its_pixel_data(receiver: Running, instance: tuple[bytes, str]) -> None:
    data_set, uid = instance
    entry = _refused(receiver, data_set[: data_set.index(b"\xe0\x7f\x10\0")], uid, instance)
    assert "no pixel data" in entry.sentence


@pytest.mark.parametrize("content", [b"", b"This is not DICOM. " * 50, bytes(1000), b"\xff" * 1000])
def test_what_is_no_data_set(receiver: Running, instance: tuple[bytes, str], content: bytes) -> None:
    _refused(receiver, content, "1.2.3", instance)


def test_another_instance_than_the_command_says(receiver: Running, instance: tuple[bytes, str]) -> None:
    entry = _refused(receiver, instance[0], "1.2.3.4", instance)
    assert "announced was 1.2.3.4 of" in entry.sentence
    assert instance[1] in entry.sentence


def test_a_command_without_a_data_set(receiver: Running) -> None:
    """The two servers differ: pynetdicom's own does not answer it at all."""
    if receive.TRIED_WITH != STREAMING:
        return
    with Peer(receiver.receiver.port) as peer:
        peer.associate()
        peer.send(pdu(P_DATA, value(1, COMMAND | LAST, command(0x0001, "1.2.3", data_set=False))))
        assert peer.status() == CANNOT_UNDERSTAND


def test_a_deflated_bomb_is_not_inflated(server: str, tmp_path: Path, instance: tuple[bytes, str]) -> None:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = deflater.compress(bytes(50_000_000)) + deflater.flush()
    with running(settings(tmp_path / "storage", max_instance_mb=1)) as receiver:
        with Peer(receiver.receiver.port) as peer:
            peer.associate([(CT, (DeflatedExplicitVRLittleEndian,))])
            assert peer.store(bomb, "1.2.3") == CANNOT_UNDERSTAND
        [entry] = quarantine.entries(receiver.storage)
    assert "larger than 1 MB" in entry.sentence


def test_an_entry_says_who_sent_it_and_keeps_the_bytes(
    receiver: Running, instance: tuple[bytes, str]
) -> None:
    data_set, uid = instance
    entry = _refused(receiver, data_set[:-7], uid, instance)
    folder = receiver.storage / "quarantine" / entry.id
    assert data_set_of(folder / "object.dcm")[0] == data_set[:-7]
    assert entry.sha256 == file_sha256(folder / "object.dcm")
    assert entry.association == receiver.heard.ends[0][0]
    assert json.loads((folder / "reason.json").read_text())["association"] == asdict(entry.association)
    assert entry.hint


def test_under_the_watermark_instances_are_refused_until_there_is_room(
    server: str, tmp_path: Path, instance: tuple[bytes, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = settings(tmp_path / "watermark")
    config = tables.model_copy(update={"storage": tables.storage.model_copy(update={"reserve_gb": 10})})
    free = iter([9_900_000_000, 9_900_000_000, 10_100_000_000])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**11, 0, next(free)))
    with running(config) as watermark, Peer(watermark.receiver.port) as peer:
        peer.associate()
        assert [peer.store(*instance) for _ in range(3)] == [OUT_OF_RESOURCES, OUT_OF_RESOURCES, SUCCESS]
        assert watermark.files() == [f"{instance[1]}.dcm"]
        [refusal] = watermark.heard.refusals
    assert "9.9 GB free, less than [storage] reserve_gb = 10." in refusal.reason


def test_an_instance_that_is_too_large_is_refused(
    server: str, tmp_path: Path, instance: tuple[bytes, str]
) -> None:
    large = ct_series(tmp_path / "large", slices=1, rows=800, columns=800)
    with running(settings(tmp_path / "storage", max_instance_mb=1)) as receiver:
        assert "(Refused: OutOfResources)" in receiver.dcmtk("storescu", *large)
        with Peer(receiver.receiver.port) as peer:
            peer.associate()
            assert peer.store(*instance) == SUCCESS
        assert receiver.files() == [f"{instance[1]}.dcm"]
    assert "max_instance_mb" in receiver.heard.refusals[0].reason


def test_a_full_disk_is_no_room(
    receiver: Running, instance: tuple[bytes, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with Peer(receiver.receiver.port) as peer:
        peer.associate()
        for step in ("write", "sync"):
            with monkeypatch.context() as patch:
                patch.setattr(NewInstance, step, full)
                assert peer.store(*instance) == OUT_OF_RESOURCES
            assert receiver.files() == []
        assert peer.store(*instance) == SUCCESS
    assert "No space left on device" in receiver.heard.refusals[0].reason
