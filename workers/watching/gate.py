"""The gate before every path of the endpoint: who does not bring the password learns nothing, not even which paths there are. ASGI."""

from __future__ import annotations

import asyncio
import hmac
from base64 import b64decode
from binascii import Error as Base64Error

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

USER = "metrics"
# Guessing gets slow; who mistyped hardly notices.
WRONG_PASSWORD_SECONDS = 1.0
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


class Gate:
    """Around the whole app.

    Args:
        app: what answers those who are let in.
        password: of the user `metrics`; None lets everybody in, for an address that only this machine reaches.
    """

    def __init__(self, app: ASGIApp, password: str | None) -> None:
        self._app = app
        self._expected = None if password is None else f"{USER}:{password}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on, or answer 401 to any method and path."""
        if scope["type"] != "http" or self._expected is None:
            await self._app(scope, receive, send)
            return
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        if len(given) == 1 and hmac.compare_digest(_credentials(given[0]), self._expected):
            await self._app(scope, receive, send)
            return
        if given:
            await asyncio.sleep(WRONG_PASSWORD_SECONDS)
        refusal = PlainTextResponse(
            "Log in first.\n", 401, {**HEADERS, "WWW-Authenticate": 'Basic realm="smilereel", charset="UTF-8"'}
        )
        await refusal(scope, receive, send)


def _credentials(header: bytes) -> bytes:
    """`user:password` of a request; empty where there is none."""
    scheme, _, encoded = header.partition(b" ")
    if scheme.lower() != b"basic":
        return b""
    try:
        return b64decode(encoded.strip(), validate=True)
    except (ValueError, Base64Error):
        return b""
