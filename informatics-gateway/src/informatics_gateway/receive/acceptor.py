# SPDX-License-Identifier: Apache-2.0
"""One association in one thread, each instance written while it comes in: C-STORE and C-ECHO as the acceptor.

pynetdicom decodes and encodes the negotiation, which is where the protocol is rich.  The rest of an acceptor
is small, and here: P-DATA, release and abort (PS3.8 Section 9.3.5 to 9.3.8).
"""

import logging
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from struct import pack, unpack

from pynetdicom.presentation import PresentationContext
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from .admission import AssociationRejected
from .command import C_ECHO_RQ, C_STORE_RQ, BadCommand, Command, read_command
from .gate import Gate
from .negotiation import BadRequest, negotiate, read_request
from .reception import SUCCESS, Reception, Transfer
from .stream import Stream

logger = logging.getLogger("gantry.receive")

A_ASSOCIATE_RQ, A_ASSOCIATE_RJ, P_DATA_TF, A_RELEASE_RQ, A_RELEASE_RP, A_ABORT = 1, 3, 4, 5, 6, 7  # PDU types
COMMAND, LAST = 0x01, 0x02  # bits of the message control header (PS3.8 Section E.2)
LONGEST_REQUEST = 1 << 18  # bytes of an A-ASSOCIATE-RQ, which proposes at most 128 contexts
LONGEST_COMMAND = 1 << 16
ARTIM_S = 10  # for the first PDU, and for the peer to close at the end (PS3.8 Section 9.1.5)


class ProtocolError(Exception):
    """The peer sent what may not come now; the association is aborted."""


class Acceptor:
    """Serves one connection from beginning to end."""

    def __init__(self, connection: socket.socket, host: str, gate: Gate, idle_timeout_s: float) -> None:
        self._socket, self._stream = connection, Stream(connection)
        self._host, self._gate, self._idle_timeout_s = host, gate, idle_timeout_s

    def run(self) -> None:
        """Serve until the association is over, then close the connection."""
        with self._socket:
            try:
                self._stream.set_timeout(ARTIM_S)
                self._serve()
                self._stream.set_timeout(ARTIM_S)
                self._stream.wait_for_end()
            except (ProtocolError, BadCommand, BadRequest) as error:
                logger.warning("association from %s aborted: %s", self._host, error)
                self._abort()
            except OSError as error:
                logger.info("connection from %s lost: %s", self._host, error)
                self._abort()

    def _serve(self) -> None:
        kind, length = _header(self._stream)
        if kind != A_ASSOCIATE_RQ or length > LONGEST_REQUEST:
            raise ProtocolError(f"it began with PDU type {kind} of {length} bytes")
        request = read_request(pack(">BxL", kind, length) + bytes(self._stream.take(length)))
        try:
            reception, supported = self._gate.enter(
                request.calling_ae_title,
                request.called_ae_title,
                self._host,
                request.presentation_context_definition_list,
            )
        except AssociationRejected as rejection:
            self._socket.sendall(pack(">BxLxBBB", A_ASSOCIATE_RJ, 4, *rejection.answer))
            return
        released = False
        try:
            answer, accepted = negotiate(request, supported)
            self._socket.sendall(answer)
            self._stream.set_timeout(self._idle_timeout_s)
            Established(self._socket, self._stream, reception, accepted).run()
            released = True
        finally:
            self._gate.leave(reception, released)

    def _abort(self) -> None:
        with suppress(OSError):  # it may be gone already
            self._socket.sendall(pack(">BxLxxBB", A_ABORT, 4, 2, 0))


def _header(stream: Stream) -> tuple[int, int]:
    """Type and length of the next PDU."""
    kind, length = unpack(">BxL", stream.take(6))
    return kind, length


@dataclass(frozen=True)
class _Store:
    """A C-STORE-RQ whose data set comes in."""

    context_id: int
    request: Command
    transfer: Transfer


class Established:
    """The association between its acceptance and its release (state 6 of PS3.8 Section 9.2)."""

    def __init__(
        self,
        connection: socket.socket,
        stream: Stream,
        reception: Reception,
        contexts: Mapping[int, PresentationContext],
    ) -> None:
        self._socket, self._stream, self._reception, self._contexts = connection, stream, reception, contexts
        self._command = b""  # as much of the command set as has come
        self._store: _Store | None = None

    def run(self) -> None:
        """Serve until the peer releases.  Raises ProtocolError, BadCommand, and OSError when it is lost."""
        try:
            while self._serve_pdu():
                pass
        finally:
            if self._store:
                self._store.transfer.abandon()
        self._socket.sendall(pack(">BxLxxxx", A_RELEASE_RP, 4))

    def _serve_pdu(self) -> bool:
        kind, length = _header(self._stream)
        if kind == P_DATA_TF:
            self._serve_values(length)
        elif kind == A_ABORT:
            raise ConnectionAbortedError("the peer aborted")
        elif kind != A_RELEASE_RQ:
            raise ProtocolError(f"PDU type {kind} came within the association")
        return kind != A_RELEASE_RQ

    def _serve_values(self, length: int) -> None:
        """The presentation data values of one P-DATA-TF (PS3.8 Section 9.3.5.1)."""
        while length:
            size, context_id, control = unpack(">LBB", self._stream.take(6))
            length -= 4 + size
            if size < 2 or length < 0:
                raise ProtocolError("a presentation data value does not fit into its PDU")
            if control & COMMAND:
                self._add_to_command(context_id, bool(control & LAST), size - 2)
            else:
                self._add_to_data_set(bool(control & LAST), size - 2)

    def _add_to_command(self, context_id: int, last: bool, size: int) -> None:
        if self._store or len(self._command) + size > LONGEST_COMMAND:
            raise ProtocolError("a command came within a data set, or without an end")
        self._command += bytes(self._stream.take(size))
        if last:
            request, self._command = read_command(self._command), b""
            self._begin(request, context_id)

    def _begin(self, request: Command, context_id: int) -> None:
        context = self._contexts.get(context_id)
        echo = context is not None and context.abstract_syntax == Verification
        if context is None or request.field != (C_ECHO_RQ if echo else C_STORE_RQ):
            raise ProtocolError(f"command 0x{request.field:04X} came in presentation context {context_id}")
        if echo:
            self._answer(context_id, request.response(SUCCESS))
        else:
            transfer = self._reception.begin(
                request.sop_class_uid, request.sop_instance_uid, str(context.transfer_syntax[0])
            )
            self._store = _Store(context_id, request, transfer)
            if not request.has_data_set:
                self._finish(self._store)

    def _add_to_data_set(self, last: bool, size: int) -> None:
        if self._store is None:
            raise ProtocolError("a data set came without a command")
        for piece in self._stream.pieces(size):
            self._store.transfer.write(piece)
        if last:
            self._finish(self._store)

    def _finish(self, store: _Store) -> None:
        status = store.transfer.finish()
        self._store = None
        self._answer(store.context_id, store.request.response(status))

    def _answer(self, context_id: int, command: bytes) -> None:
        size = len(command) + 2
        self._socket.sendall(pack(">BxLLBB", P_DATA_TF, 4 + size, size, context_id, COMMAND | LAST) + command)
