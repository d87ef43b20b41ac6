"""The only way to a page: who is asking, and did the form come from our own page. Every route but the log-in goes through here."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from .sessions import Session
from .site import Site, Visit, message, redirect

Page = Callable[[Visit], Response]
MOST_FORM_BYTES: Final = 16_384
MOST_FIELDS: Final = 20
LONGEST_USER: Final = 100
PROXY: Final = "proxy"


@dataclass(frozen=True, slots=True)
class Turned:
    """Somebody does not come in, and gets this answer."""

    answer: Response


def guarded(site: Site, handler: Page) -> Callable[[Request], Awaitable[Response]]:
    """The handler behind the gate, in a thread: pages wait for the database."""

    async def endpoint(request: Request) -> Response:
        cookie: str | None
        found: Session | Turned | None
        cookie, found = _by_proxy(site, request) if site.options.proxy_header else (None, _by_password(site, request))
        if found is None:
            return _to_login(request)
        if isinstance(found, Turned):
            return found.answer
        visit = request.state.visit = Visit(site, request, found)
        if request.method == "POST":
            form = await read_form(request)
            if form is None or not _is_ours(request) or not _same(form.pop("csrf", ""), found.csrf):
                return message(visit, 403, "Nothing was done", _FORGED)
            visit.form = form
        answer = await run_in_threadpool(handler, visit)
        if cookie is not None:
            set_cookie(site, answer, cookie)
        return answer

    return endpoint


_FORGED = "The form was not sent from this page, or the page was open for too long. Open the page again and repeat what you did."


def _to_login(request: Request) -> Response:
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return redirect(f"/login?next={quote(here, safe='')}" if request.method in {"GET", "HEAD"} and here != "/" else "/login")


def _by_password(site: Site, request: Request) -> Session | None:
    request.state.visit = Visit(site, request, None)
    return site.sessions.find(request.cookies.get(cookie_name(site)), site.password.mark())


def _by_proxy(site: Site, request: Request) -> tuple[str | None, Session | Turned]:
    """The session of whom the proxy vouches for, and the cookie of a new one."""
    nobody = request.state.visit = Visit(site, request, None)
    if not site.options.trusts(request.client.host if request.client else None):
        return None, Turned(message(nobody, 403, "Not this way", "This page is reached only through the log-in proxy."))
    names = request.headers.getlist(site.options.proxy_header or "")
    if len(names) != 1 or not is_user_name(names[0]):
        return None, Turned(message(nobody, 401, "Who are you?", "The log-in proxy did not say who you are; log in there again."))
    session = site.sessions.find(request.cookies.get(cookie_name(site)), PROXY)
    if session is not None and session.user == names[0]:
        return None, session
    if request.method == "POST":
        # A form of whoever was logged in at the proxy before.
        return None, Turned(message(nobody, 403, "Nothing was done", _FORGED))
    return site.sessions.begin(names[0], PROXY)


def is_user_name(text: str) -> bool:
    """Whether the audit log can name somebody so."""
    return 0 < len(text) <= LONGEST_USER and text.isprintable() and text == text.strip()


def cookie_name(site: Site) -> str:
    """With `__Host-` a browser takes the cookie from nobody but this host, by https, for all paths."""
    return "__Host-smilereel" if site.options.secure else "smilereel"


def set_cookie(site: Site, answer: Response, value: str, name: str | None = None) -> None:
    """For this browser alone, out of reach of scripts and of other sites' links."""
    answer.set_cookie(
        name or cookie_name(site),
        value,
        max_age=int(site.sessions.most_seconds),
        path="/",
        secure=site.options.secure,
        httponly=True,
        samesite="strict",
    )


async def read_form(request: Request) -> dict[str, str] | None:
    """The form's fields; None where it is no plain form, too large, or says something twice."""
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        return None
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_FORM_BYTES:
            return None
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError:
        return None
    return dict(pairs) if len(dict(pairs)) == len(pairs) else None


def _is_ours(request: Request) -> bool:
    # Browsers say where a form comes from; the token decides, this only ends the cheaper tries earlier.
    return request.headers.get("sec-fetch-site", "same-origin") in {"same-origin", "none"}


def _same(given: str, expected: str) -> bool:
    return secrets.compare_digest(given.encode(), expected.encode())


def client_address(site: Site, request: Request) -> str | None:
    """Who failed to log in: the peer, or whom trusted proxies say it is (the last address that is not one of theirs)."""
    peer = request.client.host if request.client else None
    if not site.options.trusts(peer):
        return peer
    for address in reversed([part.strip() for line in request.headers.getlist("x-forwarded-for") for part in line.split(",")]):
        if not site.options.trusts(address):
            return address
    return peer
