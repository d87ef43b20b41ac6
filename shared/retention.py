"""How long what is kept of lessons: which artefact for how long, and which lessons are due. The sweep purges, `smilereel retention` shows.

What lies on the way (frames, crops, scores) goes when the lesson ends, or with the next sweep; it is not counted in days.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, func, select

from .database import Database
from .settings import Settings
from .states import ENDS
from .tables import LessonRow, ReelRow
from .told_tables import SecondRow

LESSONS_AT_ONCE = 500
# What an ended lesson keeps, and what it still keeps after the purge of each.
ALL, REEL, NOTHING = "all", "reel", "nothing"


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of artefact; `days` is 0 where it is kept for ever."""

    artefact: str
    what: str
    days: float
    setting: str


@dataclass(frozen=True, slots=True)
class Standing:
    """A rule, how many lessons it concerns, and how many of them are due."""

    rule: Rule
    lessons: int
    due: int


def rules_of(settings: Settings) -> list[Rule]:
    """All rules, in the order in which they bite."""
    prefix = "SMILEREEL_RETENTION_"
    return [
        Rule("work", "sampled frames, crops and scores on the way; a lesson's end removes them", 0.0, ""),
        Rule("seconds", "rows and file of a lesson's seconds", settings.retention_scores_days, f"{prefix}SCORES_DAYS"),
        Rule("reel", "GIF, poster, contact sheet and record", settings.retention_reel_days, f"{prefix}REEL_DAYS"),
        Rule("ledger", "the lesson's row with all that hangs on it", settings.retention_ledger_days, f"{prefix}LEDGER_DAYS"),
    ]


class Retention:
    """What is due. `ledger.retention`; safe to use from several threads and processes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def due(self, keeps: tuple[str, ...], days: float, limit: int = LESSONS_AT_ONCE) -> list[str]:
        """Ended lessons that keep one of these and ended more than so many days ago; none for 0 days."""
        if not days:
            return []
        with self._database.reading() as session:
            before = self._database.now(session) - timedelta(days=days)
            query = select(LessonRow.lesson_id).where(
                LessonRow.state.in_(ENDS), LessonRow.updated_at < before, LessonRow.keeps.in_(keeps)
            )
            return list(session.scalars(query.order_by(LessonRow.updated_at).limit(limit)))

    def forget(self, lesson_id: str, keeps: str, days: float) -> bool:
        """Remove the rows that go with this purge and note what is kept; False where the lesson was opened or ended anew meanwhile."""
        with self._database.transaction() as session:
            row = session.get(LessonRow, lesson_id, with_for_update=True)
            before = self._database.now(session) - timedelta(days=days)
            if row is None or row.state not in ENDS or row.updated_at >= before:
                return False
            row.keeps = keeps
            session.execute(delete(SecondRow).where(SecondRow.lesson_id == lesson_id))
            if keeps == NOTHING:
                session.execute(delete(ReelRow).where(ReelRow.lesson_id == lesson_id))
            return True

    def standings(self, settings: Settings) -> list[Standing]:
        """Each rule with how many lessons it concerns and how many are due now."""
        kept = {"work": (), "seconds": (ALL,), "reel": (ALL, REEL), "ledger": (ALL, REEL, NOTHING)}
        found = []
        with self._database.reading() as session:
            now = self._database.now(session)
            for rule in rules_of(settings):
                query = select(func.count()).where(LessonRow.state.in_(ENDS), LessonRow.keeps.in_(kept[rule.artefact]))
                n_lessons = int(session.execute(query).scalar_one())
                due = query.where(LessonRow.updated_at < now - timedelta(days=rule.days))
                n_due = int(session.execute(due).scalar_one()) if rule.days else 0
                found.append(Standing(rule, n_lessons, n_due))
        return found
