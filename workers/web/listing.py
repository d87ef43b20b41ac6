"""The lessons as the list shows them: what was asked for in, one page of rows out. Read only; `lessons.py` calls it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import ColumnElement, and_, exists, or_, select

from shared.database import Database
from shared.reel import NoReelReason
from shared.states import LessonState
from shared.tables import LessonRow, ReelRow

PAGE_LESSONS = 50
# Besides the states: a reel that nobody has looked at yet.
UNAPPROVED = "unapproved"
_PREFIX = re.compile(r"[A-Za-z0-9._:@=+-]{0,128}")
_MARK = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6})~([A-Za-z0-9][A-Za-z0-9._:@=+-]{0,127})")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lessons; `faults` says, per field, what could not be understood. `after` is where the page before ended."""

    state: str = ""
    prefix: str = ""
    first_day: date | None = None
    last_day: date | None = None
    after: tuple[datetime, str] | None = None
    faults: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_filtered(self) -> bool:
        return bool(self.state or self.prefix or self.first_day or self.last_day)


@dataclass(frozen=True, slots=True)
class Line:
    """One lesson of the list."""

    lesson_id: str
    state: LessonState
    reason: str | None
    attempts: int
    created_at: datetime
    updated_at: datetime

    @property
    def words(self) -> str | None:
        """The reason, told to a person."""
        return explained(self.state, self.reason)


def explained(state: LessonState, reason: str | None) -> str | None:
    """A lesson's reason in words."""
    if state is LessonState.NO_REEL and reason in set(NoReelReason):
        text = NoReelReason(reason).explanation
        return f"{text[0].upper()}{text[1:]}."
    return reason


@dataclass(frozen=True, slots=True)
class Listed:
    """One page; `next_mark` is where the next one goes on."""

    lines: list[Line]
    next_mark: str | None


def wanted_of(query: Mapping[str, str]) -> Wanted:
    """What an address's query asks for. What is no value of a filter stays out of it and is named."""
    faults: dict[str, str] = {}
    state, prefix = query.get("state", ""), query.get("id", "").strip()
    if state not in {"", UNAPPROVED, *LessonState}:
        state, faults["state"] = "", "There is no such state; all are shown."
    if not _PREFIX.fullmatch(prefix):
        prefix, faults["id"] = "", "An id has letters, digits and ._:@=+- only; it was left out."
    days: list[date | None] = []
    for name in ("from", "to"):
        day, fault = _day(query.get(name, ""))
        days.append(day)
        if fault:
            faults[name] = fault
    return Wanted(state, prefix, days[0], days[1], _after(query.get("after", "")), faults)


def _day(text: str) -> tuple[date | None, str | None]:
    try:
        return (date.fromisoformat(text) if text else None), None
    except ValueError:
        return None, "A day is written like 2026-11-20; it was left out."


def _after(text: str) -> tuple[datetime, str] | None:
    match = _MARK.fullmatch(text)
    try:
        return (datetime.fromisoformat(match[1]).replace(tzinfo=UTC), match[2]) if match else None
    except ValueError:
        return None


def list_lessons(database: Database, wanted: Wanted, page_lessons: int = PAGE_LESSONS) -> Listed:
    """The lessons asked for, the one that was handed in last first.

    Raises:
        LedgerAway, SchemaMissing: the database cannot be used.
    """
    row = LessonRow
    query = select(row.lesson_id, row.state, row.reason, row.attempts, row.created_at, row.updated_at)
    query = query.where(*_conditions(wanted)).order_by(row.created_at.desc(), row.lesson_id.desc()).limit(page_lessons + 1)
    with database.reading() as session:
        lines = [Line(found[0], LessonState(found[1]), *found[2:]) for found in session.execute(query)]
    more, lines = len(lines) > page_lessons, lines[:page_lessons]
    return Listed(lines, _mark(lines[-1]) if more else None)


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    holds: list[ColumnElement[bool]] = []
    if wanted.state == UNAPPROVED:
        holds.append(exists().where(ReelRow.lesson_id == LessonRow.lesson_id, ReelRow.approved_at.is_(None)))
    elif wanted.state:
        holds.append(LessonRow.state == wanted.state)
    if wanted.prefix:
        holds.append(LessonRow.lesson_id.startswith(wanted.prefix, autoescape=True))
    if wanted.first_day:
        holds.append(LessonRow.created_at >= _midnight(wanted.first_day))
    if wanted.last_day and wanted.last_day < date.max:
        holds.append(LessonRow.created_at < _midnight(wanted.last_day + timedelta(days=1)))
    if wanted.after:
        at, lesson_id = wanted.after
        holds.append(or_(LessonRow.created_at < at, and_(LessonRow.created_at == at, LessonRow.lesson_id < lesson_id)))
    return holds


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _mark(line: Line) -> str:
    return f"{line.created_at.astimezone(UTC).strftime('%Y-%m-%dT%H:%M:%S.%f')}~{line.lesson_id}"
