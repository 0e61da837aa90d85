# SPDX-License-Identifier: Apache-2.0
"""The streaming server keeps to PS3.8, however the peer cuts its messages, and aborts what breaks it."""

from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from struct import pack

import pytest
from builders import ct_series
from dicom_peer import (
    ABORT,
    ASSOCIATE_AC,
    ASSOCIATE_RQ,
    COMMAND,
    CT,
    LAST,
    P_DATA,
    RELEASE_RP,
    RELEASE_RQ,
    Peer,
    command,
    data_set_of,
    pdu,
    request,
    store,
    value,
)
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pynetdicom.dsutils import encode
from pynetdicom.sop_class import Verification
from receivers import BUTTON, CALLING, Running, running, settings

from informatics_gateway.receive.command import BadCommand, read_command
from informatics_gateway.receive.negotiation import BadRequest, negotiate, read_request
from informatics_gateway.receive.stream import BUFFER

SUCCESS = 0x0000
C_STORE, C_FIND, C_ECHO = 0x0001, 0x0020, 0x0030
STORE = command(C_STORE, "1.2.3")
SHARED = hypothesis_settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for all tests of this file."""
    return tmp_path_factory.mktemp("protocol")


@pytest.fixture(scope="module")
def streaming(folder: Path) -> Iterator[Running]:
    """One receiver for all tests of this file."""
    with running(settings(folder / "storage")) as started:
        yield started


@pytest.fixture(scope="module")
def instance(folder: Path) -> tuple[bytes, str]:
    """A good data set and its SOPInstanceUID."""
    return data_set_of(ct_series(folder / "good", slices=1)[0])


def _cut(content: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % len(content) for cut in cuts), len(content)]
    return [content[start:end] for start, end in pairwise(edges)]


def _values(content: bytes, kind: int, cuts: list[int]) -> list[bytes]:
    pieces = _cut(content, cuts)
    return [value(1, kind | LAST * (index == len(pieces) - 1), piece) for index, piece in enumerate(pieces)]


@SHARED
@given(st.lists(st.integers(0, 10**6), max_size=8), st.lists(st.integers(0, 10**6), max_size=8), st.data())
def test_a_message_may_be_cut_anywhere(
    streaming: Running,
    instance: tuple[bytes, str],
    in_command: list[int],
    in_data: list[int],
    data: st.DataObject,
) -> None:
    """Fragments of any length, several or one in a PDU (PS3.8 Annex E), PDUs in any pieces of TCP."""
    data_set, uid = instance
    values = _values(command(C_STORE, uid), COMMAND, in_command) + _values(data_set, 0, in_data)
    groups = _cut_list(values, data.draw(st.lists(st.integers(1, len(values)), max_size=5)))
    stream = b"".join(pdu(P_DATA, b"".join(group)) for group in groups)
    with Peer(streaming.receiver.port) as peer:
        peer.associate()
        for piece in _cut(stream, data.draw(st.lists(st.integers(0, 10**6), max_size=5))):
            peer.send(piece)
        assert peer.status() == SUCCESS
        peer.release()
    assert data_set_of(streaming.heard.arrivals[-1][1]) == instance


def _cut_list(values: list[bytes], cuts: list[int]) -> list[list[bytes]]:
    edges = sorted({0, *cuts, len(values)})
    return [values[start:end] for start, end in pairwise(edges)]


def test_a_pdu_may_be_larger_than_the_buffer(streaming: Running, folder: Path) -> None:
    [path] = ct_series(folder / "large", slices=1, rows=1024, columns=1100)
    data_set, uid = data_set_of(path)
    assert len(data_set) > 2 * BUFFER
    with Peer(streaming.receiver.port) as peer:
        peer.associate()
        assert peer.store(data_set, uid) == SUCCESS
        peer.release()
    assert data_set_of(streaming.heard.arrivals[-1][1]) == (data_set, uid)


def test_the_response_names_the_request(streaming: Running, instance: tuple[bytes, str]) -> None:
    with Peer(streaming.receiver.port) as peer:
        peer.associate(
            [(CTImageStorage, (ExplicitVRLittleEndian,)), (Verification, (ExplicitVRLittleEndian,))]
        )
        peer.send(pdu(P_DATA, value(3, COMMAND | LAST, command(C_ECHO, "", Verification, data_set=False))))
        echo = peer.response(context=3)
        peer.send(*store(*instance))
        stored = peer.response(context=1)
        peer.release()
    for response, field, sop_class in ((echo, C_ECHO, Verification), (stored, C_STORE, CTImageStorage)):
        assert (response.CommandField, response.AffectedSOPClassUID) == (field | 0x8000, sop_class)
        assert (response.MessageIDBeingRespondedTo, response.CommandDataSetType) == (7, 0x0101)
        assert len(encode(response, True, True)) == response.CommandGroupLength + 12
    assert stored.AffectedSOPInstanceUID == instance[1]
    assert "AffectedSOPInstanceUID" not in echo


BROKEN = {
    "an unknown PDU": pdu(0x09, b""),
    "a second request": request(CT, BUTTON, CALLING),
    "an unexpected release response": pdu(RELEASE_RP, bytes(4)),
    "an acceptance": pdu(ASSOCIATE_AC, bytes(70)),
    "a value larger than its PDU": pdu(P_DATA, pack(">LBB", 100, 1, COMMAND) + bytes(10)),
    "a value without control header": pdu(P_DATA, pack(">LBB", 1, 1, COMMAND)),
    "a data set without a command": pdu(P_DATA, value(1, LAST, bytes(10))),
    "a context that was not accepted": pdu(P_DATA, value(99, COMMAND | LAST, STORE)),
    "another service": pdu(P_DATA, value(1, COMMAND | LAST, command(C_FIND, "1.2.3"))),
    "a response": pdu(P_DATA, value(1, COMMAND | LAST, command(C_STORE | 0x8000, "1.2.3"))),
    "an echo in a storage context": pdu(P_DATA, value(1, COMMAND | LAST, command(C_ECHO))),
    "a command within a data set": pdu(
        P_DATA, value(1, COMMAND | LAST, STORE) + value(1, COMMAND | LAST, STORE)
    ),
    "a command that is none": pdu(P_DATA, value(1, COMMAND | LAST, b"\xff" * 30)),
    "an empty command": pdu(P_DATA, value(1, COMMAND | LAST, b"")),
    "a command without an end": pdu(P_DATA, value(1, COMMAND, bytes(40_000)) * 2),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_what_breaks_the_protocol_is_aborted(
    streaming: Running, instance: tuple[bytes, str], broken: bytes
) -> None:
    with Peer(streaming.receiver.port) as peer:
        peer.associate()
        assert peer.store(*instance) == SUCCESS
        peer.send(broken)
        assert peer.receive() == (ABORT, bytes((0, 0, 2, 0)))
        assert peer.receive() == (0, b"")
    association, _ = streaming.heard.arrivals[-1]
    streaming.heard.wait(lambda heard: (association, False) in heard.ends)
    assert not [name for name in streaming.files() if not name.endswith(".dcm")]


@pytest.mark.parametrize(
    "first",
    [
        pdu(P_DATA, value(1, COMMAND | LAST, STORE)),
        pdu(RELEASE_RQ, bytes(4)),
        pdu(ASSOCIATE_RQ, b""),
        pdu(ASSOCIATE_RQ, b"\xff" * 100),
        pack(">BxL", ASSOCIATE_RQ, 2**31),
        b"GET / HTTP/1.1\r\n\r\n",
    ],
    ids=["data", "release", "empty request", "broken request", "endless request", "HTTP"],
)
def test_what_is_no_request_for_an_association_is_aborted(streaming: Running, first: bytes) -> None:
    with Peer(streaming.receiver.port) as peer:
        peer.send(first)
        assert peer.receive()[0] == ABORT


@hypothesis_settings(max_examples=300, deadline=None)
@given(st.binary(max_size=40), st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_damaged_request_is_read_or_refused(damage: bytes, start: int, length: int) -> None:
    good = request(CT, BUTTON, CALLING)
    start %= len(good)
    damaged = good[:start] + damage + good[start + length % (len(good) - start) :]
    with suppress(BadRequest):
        proposed = read_request(damaged)
        answer, _ = negotiate(proposed, proposed.presentation_context_definition_list)
        assert answer[0] == ASSOCIATE_AC


def test_a_context_without_transfer_syntax_is_refused(streaming: Running) -> None:
    good = request(CT, BUTTON, CALLING)
    start = good.index(pack(">BBH", 0x40, 0, len(ExplicitVRLittleEndian)))
    size = 4 + len(ExplicitVRLittleEndian)
    context = good.index(b"\x20\0", 74)  # behind the fixed fields
    length = pack(">H", int.from_bytes(good[context + 2 : context + 4]) - size)
    shorter = good[6 : context + 2] + length + good[context + 4 : start] + good[start + size :]
    with Peer(streaming.receiver.port) as peer:
        peer.send(pdu(ASSOCIATE_RQ, shorter))
        assert peer.receive()[0] == ABORT
    with pytest.raises(BadRequest, match="context 1 is incomplete"):
        read_request(pdu(ASSOCIATE_RQ, shorter))


@hypothesis_settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_a_damaged_command_is_read_or_refused(content: bytes) -> None:
    with suppress(BadCommand):
        assert read_command(content)
