# SPDX-License-Identifier: Apache-2.0
"""Keeps pynetdicom's reactor thread from taking the response that a sender waits for.

In pynetdicom 3.0 `send_c_*` clears the attribute `_reactor_checkpoint` of the association and waits until
`_is_paused` is true.  The reactor sets `_is_paused` before it waits at the checkpoint, so it may still be
passing through: then it takes the response off the queue, and the sender waits out its time and gets an empty
status.  The gate below stands in for that one attribute.  With another version of pynetdicom nothing is
touched; an empty status is tried again in any case.
"""

import threading
from importlib.metadata import version
from typing import Any

KNOWN_VERSIONS = ("3.0.",)
LOOK_AGAIN_S = 0.05


def hold_reactor(association: Any) -> None:
    """Give an association that has not been started yet a checkpoint that really stops its reactor."""
    if version("pynetdicom").startswith(KNOWN_VERSIONS):
        association._reactor_checkpoint = Gate(association)


class Gate:
    """Like threading.Event, but `clear` returns only when `reactor` stands in `wait`, or is no more."""

    def __init__(self, reactor: threading.Thread) -> None:
        self._reactor = reactor
        self._turn = threading.Condition()
        self._open = True
        self._held = False

    def set(self) -> None:
        """Let the reactor go on."""
        with self._turn:
            self._open = True
            self._turn.notify_all()

    def clear(self) -> None:
        """Close the gate, and wait until the reactor stands before it."""
        with self._turn:
            self._open = False
            while not self._held and self._reactor.is_alive() and not self._is_reactor():
                self._turn.wait(LOOK_AGAIN_S)

    def wait(self) -> None:
        """The reactor's side: stand here while the gate is closed."""
        with self._turn:
            while not self._open:
                self._held = True
                self._turn.notify_all()
                self._turn.wait()
            self._held = False

    def _is_reactor(self) -> bool:
        return threading.current_thread() is self._reactor
