# SPDX-License-Identifier: Apache-2.0
"""Senders that abort, vanish, fall silent or dawdle leave nothing half done and hold up nobody."""

import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from builders import ct_series
from dicom_peer import ABORT, COMMAND, LAST, P_DATA, Peer, command, data_set_of, pdu, value
from receivers import CALLING, HOST, Running, running, settings

SUCCESS = 0x0000
CLOSED = 0  # without an A-ABORT: pynetdicom's own server may close before it has sent it
HALF = 40_000  # bytes


@pytest.fixture
def instance(tmp_path: Path) -> tuple[bytes, str]:
    """A good data set, larger than HALF, and its SOPInstanceUID."""
    return data_set_of(ct_series(tmp_path / "good", slices=1, rows=200, columns=200)[0])


def _abort(peer: Peer) -> None:
    peer.send(pdu(ABORT, bytes(4)))


def _vanish(peer: Peer) -> None:
    peer.socket.close()


def _reset(peer: Peer) -> None:
    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    peer.socket.close()


def _half_pdu(peer: Peer) -> None:
    peer.send(pdu(P_DATA, value(1, 0, bytes(1000)))[:500])
    peer.socket.close()


@pytest.mark.parametrize("leave", [_abort, _vanish, _reset, _half_pdu])
def test_leaving_in_the_middle_leaves_no_arrival(
    receiver: Running, instance: tuple[bytes, str], leave: Callable[[Peer], None]
) -> None:
    data_set, uid = instance
    with Peer(receiver.receiver.port) as peer:
        peer.associate()
        assert peer.store(data_set, uid) == SUCCESS
        peer.send(pdu(P_DATA, value(1, COMMAND | LAST, command(0x0001, uid))))
        peer.send(pdu(P_DATA, value(1, 0, data_set[:HALF])))
        leave(peer)
        receiver.heard.wait(lambda heard: heard.released == [False])
    assert receiver.files() == [f"{uid}.dcm"]
    assert len(receiver.heard.arrivals) == 1
    assert not receiver.quarantined()


def test_a_silent_sender_is_aborted(server: str, tmp_path: Path, instance: tuple[bytes, str]) -> None:
    with running(settings(tmp_path / "storage", idle_timeout_s=0.3)) as receiver:
        with Peer(receiver.receiver.port) as peer:
            peer.associate()
            peer.send(pdu(P_DATA, value(1, COMMAND | LAST, command(0x0001, instance[1]))))
            begin = time.monotonic()
            assert peer.receive()[0] == ABORT
        assert 0.2 < time.monotonic() - begin < 30
        receiver.heard.wait(lambda heard: heard.released == [False])
        receiver.wait_until_empty()


def test_a_sender_that_stops_within_a_pdu_is_let_go(
    server: str, tmp_path: Path, instance: tuple[bytes, str]
) -> None:
    with (
        running(settings(tmp_path / "storage", idle_timeout_s=0.3)) as receiver,
        Peer(receiver.receiver.port) as peer,
    ):
        peer.associate()
        peer.send(pdu(P_DATA, value(1, COMMAND | LAST, command(0x0001, instance[1])))[:20])
        receiver.heard.wait(lambda heard: heard.released == [False])


def _dawdle(peer: Peer, content: bytes) -> None:
    for byte in content:
        peer.send(bytes([byte]))
        time.sleep(0.1)


def test_a_sender_that_dawdles_for_ever_is_let_go(tmp_path: Path, instance: tuple[bytes, str]) -> None:
    """It is never silent for long, but a PDU has its time."""
    with (
        running(settings(tmp_path / "storage", idle_timeout_s=0.5)) as receiver,
        Peer(receiver.receiver.port) as peer,
    ):
        peer.associate()
        begin = time.monotonic()
        with pytest.raises(ConnectionError):
            _dawdle(peer, pdu(P_DATA, value(1, COMMAND | LAST, command(0x0001, instance[1]))))
        assert time.monotonic() - begin < 30
        receiver.heard.wait(lambda heard: heard.released == [False])


@pytest.mark.parametrize(("listens", "calls"), [("::", "127.0.0.1"), ("::", "::1"), ("::1", "::1")])
def test_either_internet_protocol(tmp_path: Path, listens: str, calls: str) -> None:
    sources = [{"ae_title": CALLING, "host": calls}]
    with running(settings(tmp_path / "storage", sources=sources, host=listens)) as receiver:
        with Peer(receiver.receiver.port, calls) as peer:
            peer.associate()
            peer.release()
        receiver.heard.wait(lambda heard: heard.released == [True])
    assert receiver.heard.ends[0][0].host == calls


def test_dawdlers_do_not_hold_up_others(server: str, tmp_path: Path, instance: tuple[bytes, str]) -> None:
    """More of them than there may be associations, and one in the middle of an instance."""
    with running(settings(tmp_path / "storage", max_associations=2)) as receiver:
        port = receiver.receiver.port
        silent = [socket.create_connection((HOST, port)) for _ in range(20)]
        with Peer(port) as dawdler, Peer(port) as other:
            dawdler.associate()
            dawdler.send(pdu(P_DATA, value(1, COMMAND | LAST, command(0x0001, instance[1]))))
            dawdler.send(pdu(P_DATA, value(1, 0, instance[0][:HALF]))[:HALF])
            begin = time.monotonic()
            other.associate()
            assert [other.store(*instance) for _ in range(10)] == [SUCCESS] * 10
            other.release()
            assert time.monotonic() - begin < 30
        for each in silent:
            each.close()


def test_stop_aborts_what_is_open_and_keeps_what_was_acknowledged(
    server: str, tmp_path: Path, instance: tuple[bytes, str]
) -> None:
    with running(settings(tmp_path / "storage")) as receiver, Peer(receiver.receiver.port) as peer:
        peer.associate()
        assert peer.store(*instance) == SUCCESS
        peer.send(pdu(P_DATA, value(1, COMMAND | LAST, command(0x0001, instance[1]))))
        peer.send(pdu(P_DATA, value(1, 0, instance[0][:HALF])))
        port = receiver.receiver.port
        receiver.receiver.stop()
        assert peer.receive()[0] in ((ABORT,) if server == "streaming" else (ABORT, CLOSED))
        assert receiver.heard.released == [False]
        assert receiver.files() == [f"{instance[1]}.dcm"]
    with socket.socket() as probe:
        assert probe.connect_ex((HOST, port)) != 0


def test_many_associations_at_once(receiver: Running, tmp_path: Path) -> None:
    peers = [Peer(receiver.receiver.port) for _ in range(8)]
    instances = [data_set_of(path) for path in ct_series(tmp_path / "series", slices=8)]
    for peer in peers:
        peer.associate()
    for peer, (data_set, uid) in zip(peers, instances, strict=True):
        peer.send(
            pdu(P_DATA, value(1, COMMAND | LAST, command(0x0001, uid))),
            pdu(P_DATA, value(1, 0, data_set[:99])),
        )
    for peer, (data_set, _) in zip(peers, instances, strict=True):
        peer.send(pdu(P_DATA, value(1, LAST, data_set[99:])))
    assert [peer.status() for peer in peers] == [SUCCESS] * 8
    for peer in peers:
        peer.release()
    receiver.heard.wait(lambda heard: heard.released == [True] * 8)
    assert receiver.files() == sorted(f"{uid}.dcm" for _, uid in instances)
