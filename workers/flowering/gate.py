"""The one gate before all of Flower: every request, whatever its path, needs the password. `serve.py` puts the site behind it.

Flower guards its own handlers one by one and leaves /metrics and /healthcheck open; here nothing is routed before it is let in.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from base64 import b64decode
from binascii import Error as Base64Error
from typing import Any

from flower.app import Flower
from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.web import OutputTransform, RequestHandler

from .pages import INSTEAD

log = logging.getLogger(__name__)

USER = "flower"
# Guessing gets slow, a person who mistyped hardly notices.
WRONG_PASSWORD_SECONDS = 1.0
_CONTENT_RULES = "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"
_RULES = {
    "Content-Security-Policy": f"{_CONTENT_RULES}; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class GuardedFlower(Flower):  # type: ignore[misc]
    """Flower's site; nobody without the password gets as far as its routes."""

    def __init__(self, *, password: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._expected = f"{USER}:{password}".encode()
        self.add_transform(SafeHeaders)

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
        """The page asked for, or the refusal."""
        given = request.headers.get("Authorization", "")
        if not hmac.compare_digest(_credentials(given), self._expected):
            return self.get_handler_delegate(request, Refused, {"wrong": bool(given)})
        return super().find_handler(request, **kwargs)

    def get_handler_delegate(self, request: HTTPServerRequest, target_class: type[RequestHandler], *args: Any, **kw: Any) -> Any:
        """The handler for a request that was let in."""
        return super().get_handler_delegate(request, INSTEAD.get(target_class, target_class), *args, **kw)


class Refused(RequestHandler):
    """Says 401 to any method, at once to who brings nothing, slowly to who brings something wrong."""

    def initialize(self, wrong: bool) -> None:
        """`wrong`: credentials came with the request."""
        self.wrong = wrong

    def check_xsrf_cookie(self) -> None:
        """Nothing is done for anybody here, so nobody can be made to ask for it."""

    async def prepare(self) -> None:
        """Answer; no method is ever reached."""
        if self.wrong:
            log.warning("somebody gave a wrong password")
            await asyncio.sleep(WRONG_PASSWORD_SECONDS)
        self.set_status(401)
        self.set_header("WWW-Authenticate", 'Basic realm="smilereel", charset="UTF-8"')
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        self.finish("Log in first.\n")


class SafeHeaders(OutputTransform):
    """What browsers are told with each answer."""

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        """The same answer with the rules; nothing but files that never change is kept by browsers."""
        del finishing
        headers.pop("Server", None)
        for name, value in _RULES.items():
            headers[name] = value
        if "Etag" not in headers or "Last-Modified" not in headers:
            headers["Cache-Control"] = "no-store"
        return status_code, headers, chunk


def _credentials(header: str) -> bytes:
    """`user:password` of a request; empty where there is none."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return b""
    try:
        return b64decode(encoded.strip(), validate=True)
    except (ValueError, Base64Error):
        return b""
