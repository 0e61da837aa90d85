# SPDX-License-Identifier: Apache-2.0
"""An HTTP server on loopback that answers as a test tells it to: the archives that Orthanc is not."""

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Request:
    """What came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Answer:
    """What goes out."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Archive:
    """A running server: its `url`, and the requests that it got."""

    url: str
    requests: list[Request] = field(default_factory=list)

    def methods(self) -> list[str]:
        return [request.method for request in self.requests]


@contextmanager
def http_archive(answer: Callable[[Request], Answer], tls: ssl.SSLContext | None = None) -> Iterator[Archive]:
    """A server that answers each request with what `answer` gives for it."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            request = Request(self.command, self.path, dict(self.headers), body)
            archive.requests.append(request)
            given = answer(request)
            self.send_response(given.status)
            for name, value in {"Content-Length": str(len(given.body)), **given.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(given.body)

        do_GET = do_POST = serve

        def log_message(self, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Clients that hang up are part of the tests."""

    server = Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    scheme = "http" if tls is None else "https"
    archive = Archive(f"{scheme}://127.0.0.1:{server.server_port}/dicom-web")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield archive
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def files_in(request: Request) -> list[bytes]:
    """The files in a STOW-RS request."""
    boundary = request.headers["Content-Type"].rsplit("boundary=", 1)[1].encode()
    parts = request.body.split(b"--" + boundary)
    return [part.partition(b"\r\n\r\n")[2][:-2] for part in parts[1:-1]]


def as_part(file: bytes) -> Answer:
    """A WADO-RS answer with one instance."""
    content_type = 'multipart/related; type="application/dicom"; boundary="a b"'
    body = b"\r\n--a b\r\nContent-Type: application/dicom\r\n\r\n" + file + b"\r\n--a b--"
    return Answer(200, body, {"Content-Type": content_type})
