"""The report as HTML: the published files' bytes in, a page or its parts out. Pure; the `report` command and the web page call it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from .pictures import reel_pictures
from .reading import LessonData, read_lesson
from .view import view_of

if TYPE_CHECKING:
    from jinja2 import Environment


@dataclass(frozen=True, slots=True)
class ReportParts:
    """The report for a page of somebody else's: no script, no inline style, all ids begin with `report-`.

    `head_html` holds an h1 with the lesson's id and the outcome, `body_html` sections under h2; both are to stand inside an
    element of class `report`. `css` speaks of nothing outside of that class. Pictures are `data:` addresses, so a content
    security policy needs `img-src data:`.
    """

    title: str
    head_html: str
    body_html: str
    css: str


def report_page(lesson_json: bytes, seconds_csv: bytes | None, reel_gif: bytes | None = None, *, mood_analytics: bool) -> bytes:
    """The lesson's report as one self-contained page, UTF-8.

    Args:
        lesson_json: as published.
        seconds_csv: likewise; None where the family does not agree to analytics, or it is no longer kept.
        reel_gif: for the moments' pictures; None where there is none, or nobody may see it.
        mood_analytics: whether smile scores may be shown, if the files hold any.

    Raises:
        LessonInvalid: a file is not what `smilereel` writes.
    """
    parts = report_parts(lesson_json, seconds_csv, reel_gif, mood_analytics=mood_analytics)
    return _templates().get_template("page.html").render(parts=parts).encode()


def report_parts(
    lesson_json: bytes, seconds_csv: bytes | None, reel_gif: bytes | None = None, *, mood_analytics: bool
) -> ReportParts:
    """The same in parts, for a page around them. Arguments and errors as for `report_page`."""
    lesson = read_lesson(lesson_json, seconds_csv)
    # A family that does not agree to analytics has its seconds kept back, and a smile score is one of them.
    if not mood_analytics or lesson.seconds is None:
        lesson = lesson.without_smiles()
    view = view_of(lesson, _pictures(lesson, reel_gif))
    templates = _templates()
    return ReportParts(
        title=f"Lesson {lesson.document.lesson_id}",
        head_html=templates.get_template("head.html").render(view),
        body_html=templates.get_template("body.html").render(view),
        css=report_css(),
    )


def report_css() -> str:
    """The style sheet of the parts, the same for every lesson."""
    return _templates().get_template("report.css").render()


def _pictures(lesson: LessonData, reel_gif: bytes | None) -> list[str]:
    """One for each moment, or none at all."""
    if reel_gif is None or not lesson.document.moments:
        return []
    pictures = reel_pictures(reel_gif)
    return pictures if len(pictures) == len(lesson.document.moments) else []


@cache
def _templates() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    loader = PackageLoader("workers.report", "templates")
    templates = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    # Drawings and finished parts are markup of our own making; all else is escaped.
    filters: dict[str, Any] = {"own_markup": Markup}
    templates.filters.update(filters)
    return templates
