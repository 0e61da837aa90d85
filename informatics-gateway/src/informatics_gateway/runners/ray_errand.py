# SPDX-License-Identifier: Apache-2.0
"""One job's connection between the gateway and its link to the cluster, seen from the link."""

from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from ..errors import JobCancelled
from .ray_parcels import Order


class Errand:
    """What the gateway wants done.  When the connection ends before the job does, the job is cancelled."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.is_cancelled = False

    def order(self) -> Order:
        """What is to be done.  Raises EOFError when the gateway has changed its mind."""
        order: Order = self._connection.recv()
        return order

    def tell(self, *message: Any) -> None:
        """Say something, if the gateway listens still."""
        with suppress(OSError):
            self._connection.send(message)

    def note(self, text: str) -> None:
        """A line for the job's history."""
        self.tell("progress", text, 0.0)

    def look(self) -> bool:
        """Whether the job was cancelled."""
        self.is_cancelled = self.is_cancelled or self._connection.poll()
        return self.is_cancelled

    def check(self) -> None:
        """Raise JobCancelled when it was."""
        if self.look():
            raise JobCancelled

    def close(self) -> None:
        """There is no more to say."""
        self._connection.close()
