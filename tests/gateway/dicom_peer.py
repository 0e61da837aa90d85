# SPDX-License-Identifier: Apache-2.0
"""A sender that does exactly what a test says, also what no sender should do.

It writes its PDUs itself (PS3.8 Section 9.3); only A-ASSOCIATE-RQ and the command sets are pynetdicom's.
"""

import socket
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from struct import pack, unpack
from typing import Self

from pydicom import Dataset, dcmread
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian
from pynetdicom.dsutils import decode, encode
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    MaximumLengthNotification,
)
from pynetdicom.presentation import build_context
from receivers import BUTTON, CALLING, HOST, WAITS_S

ASSOCIATE_RQ, ASSOCIATE_AC, ASSOCIATE_RJ, P_DATA, RELEASE_RQ, RELEASE_RP, ABORT = range(1, 8)
COMMAND, LAST = 1, 2
CT = ((CTImageStorage, (ExplicitVRLittleEndian,)),)

Proposed = Sequence[tuple[str, Sequence[str]]]


class Peer:
    """One connection.  Presentation contexts have the ids 1, 3, 5 ... in the order given."""

    def __init__(self, port: int, host: str = HOST) -> None:
        self.socket = socket.create_connection((host, port), WAITS_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *pdus: bytes) -> None:
        """Send these bytes as they are."""
        self.socket.sendall(b"".join(pdus))

    def receive(self) -> tuple[int, bytes]:
        """Type and content of the next PDU; (0, b"") when the connection was closed."""
        head = self._exactly(6)
        return (head[0], self._exactly(unpack(">L", head[2:])[0])) if head else (0, b"")

    def _exactly(self, count: int) -> bytes:
        content = b""
        while len(content) < count and (piece := self.socket.recv(count - len(content))):
            content += piece
        return content

    def associate(
        self, contexts: Proposed = CT, called: str = BUTTON, calling: str = CALLING
    ) -> dict[int, str]:
        """Negotiate; returns the accepted transfer syntax of each accepted context."""
        self.send(request(contexts, called, calling))
        kind, content = self.receive()
        assert kind == ASSOCIATE_AC, (kind, content)
        answer = A_ASSOCIATE_AC()
        answer.decode(pack(">BxL", kind, len(content)) + content)
        results = answer.to_primitive().presentation_context_definition_results_list
        return {each.context_id: str(each.transfer_syntax[0]) for each in results if each.result == 0}

    def store(self, data_set: bytes, uid: str, sop_class: str = CTImageStorage, context: int = 1) -> int:
        """C-STORE these bytes under these UIDs; returns the status of the response."""
        self.send(*store(data_set, uid, sop_class, context))
        return self.status()

    def status(self) -> int:
        """The status of the next response."""
        return int(self.response().Status)

    def response(self, context: int = 1) -> Dataset:
        """The command set of the next response, which comes in this presentation context."""
        kind, content = self.receive()
        assert (kind, content[4:6]) == (P_DATA, bytes((context, COMMAND | LAST))), (kind, content)
        return decode(BytesIO(content[6:]), True, True)

    def release(self) -> None:
        """Release in good order, and close."""
        self.send(pdu(RELEASE_RQ, bytes(4)))
        assert self.receive() == (RELEASE_RP, bytes(4))
        self.socket.close()


def pdu(kind: int, content: bytes) -> bytes:
    """One PDU."""
    return pack(">BxL", kind, len(content)) + content


def value(context: int, control: int, content: bytes) -> bytes:
    """One presentation data value."""
    return pack(">LBB", len(content) + 2, context, control) + content


def request(contexts: Proposed, called: str, calling: str) -> bytes:
    """A-ASSOCIATE-RQ."""
    primitive = A_ASSOCIATE()
    primitive.application_context_name = "1.2.840.10008.3.1.1.1"
    primitive.calling_ae_title, primitive.called_ae_title = calling, called
    proposed = [build_context(sop_class, list(syntaxes)) for sop_class, syntaxes in contexts]
    for index, context in enumerate(proposed):
        context.context_id = 2 * index + 1
    primitive.presentation_context_definition_list = proposed
    length, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    length.maximum_length_received, implementation.implementation_class_uid = 16384, UID("1.2.3.4")
    primitive.user_information = [length, implementation]
    return bytes(A_ASSOCIATE_RQ(primitive).encode())


def command(field: int, uid: str = "", sop_class: str = CTImageStorage, data_set: bool = True) -> bytes:
    """An encoded command set."""
    content = Dataset()
    content.AffectedSOPClassUID = sop_class
    content.CommandField, content.MessageID, content.Priority = field, 7, 0
    content.CommandDataSetType = 1 if data_set else 0x0101
    content.AffectedSOPInstanceUID = uid
    content.CommandGroupLength = len(encode(content, True, True) or b"")
    return encode(content, True, True) or b""


def store(
    data_set: bytes, uid: str, sop_class: str = CTImageStorage, context: int = 1
) -> tuple[bytes, bytes]:
    """A C-STORE-RQ in two PDUs: the command and the data set."""
    return (
        pdu(P_DATA, value(context, COMMAND | LAST, command(0x0001, uid, sop_class))),
        pdu(P_DATA, value(context, LAST, data_set)),
    )


def data_set_of(path: Path) -> tuple[bytes, str]:
    """The encoded data set of a DICOM file, and its SOPInstanceUID."""
    header = dcmread(path, stop_before_pixels=True)
    content = path.read_bytes()
    group_length = header.file_meta.FileMetaInformationGroupLength
    return content[128 + 4 + 12 + group_length :], str(header.SOPInstanceUID)
