"""Whose connection is poor: the newest lessons' gaps in, figures and advice out. Read only; the connection page calls it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from shared.database import Database
from shared.lesson import Side
from shared.tables import LessonRow
from shared.told_tables import GapRow, PresenceRow

SIDES: tuple[Side, ...] = ("student", "teacher")
MOST_NAMED = 20
# Above, a side is cut off often, or for a good part of the lesson.
OFTEN_AN_HOUR = 4.0
LONG_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class SideLesson:
    """One side of one lesson."""

    lesson_id: str
    pupil_id: str | None
    starts_at: datetime | None
    side: Side
    lesson_seconds: float
    disconnects: int
    off_seconds: float


@dataclass(frozen=True, slots=True)
class Figures:
    """Several lessons' sides taken together."""

    name: str
    lessons: int
    cut_lessons: int
    disconnects: int
    off_seconds: float
    lesson_seconds: float

    @property
    def advice(self) -> str:
        """One sentence."""
        return advice(self.disconnects, self.off_seconds, self.lesson_seconds)


def advice(disconnects: int, off_seconds: float, lesson_seconds: float) -> str:
    """What to say to somebody who was cut off so often, for so long, in so much time."""
    if not disconnects:
        return "Steady: nothing to advise."
    if disconnects * 3600 >= OFTEN_AN_HOUR * max(lesson_seconds, 1) and disconnects > 1:
        return "Cut off often: advise a cable or a place near the router, and closing what else uses the connection."
    if off_seconds >= LONG_SHARE * max(lesson_seconds, 1):
        return "Cut off for long: ask whether the computer goes to sleep or another program takes the camera."
    return "Cut off now and then: nothing to advise yet."


def side_lessons(database: Database, n_lessons: int) -> list[SideLesson]:
    """Both sides of the newest lessons that were processed and still may be; a side without recordings is left out.

    Raises:
        LedgerAway, SchemaMissing: the database cannot be used.
    """
    newest = (
        select(PresenceRow, LessonRow.pupil_id, LessonRow.starts_at)
        .join(LessonRow, LessonRow.lesson_id == PresenceRow.lesson_id)
        .where(LessonRow.consent_process, LessonRow.starts_at.is_not(None))
        .order_by(LessonRow.starts_at.desc(), LessonRow.lesson_id.desc())
        .limit(n_lessons)
    )
    with database.reading() as session:
        lessons = session.execute(newest).all()
        ids = [presence.lesson_id for presence, _, _ in lessons]
        gaps: dict[tuple[str, str], list[float]] = {}
        for gap in session.scalars(select(GapRow).where(GapRow.lesson_id.in_(ids))):
            gaps.setdefault((gap.lesson_id, gap.side), []).append((gap.ends_at - gap.starts_at).total_seconds())
        found = []
        for presence, pupil_id, starts_at in lessons:
            for side in SIDES:
                if side == "teacher" and presence.teacher_on_seconds is None:
                    continue
                off = gaps.get((presence.lesson_id, side), [])
                found.append(
                    SideLesson(presence.lesson_id, pupil_id, starts_at, side, presence.lesson_seconds, len(off), sum(off))
                )
        return found


def by_side(lessons: Sequence[SideLesson]) -> list[Figures]:
    """The sides of all lessons together, the one with most disconnects first."""
    figures = [_together(side, [lesson for lesson in lessons if lesson.side == side]) for side in SIDES]
    return sorted((each for each in figures if each.lessons), key=_worst, reverse=True)


def by_pupil(lessons: Sequence[SideLesson]) -> list[Figures]:
    """Pupils who were cut off, the one with most disconnects first."""
    of_pupils: dict[str, list[SideLesson]] = {}
    for lesson in lessons:
        if lesson.side == "student" and lesson.pupil_id:
            of_pupils.setdefault(lesson.pupil_id, []).append(lesson)
    figures = (_together(pupil_id, of) for pupil_id, of in of_pupils.items())
    return sorted((each for each in figures if each.disconnects), key=_worst, reverse=True)[:MOST_NAMED]


def worst_lessons(lessons: Sequence[SideLesson]) -> list[SideLesson]:
    """The sides of single lessons with most disconnects."""
    cut = (lesson for lesson in lessons if lesson.disconnects)
    return sorted(cut, key=lambda lesson: (lesson.disconnects, lesson.off_seconds), reverse=True)[:MOST_NAMED]


def _together(name: str, lessons: Sequence[SideLesson]) -> Figures:
    return Figures(
        name=name,
        lessons=len(lessons),
        cut_lessons=sum(lesson.disconnects > 0 for lesson in lessons),
        disconnects=sum(lesson.disconnects for lesson in lessons),
        off_seconds=sum(lesson.off_seconds for lesson in lessons),
        lesson_seconds=sum(lesson.lesson_seconds for lesson in lessons),
    )


def _worst(figures: Figures) -> tuple[int, float]:
    return figures.disconnects, figures.off_seconds
