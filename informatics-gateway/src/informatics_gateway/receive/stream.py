# SPDX-License-Identifier: Apache-2.0
"""A socket read in large pieces that are looked at in place: nothing is copied on the way to the file."""

import socket
import time
from collections.abc import Iterator
from struct import pack

BUFFER = 1 << 20  # bytes; holds several PDUs of the usual 128 KiB


class Stream:
    """The receiving side of a connection.  What it hands out is valid until the next call."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._view = memoryview(bytearray(BUFFER))
        self._start = self._end = 0
        self._timeout_s = 0.0
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def set_timeout(self, seconds: float) -> None:
        """How long the peer may be silent, take for the next BUFFER bytes, or not take what is sent.

        The kernel keeps the time: with Python's own timeout each read would be two system calls.
        """
        self._timeout_s = seconds
        whole, part = divmod(seconds, 1)
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            self._socket.setsockopt(socket.SOL_SOCKET, option, pack("ll", int(whole), int(part * 1e6)))

    def take(self, count: int) -> memoryview:
        """The next `count` bytes, at most BUFFER.  Raises OSError when the connection is lost."""
        self._fill(count)
        self._start += count
        return self._view[self._start - count : self._start]

    def pieces(self, count: int) -> Iterator[memoryview]:
        """The next `count` bytes, in large pieces.  Raises OSError when the connection is lost."""
        while count:
            piece = self.take(min(count, BUFFER))
            count -= len(piece)
            yield piece

    def wait_for_end(self) -> None:
        """Wait until the peer closes.  Raises OSError when it does not in time."""
        deadline = time.monotonic() + self._timeout_s
        while self._socket.recv_into(self._view) and time.monotonic() < deadline:
            pass

    def _fill(self, count: int) -> None:
        """Receive until `count` bytes are there, at the beginning of the buffer when they would not fit."""
        if self._start == self._end or self._start + count > BUFFER:
            rest = self._view[self._start : self._end]
            self._start, self._end = 0, len(rest)
            self._view[: self._end] = bytes(rest)
        deadline = time.monotonic() + self._timeout_s
        while self._end - self._start < count:
            self._end += self._receive()
            if time.monotonic() > deadline:  # it was never silent, but it dawdles
                raise TimeoutError("the peer took too long")

    def _receive(self) -> int:
        try:
            received = self._socket.recv_into(self._view[self._end :])
        except BlockingIOError as error:
            raise TimeoutError("the peer was silent for too long") from error
        if not received:
            raise ConnectionResetError("the peer closed it")
        return received
