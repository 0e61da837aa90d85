# SPDX-License-Identifier: Apache-2.0
"""A bearer token (RFC 6750) for every question, compared in constant time."""

import hmac

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

CHALLENGE = {"WWW-Authenticate": "Bearer"}


class Token:
    """ASGI middleware: answers 401 to whoever does not have the token."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self.app = app
        self._wanted = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            given = Headers(scope=scope).getlist("authorization")
            if len(given) != 1 or not hmac.compare_digest(
                given[0].encode("latin-1", "replace"), self._wanted
            ):
                refusal = JSONResponse({"detail": "A token is needed."}, 401, CHALLENGE)
                return await refusal(scope, receive, send)
        return await self.app(scope, receive, send)
