# SPDX-License-Identifier: Apache-2.0
"""The DICOM server of the usual run: one thread an association, which waits for its peer or for the disk."""

import logging
import socket
import threading
from contextlib import suppress

from ..config import Dicom
from .acceptor import Acceptor
from .gate import Gate

logger = logging.getLogger("gantry.receive")

BACKLOG = 128
PAUSE_S = 0.1  # before the next try, when the process has no file descriptor left


class StreamingServer:
    """Listens from the start; `stop` aborts what is open."""

    def __init__(self, dicom: Dicom, gate: Gate) -> None:
        self._gate, self._idle_timeout_s = gate, dicom.idle_timeout_s
        self._listening = socket.create_server(
            (dicom.host, dicom.port),
            family=socket.AF_INET6 if ":" in dicom.host else socket.AF_INET,
            backlog=BACKLOG,
            dualstack_ipv6=dicom.host == "::",
        )
        self.port = int(self._listening.getsockname()[1])
        self._open: set[socket.socket] = set()
        self._stopping = threading.Event()
        threading.Thread(target=self._accept, name="receive", daemon=True).start()

    def stop(self) -> None:
        """Stop listening and abort every association."""
        self._stopping.set()
        for connection in (self._listening, *list(self._open)):
            with suppress(OSError):  # the peer may have gone meanwhile
                connection.shutdown(socket.SHUT_RD)

    def _accept(self) -> None:
        with self._listening:
            while not self._stopping.is_set():
                try:
                    connection, address = self._listening.accept()
                except OSError as error:
                    if not self._stopping.wait(PAUSE_S):
                        logger.warning("accepting a connection failed: %s", error)
                else:
                    arguments = connection, str(address[0])
                    threading.Thread(target=self._serve, args=arguments, daemon=True).start()

    def _serve(self, connection: socket.socket, host: str) -> None:
        self._open.add(connection)
        try:
            Acceptor(connection, host, self._gate, self._idle_timeout_s).run()
        finally:
            self._open.discard(connection)
