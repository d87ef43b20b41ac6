"""The app: addresses and what answers them. `serve.py` runs it, tests call it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cache, partial
from importlib.resources import files as package_files

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from shared.ledger import Ledger, open_ledger
from shared.settings import Settings

from . import deeds, faults, files, lessons, login
from .gate import MOST_FORM_BYTES, Page, guarded
from .guard import Guard
from .options import WebOptions
from .password import PasswordFile
from .sessions import Sessions
from .site import Site

LESSON = "/lessons/{lesson_id}"
SHOWN: dict[str, Page] = {
    "/": lessons.lessons,
    "/quarantine": lessons.quarantine,
    "/connection": lessons.connections,
    "/audit": lessons.audit,
    LESSON: lessons.lesson,
    f"{LESSON}/report": files.report,
    f"{LESSON}/seconds.csv": files.seconds_csv,
    f"{LESSON}/consent": deeds.ask_consent,
    f"{LESSON}/erase": deeds.ask_erase,
    **{f"{LESSON}/{name}": files.picture(name) for name in files.PICTURES},
}
DONE: dict[str, Page] = {
    "/logout": login.log_out,
    f"{LESSON}/retry": deeds.retry,
    f"{LESSON}/reprocess": deeds.reprocess,
    f"{LESSON}/cancel": deeds.cancel,
    f"{LESSON}/approve": deeds.approve,
    f"{LESSON}/consent": deeds.withdraw,
    f"{LESSON}/erase": deeds.erase,
}


def make_site(settings: Settings, options: WebOptions, *, ledger: Ledger | None = None, sessions: Sessions | None = None) -> Site:
    """The parts, none of which is connected to anything yet.

    Raises:
        SettingsInvalid: the database's address cannot be understood.
    """
    return Site(
        settings=settings,
        options=options,
        ledger=ledger or open_ledger(settings.database_url),
        password=PasswordFile(settings.web_password_file),
        sessions=sessions
        or Sessions(idle_seconds=settings.web_idle_minutes * 60, most_seconds=settings.web_session_hours * 3600),
    )


def make_app(site: Site) -> Guard:
    """The whole app; only the log-in and the style sheets are in front of the gate."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        site.ledger.close()

    routes = [
        Route("/login", login.login_form(site), methods=["GET"]),
        Route("/login", login.login(site), methods=["POST"]),
        Route("/static/web.css", _static("text/css; charset=utf-8", partial(_own, "web.css")), methods=["GET"]),
        Route("/static/icon.svg", _static("image/svg+xml", partial(_own, "icon.svg")), methods=["GET"]),
        Route("/static/report.css", _static("text/css; charset=utf-8", _report_css), methods=["GET"]),
        *(Route(path, guarded(site, handler), methods=["GET"]) for path, handler in SHOWN.items()),
        *(Route(path, guarded(site, handler), methods=["POST"]) for path, handler in DONE.items()),
    ]
    app = Starlette(routes=routes, exception_handlers=faults.handlers(site), lifespan=lifespan, max_body_size=MOST_FORM_BYTES)
    app.router.redirect_slashes = False
    return Guard(app, site.options.allowed_hosts)


def _static(media_type: str, read: Callable[[], bytes]) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(_request: Request) -> Response:
        return Response(read(), media_type=media_type, headers={"Cache-Control": "no-cache"})

    return endpoint


@cache
def _own(name: str) -> bytes:
    return (package_files("workers.web") / "static" / name).read_bytes()


@cache
def _report_css() -> bytes:
    try:
        from workers.report.page import report_css
    except ModuleNotFoundError:
        return b""
    return report_css().encode()
