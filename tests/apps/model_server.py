# SPDX-License-Identifier: Apache-2.0
"""An HTTP server of model files on loopback, which resumes, truncates, lies, redirects and fails as told."""

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Served:
    """What the server has, and how it behaves; `ranges`: the Range headers it was sent, None without one."""

    content: bytes
    etag: str = '"one"'
    modified: str = ""
    takes_ranges: bool = True
    stops_after: list[int] = field(default_factory=list)  # bytes of an answer's body, one answer each
    says_length: int | None = None  # -1: says none
    statuses: list[int] = field(default_factory=list)  # one answer each
    redirect: str = ""
    range_offset: int = 0  # how wrong Content-Range is
    ranges: list[str | None] = field(default_factory=list)


class ModelServer(ThreadingHTTPServer):
    """Serves `served` under every path; `url` is the one that a model.lock names."""

    daemon_threads = True

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.served = Served(content)
        self.url = f"http://127.0.0.1:{self.server_port}/weights/net.pt"
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def handle_error(self, *_: Any) -> None:
        """A client that goes away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        served: Served = self.server.served
        served.ranges.append(self.headers["Range"])
        if served.redirect and not self.path.startswith("/moved"):
            return self._empty(302, Location=served.redirect)
        if served.statuses:
            return self._empty(served.statuses.pop(0))
        start = self._start(served)
        if start >= len(served.content) > 0 and start:
            return self._empty(416)
        return self._body(served, start)

    def _start(self, served: Served) -> int:
        wanted = self.headers["Range"]
        current = self.headers["If-Range"] in (served.etag, served.modified) and self.headers["If-Range"]
        if wanted is None or not served.takes_ranges or not current:
            return 0
        return int(wanted.removeprefix("bytes=").rstrip("-"))

    def _body(self, served: Served, start: int) -> None:
        body = served.content[start:]
        self.send_response(206 if start else 200)
        length = len(body) if served.says_length is None else served.says_length
        if length >= 0:
            self.send_header("Content-Length", str(length))
        if start:
            begin, end = start + served.range_offset, len(served.content)
            self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{end}")
        for name, value in (("ETag", served.etag), ("Last-Modified", served.modified)):
            if value:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: served.stops_after.pop(0)] if served.stops_after else body)
        self.close_connection = True

    def _empty(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": "0", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
