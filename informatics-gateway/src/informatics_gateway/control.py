# SPDX-License-Identifier: Apache-2.0
"""How the command line asks a running gateway: one JSON line each way over a Unix socket (mode 0600)."""

import json
import os
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from imaging_data import ExplainedError

from .errors import GatewayRefused, NotRunning

SOCKET_NAME = "gantry.sock"
Command = Callable[..., str]


class Control:
    """Answers requests on the storage folder's socket with the given commands, until `close`."""

    def __init__(self, storage: Path, commands: Mapping[str, Command]) -> None:
        # The storage lock is ours, so whoever made an old socket is gone.
        (storage / SOCKET_NAME).unlink(missing_ok=True)

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.wfile.write(_answer(self.rfile.readline(65536), commands) + b"\n")

        before = os.umask(0o177)
        try:
            with _short_path(storage) as path:
                self._server = socketserver.ThreadingUnixStreamServer(path, Handler)
        finally:
            os.umask(before)
        threading.Thread(target=self._server.serve_forever, name="control", daemon=True).start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def _short_path(storage: Path) -> Iterator[str]:
    """The socket's path by the folder's descriptor: the path of a Unix socket has 107 bytes at most."""
    folder = os.open(storage, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{SOCKET_NAME}"
    finally:
        os.close(folder)


def _answer(line: bytes, commands: Mapping[str, Command]) -> bytes:
    try:
        request = json.loads(line)
        answer = {"done": commands[request["command"]](**request["arguments"])}
    except ExplainedError as error:
        answer = {"error": str(error), "hint": error.hint}
    except (ValueError, KeyError, TypeError) as error:
        answer = {"error": f"The request was not understood: {error!r}.", "hint": "Use the gantry command."}
    return json.dumps(answer).encode()


def ask(storage: Path, command: str, **arguments: Any) -> str:
    """Ask the gateway that runs on `storage`; its answer, one sentence.

    Raises NotRunning, or GatewayRefused with the gateway's own sentence.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            with _short_path(storage) as path:
                connection.connect(path)
        except OSError:
            raise NotRunning(f"{storage}.") from None
        connection.sendall(json.dumps({"command": command, "arguments": arguments}).encode() + b"\n")
        answer = json.loads(connection.makefile().readline() or '{"error": "no answer", "hint": ""}')
    if "error" in answer:
        raise GatewayRefused(answer["error"], hint=answer["hint"])
    return str(answer["done"])
