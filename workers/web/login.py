"""Coming in with the password, and going out. The only pages in front of the gate."""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from .gate import client_address, cookie_name, is_user_name, read_form, set_cookie
from .password import Busy
from .site import Site, Visit, page, redirect

Endpoint = Callable[[Request], Awaitable[Response]]
# A path of ours; `//host` and `/\host` would lead elsewhere.
_NEXT = re.compile(r"/(?![/\\])[A-Za-z0-9._~:@=+%&?/-]{0,1000}")


def login_form(site: Site) -> Endpoint:
    """GET /login."""

    async def endpoint(request: Request) -> Response:
        visit = request.state.visit = Visit(site, request, None)
        if site.options.proxy_header:
            return redirect("/")
        return _form(visit, 200, "", request.query_params.get("next", ""))

    return endpoint


def login(site: Site) -> Endpoint:
    """POST /login: a session for whoever knows the password."""

    async def endpoint(request: Request) -> Response:
        visit = request.state.visit = Visit(site, request, None)
        form = await read_form(request) or {}
        wanted, user = form.get("next", ""), form.get("user", "").strip()
        if not site.sessions.is_login_token(form.get("csrf", ""), request.cookies.get(_nonce_name(site))):
            return _form(visit, 403, "The page was open for too long, or cookies are off. Please try again.", wanted)
        if not is_user_name(user):
            return _form(visit, 400, "Give your name, up to 100 signs: the audit log tells who did what.", wanted)
        address = client_address(site, request)
        if wait_seconds := site.attempts.begin(address):
            return _wait(visit, wait_seconds, wanted)
        try:
            right = await run_in_threadpool(site.password.verify, form.get("password", ""))
        except Busy:
            return _wait(visit, 60.0, wanted)
        if not right:
            return _form(visit, 401, "That is not the password.", wanted)
        site.attempts.succeeded(address)
        # A new number each time: one that somebody planted before is worth nothing.
        site.sessions.end(request.cookies.get(cookie_name(site)))
        cookie, _session = site.sessions.begin(user, site.password.mark())
        answer = redirect(wanted if _NEXT.fullmatch(wanted) else "/")
        set_cookie(site, answer, cookie)
        return answer

    return endpoint


def log_out(visit: Visit) -> Response:
    """POST /logout, behind the gate."""
    site = visit.site
    site.sessions.end(visit.request.cookies.get(cookie_name(site)))
    answer = redirect("/login")
    answer.delete_cookie(cookie_name(site), path="/", secure=site.options.secure, httponly=True, samesite="strict")
    return answer


def _form(visit: Visit, status: int, complaint: str, wanted: str) -> Response:
    # The same for all open log-in pages of a browser, so that each of them works.
    nonce = visit.request.cookies.get(_nonce_name(visit.site)) or secrets.token_urlsafe(24)
    token = visit.site.sessions.login_token(nonce)
    wanted = wanted if _NEXT.fullmatch(wanted) else ""
    answer = page(visit, "login.html", status, complaint=complaint, wanted=wanted, token=token)
    set_cookie(visit.site, answer, nonce, _nonce_name(visit.site))
    return answer


def _wait(visit: Visit, seconds: float, wanted: str) -> Response:
    minutes = max(1, round(seconds / 60))
    answer = _form(visit, 429, f"Too many log-ins have failed. Try again in {minutes} minute{'s' * (minutes > 1)}.", wanted)
    answer.headers["Retry-After"] = str(max(1, round(seconds)))
    return answer


def _nonce_name(site: Site) -> str:
    return f"{cookie_name(site)}-login"
