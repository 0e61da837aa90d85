# SPDX-License-Identifier: Apache-2.0
"""The DICOM server as pynetdicom makes it: documented calls only, the whole data set in memory."""

import socket
from contextlib import suppress
from typing import Any

from pynetdicom import AE, evt
from pynetdicom.association import Association as Connection
from pynetdicom.events import Event
from pynetdicom.service_class import StorageServiceClass
from pynetdicom.sop_class import Verification, register_uid  # type: ignore[attr-defined]

from ..config import Dicom
from .admission import STORAGE, AssociationRejected
from .gate import Gate
from .negotiation import MAXIMUM_PDU_LENGTH
from .reception import Reception

UNLIMITED = 1_000_000  # associations: the gate counts them


class StockServer:
    """Listens from the start; `stop` aborts what is open."""

    def __init__(self, dicom: Dicom, gate: Gate) -> None:
        self._gate, self._timeout_s = gate, dicom.idle_timeout_s
        self._receptions: dict[Connection, Reception] = {}
        self._ae = AE(dicom.ae_title)
        self._ae.maximum_pdu_size = MAXIMUM_PDU_LENGTH
        self._ae.maximum_associations = UNLIMITED
        self._ae.network_timeout = dicom.idle_timeout_s
        self._ae.add_supported_context(Verification)
        handlers: list[Any] = [
            (evt.EVT_CONN_OPEN, self._connected),
            (evt.EVT_REQUESTED, self._requested),
            (evt.EVT_C_STORE, self._stored),
            (evt.EVT_RELEASED, self._ended, [True]),
            (evt.EVT_ABORTED, self._ended, [False]),
        ]
        listen: Any = self._ae.start_server
        self._server = listen((dicom.host, dicom.port), block=False, evt_handlers=handlers)
        self.port = int(self._server.server_address[1])

    def stop(self) -> None:
        """Stop listening and abort every association."""
        self._server.shutdown()
        for connection in self._ae.active_associations:
            if connection in self._receptions:
                connection.abort()
            else:  # not negotiated yet: pynetdicom cannot abort that
                _hang_up(connection)

    def _connected(self, event: Event) -> None:
        """A peer that stops in the middle of a PDU must not hold its thread for ever."""
        _socket(event.assoc).settimeout(self._timeout_s)

    def _requested(self, event: Event) -> None:
        connection, request = event.assoc, _request(event.assoc)
        self._forget_dead()
        try:
            reception, contexts = self._gate.enter(
                request.calling_ae_title,
                request.called_ae_title,
                connection.requestor.address,
                request.presentation_context_definition_list,
            )
        except AssociationRejected as rejection:
            connection.acse.send_reject(*rejection.answer)
            connection.kill()  # waits until the rejection is sent
            return
        self._receptions[connection] = reception
        connection.acceptor.supported_contexts = contexts
        _serve_as_storage({str(context.abstract_syntax) for context in contexts})

    def _stored(self, event: Event) -> int:
        request: Any = event.request
        transfer = self._receptions[event.assoc].begin(
            str(request.AffectedSOPClassUID),
            str(request.AffectedSOPInstanceUID),
            str(event.context.transfer_syntax),
        )
        with request.DataSet.getbuffer() as data_set:
            transfer.write(data_set)
        return transfer.finish()

    def _ended(self, event: Event, released: bool) -> None:
        self._leave(event.assoc, released)

    def _forget_dead(self) -> None:
        """pynetdicom tells neither of the two ends when its own thread has failed."""
        for connection in [each for each in list(self._receptions) if not each.is_alive()]:
            self._leave(connection, False)

    def _leave(self, connection: Connection, released: bool) -> None:
        reception = self._receptions.pop(connection, None)
        if reception is not None:
            self._gate.leave(reception, released)


def _socket(connection: Connection) -> Any:
    wrapped: Any = connection.dul.socket
    return wrapped.socket  # None once it is closed


def _hang_up(connection: Connection) -> None:
    with suppress(OSError, AttributeError):  # it may be closed already
        _socket(connection).shutdown(socket.SHUT_RDWR)


def _request(connection: Connection) -> Any:
    return connection.requestor.primitive


def _serve_as_storage(sop_classes: set[str]) -> None:
    """Let pynetdicom hand over C-STORE of SOP classes that it does not know, private ones too."""
    for uid in sop_classes - STORAGE - {Verification}:
        register_uid(uid, f"Storage_{uid.replace('.', '_')}", StorageServiceClass)
