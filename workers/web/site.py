"""What every page is given: the site's parts, the visit, and how a template becomes an answer. The gate makes the visits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pydantic import TypeAdapter, ValidationError
from starlette.responses import HTMLResponse, RedirectResponse, Response

from shared.errors import LessonUnknown
from shared.ledger import Ledger
from shared.lesson import LessonId
from shared.settings import Settings
from shared.states import LessonState
from shared.store import Store, store_of

from .attempts import Attempts
from .options import WebOptions
from .password import PasswordFile
from .sessions import Session, Sessions

if TYPE_CHECKING:
    from jinja2 import Environment
    from starlette.requests import Request

_lesson_id: TypeAdapter[str] = TypeAdapter(LessonId)

STATES = {
    LessonState.ACCEPTED: ("waiting", "○"),
    LessonState.PROCESSING: ("in work", "◐"),
    LessonState.DONE: ("reel made", "✓"),
    LessonState.NO_REEL: ("no reel", "–"),
    LessonState.REFUSED: ("refused", "✕"),
    LessonState.QUARANTINED: ("set aside", "!"),
    LessonState.CANCELLED: ("cancelled", "□"),
}


@dataclass(frozen=True, slots=True)
class Site:
    """The parts that all visits share."""

    settings: Settings
    options: WebOptions
    ledger: Ledger
    password: PasswordFile
    sessions: Sessions
    attempts: Attempts = field(default_factory=Attempts)

    def store(self) -> Store:
        """The store; raises what `store_of` raises."""
        return store_of(self.settings)


@dataclass(slots=True)
class Visit:
    """One request of somebody who may be here; `form` holds what a POST brought, without its token."""

    site: Site
    request: Request
    session: Session | None
    form: Mapping[str, str] = field(default_factory=dict)

    @property
    def ledger(self) -> Ledger:
        return self.site.ledger

    @property
    def actor(self) -> str:
        """Who is written into the audit log: a proxy vouches for the name, or somebody with the password gave it."""
        if self.session is None:
            raise RuntimeError("a deed of nobody")
        return f"{'proxy' if self.site.options.proxy_header else 'web'}:{self.session.user}"

    @property
    def lesson_id(self) -> str:
        """Of the address; an id that no lesson can have goes no further than this.

        Raises:
            LessonUnknown: it is none.
        """
        text = self.request.path_params["lesson_id"]
        if not is_lesson_id(text):
            raise LessonUnknown("That is no lesson's id.")
        return str(text)

    def query(self, name: str) -> str:
        """A value of the address's query, empty where there is none."""
        return self.request.query_params.get(name, "")

    def tell(self, sentence: str) -> None:
        """Shown on top of the next page."""
        if self.session is not None:
            self.session.notices.append(sentence)


def is_lesson_id(text: str) -> bool:
    """Whether a lesson can have this id."""
    try:
        _lesson_id.validate_python(text, strict=True)
    except ValidationError:
        return False
    return True


def page(visit: Visit, template: str, status: int = 200, headers: Mapping[str, str] | None = None, **values: Any) -> Response:
    """The template as an answer; it escapes all values."""
    notices: list[str] = []
    if visit.session is not None:
        notices, visit.session.notices = visit.session.notices, []
    html = (
        _templates()
        .get_template(template)
        .render(
            user=visit.session.user if visit.session else None,
            csrf=visit.session.csrf if visit.session else "",
            notices=notices,
            may_log_out=visit.site.options.proxy_header is None,
            here=visit.request.url.path,
            **values,
        )
    )
    return HTMLResponse(html, status, headers)


def message(visit: Visit, status: int, title: str, sentence: str, headers: Mapping[str, str] | None = None) -> Response:
    """A page that says one thing."""
    return page(visit, "message.html", status, headers, title=title, sentence=sentence)


def redirect(path: str) -> Response:
    """After a deed: the browser asks for this page, and going back repeats nothing."""
    return RedirectResponse(path, 303)


def lesson_path(lesson_id: str, *more: str) -> str:
    """The address of a lesson's page, or of one below it."""
    return "/".join(["/lessons", quote(lesson_id, safe=""), *more])


@cache
def _templates() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    templates = Environment(
        loader=PackageLoader("workers.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # The report's parts are finished markup of our own making; all else is escaped.
    own = {"own_markup": Markup}
    templates.filters.update({"utc": _utc, "minutes": _minutes, "kilobytes": _kilobytes, **own})
    templates.globals.update({"lesson_path": lesson_path, "STATES": STATES})
    return templates


def _utc(time: datetime | None) -> str:
    return "not known" if time is None else time.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f}"


def _kilobytes(size: int) -> str:
    return f"{max(1, round(size / 1000))} kB"
