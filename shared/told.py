"""What others get to know of a lesson: its reel, and rows for analysts. `ledger.told`; the publish stage writes, the client reads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, update

from .database import Database
from .lesson import Consent, Side
from .retention import ALL, NOTHING
from .states import ENDS, PUBLISH, LessonState
from .tables import LessonRow, ReelRow
from .told_tables import GapRow, PresenceRow, SecondRow


@dataclass(frozen=True, slots=True)
class Gap:
    """A camera was off inside the lesson."""

    side: Side
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Presence:
    """Who was there, in seconds; `teacher_on_seconds` is None where there is no recording of the teacher."""

    lesson_seconds: int
    student_on_seconds: int
    teacher_on_seconds: int | None
    seen_seconds: int
    child_seconds: int
    child_alone_seconds: int
    adult_face_seconds: int
    parent_shoulder_seconds: int
    nobody_seconds: int


@dataclass(frozen=True, slots=True)
class Second:
    """A row of `seconds.csv`."""

    second: int
    student_on: bool
    teacher_on: bool | None
    faces: int | None = None
    child_faces: int | None = None
    adult_faces: int | None = None
    p_smile: float | None = None
    p_child: float | None = None
    p_adult_face: float | None = None
    p_parent_shoulder: float | None = None


@dataclass(frozen=True, slots=True)
class LessonTold:
    """All rows of one lesson."""

    starts_at: datetime
    ends_at: datetime
    gaps: Sequence[Gap]
    presence: Presence
    seconds: Sequence[Second]


@dataclass(frozen=True, slots=True)
class Holding:
    """What a lesson owns in the store: its work until it has ended, the outputs of these versions; of them the reel's pictures and the
    file of its seconds only where they may be kept.
    """

    ended: bool
    versions: frozenset[str]
    reel_allowed: bool
    seconds_kept: bool


@dataclass(frozen=True, slots=True)
class ReelStanding:
    """A lesson's newest reel with what decides whether it may be shown."""

    work_version: str
    frames: int
    width: int
    height: int
    bytes: int
    created_at: datetime
    needs_approval: bool
    approved_at: datetime | None
    state: LessonState
    consent: Consent


_REEL = (
    ReelRow.work_version,
    ReelRow.frames,
    ReelRow.width,
    ReelRow.height,
    ReelRow.bytes,
    ReelRow.created_at,
    ReelRow.needs_approval,
    ReelRow.approved_at,
)
_CONSENT = {purpose: getattr(LessonRow, f"consent_{purpose}") for purpose in Consent.model_fields}


class Told:
    """Rows for others; safe to use from several threads and processes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def write(self, lesson_id: str, told: LessonTold, *, generation: int = 0) -> None:
        """Put these rows in the place of the lesson's older ones; only while it is in work, under its newest sending.

        Rows of seconds only with the family's consent for analytics.
        """
        with self._database.transaction() as session:
            row = session.get(LessonRow, lesson_id, with_for_update=True)
            if row is None or row.state != LessonState.PROCESSING or generation not in {0, row.generation}:
                return
            row.starts_at, row.ends_at = told.starts_at, told.ends_at
            for table in (SecondRow, GapRow, PresenceRow):
                session.execute(delete(table).where(table.lesson_id == lesson_id))
            rows: list[tuple[Any, list[dict[str, Any]]]] = [
                (GapRow, [asdict(gap) for gap in told.gaps]),
                (PresenceRow, [asdict(told.presence)]),
                (SecondRow, [asdict(second) for second in told.seconds] if row.consent_analytics else []),
            ]
            for table, values in rows:
                if values:
                    session.execute(insert(table), [{"lesson_id": lesson_id, **each} for each in values])

    def reel(self, lesson_id: str) -> ReelStanding | None:
        """The lesson's reel, whether it may be shown or not; None where there is none. One read by keys."""
        # Columns alone: the lesson's document is large, and nobody asks for it here.
        query = (
            select(*_REEL, LessonRow.state, *_CONSENT.values())
            .join(LessonRow, LessonRow.lesson_id == ReelRow.lesson_id)
            .where(ReelRow.lesson_id == lesson_id)
            .order_by(ReelRow.created_at.desc())
            .limit(1)
        )
        with self._database.reading() as session:
            found = session.execute(query).mappings().first()
        if found is None:
            return None
        consent = Consent(**{purpose: found[column.key] for purpose, column in _CONSENT.items()})
        reel = {column.key: found[column.key] for column in _REEL}
        return ReelStanding(**reel, state=LessonState(found["state"]), consent=consent)

    def reel_versions(self, lesson_id: str) -> set[str]:
        """The versions of the lesson that have a reel to show."""
        with self._database.reading() as session:
            return set(session.scalars(select(ReelRow.work_version).where(ReelRow.lesson_id == lesson_id)))

    def holdings(self, lesson_ids: Collection[str]) -> dict[str, Holding]:
        """What these lessons own in the store; an unknown one is missing."""
        columns = (LessonRow.lesson_id, LessonRow.state, LessonRow.work_version, LessonRow.consent_reel, LessonRow.keeps)
        with self._database.reading() as session:
            lessons = session.execute(select(*columns).where(LessonRow.lesson_id.in_(lesson_ids))).all()
            reels = session.execute(
                select(ReelRow.lesson_id, ReelRow.work_version).where(ReelRow.lesson_id.in_(lesson_ids))
            ).all()
        shown: dict[str, set[str]] = defaultdict(set)
        for lesson_id, version in reels:
            shown[lesson_id].add(version)
        return {
            lesson_id: Holding(
                ended=state in ENDS,
                versions=frozenset(
                    shown[lesson_id] | ({version} if state in PUBLISH.enters and version and keeps != NOTHING else set())
                ),
                reel_allowed=allowed,
                seconds_kept=keeps == ALL or state not in ENDS,
            )
            for lesson_id, state, version, allowed, keeps in lessons
        }

    def forget_smiles(self) -> int:
        """Take the smile scores out of all rows, for when mood analytics are off; how many lessons held any. Some lessons at a time,
        so that nobody waits long.
        """
        n_lessons = 0
        while True:
            with self._database.transaction() as session:
                smiling = select(SecondRow.lesson_id).where(SecondRow.p_smile.is_not(None)).limit(1)
                lesson_id = session.scalars(smiling).first()
                if lesson_id is None:
                    return n_lessons
                session.execute(update(SecondRow).where(SecondRow.lesson_id == lesson_id).values(p_smile=None))
                n_lessons += 1
