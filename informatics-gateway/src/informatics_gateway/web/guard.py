# SPDX-License-Identifier: Apache-2.0
"""Who may ask, and what a browser may do with the answer.

The page has no sign-in, so it must answer nobody but the people at this machine.  Listening on loopback keeps
the network out; the Host header keeps out a page on the web whose name was made to resolve to loopback (DNS
rebinding), and the Origin header a page on the web that posts to us.
"""

import re
from collections.abc import Collection
from ipaddress import ip_address

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
HOST = re.compile(r"(\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<name>[^:\[\]]+))(:[0-9]*)?")
READING = frozenset({"GET", "HEAD", "OPTIONS"})
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with "no-referrer" our own forms would come with Origin: null
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def host_names(configured: str) -> frozenset[str]:
    """The names under which the page may be asked: loopback's and, unless it means "all", the configured one.

    The port is not compared: a published container port or a tunnel changes it, and a rebound name is still
    another name.
    """
    try:
        everywhere = ip_address(configured).is_unspecified
    except ValueError:
        everywhere = False
    return LOOPBACK_NAMES if everywhere else LOOPBACK_NAMES | {configured.lower()}


class Guard:
    """ASGI middleware: refuses foreign Host and Origin headers and adds HEADERS to every answer.

    hosts: None for any, where a token keeps others out.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str] | None) -> None:
        self.app = app
        self.hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] != "http":  # there is no WebSocket here
            return await send({"type": "websocket.close", "code": 1008})
        answer = self._refusal(scope["method"], Headers(scope=scope)) or self.app
        if scope["method"] == "HEAD":  # RFC 9110 section 9.3.2: as GET; the server leaves the content out
            scope = {**scope, "method": "GET"}
        return await answer(scope, receive, _with_headers(send))

    def _refusal(self, method: str, headers: Headers) -> ASGIApp | None:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or (self.hosts is not None and _name(hosts[0]) not in self.hosts):
            return _refuse(421, "This page is not known under that name: use localhost or 127.0.0.1.")
        if method not in READING and not _same_origin(headers.get("origin"), hosts[0]):
            return _refuse(403, "Another site's page may not change anything here.")
        return None


def _refuse(status: int, sentence: str) -> ASGIApp:
    return JSONResponse({"detail": sentence}, status)


def _name(host: str) -> str:
    """The host name of a Host header (RFC 9110 section 7.2), without port and brackets; "" in one without."""
    found = HOST.fullmatch(host)
    return (found["ipv6"] or found["name"]).lower() if found else ""


def _same_origin(origin: str | None, host: str) -> bool:
    """Whether a change is asked for by our own page, or by no page at all: browsers always send Origin."""
    return origin is None or origin.lower() in (f"http://{host.lower()}", f"https://{host.lower()}")


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(HEADERS)
        await send(message)

    return send_with_headers
