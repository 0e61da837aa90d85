# SPDX-License-Identifier: Apache-2.0
"""Paths whose ids may hold a slash: %2F stays part of its segment (RFC 3986 section 2.2)."""

from urllib.parse import unquote

from starlette.types import ASGIApp, Receive, Scope, Send

PREFIXES = ("/api/dataset/", "/dataset/")


class Segments:
    """ASGI middleware for paths under PREFIXES: each segment is decoded by itself.

    In it "%" and "/" stay encoded, so a route's id is to be unquoted once more.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw: bytes = scope.get("raw_path") or b""
        if scope["type"] == "http" and scope["path"].startswith(PREFIXES) and b"%" in raw:
            scope = dict(scope) | {"path": _path(raw.partition(b"?")[0].decode("ascii", "replace"))}
        await self.app(scope, receive, send)


def _path(raw: str) -> str:
    decoded = (unquote(segment) for segment in raw.split("/"))
    return "/".join(segment.replace("%", "%25").replace("/", "%2F") for segment in decoded)
