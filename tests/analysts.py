"""Two weeks of lessons as analysts find them: small, but with all that the example queries ask for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from shared.ledger import Ledger, LessonState
from shared.lesson import Side
from shared.records import Disconnect, FrameReading, ShoulderRange
from shared.reel import NoReelReason, Reel
from shared.told import LessonTold
from tests.builders import a_face, a_lesson, a_plan, a_reading
from workers.cpu.telling import Exposure, lesson_told, second_rows

N_SECONDS = 120
FIRST_WEEK, SECOND_WEEK = "2026-11-16", "2026-11-23"
CONSENT = {"process": True, "reel": True, "analytics": True}
# Half a millisecond, so that the views show whether they keep it.
FRACTION = timedelta(microseconds=250_500)
Spans = tuple[tuple[int, int], ...]


def on_day(day: int, hour: int = 10) -> datetime:
    """A lesson's start in November 2026."""
    return datetime(2026, 11, day, hour, tzinfo=UTC) + FRACTION


def fill(ledger: Ledger, *, mood_analytics: bool = True) -> None:
    """Nine lessons of three pupils; of two more, one family did not agree to analytics and the other no longer does."""
    mood = mood_analytics
    tell(ledger, "a-1", "anna", on_day(17), beside=((0, 60),), smiles=(0.2, 0.5, 0.8), reel=True, mood=mood)
    tell(ledger, "a-2", "anna", on_day(24), beside=((0, 30),), smiles=(0.4, 0.5, 0.6), reel=True, mood=mood)
    tell(ledger, "b-1", "ben", on_day(18), student_off=((40, 76),), why=NoReelReason.TOO_FEW_SMILES, mood=mood)
    tell(
        ledger, "b-2", "ben", on_day(25), student_off=((60, 84), (100, 112)), unseen=(0, 90), why=NoReelReason.NO_FACE, mood=mood
    )
    tell(ledger, "c-1", "cleo", on_day(22, 23), teacher_off=((10, 20),), reel=True, mood=mood)
    tell(ledger, "c-2", "cleo", on_day(26), p_child=0.1, teacher=False, why=NoReelReason.NO_CHILD_ALONE, mood=mood)
    tell(ledger, "c-3", "cleo", on_day(27), teacher_off=((30, 70),), why=NoReelReason.TOO_FEW_SMILES, mood=mood)
    ledger.accept(a_lesson(lesson_id="waits", pupil_id="anna", consent=CONSENT))
    refused = a_lesson(lesson_id="refused", pupil_id="ben", consent=CONSENT)
    ledger.accept(refused)
    ledger.finish("refused", LessonState.REFUSED, "The recording ben-at-home.mp4 cannot be decoded.")
    tell(ledger, "silent", "dora", on_day(19), reel=True, consent={"process": True, "reel": True}, mood=mood)
    tell(ledger, "withdrawn", "emil", on_day(19), student_off=((5, 9),), reel=True, mood=mood)
    emil = a_lesson(lesson_id="withdrawn", consent={"process": True, "reel": True, "email": True}).consent
    ledger.rights.change_consent("withdrawn", emil, "backend")


def tell(
    ledger: Ledger,
    lesson_id: str,
    pupil_id: str | None,
    starts_at: datetime,
    *,
    beside: Spans = (),
    smiles: tuple[float, float, float] = (0.3, 0.3, 0.3),
    student_off: Spans = (),
    teacher_off: Spans = (),
    unseen: tuple[int, int] = (0, 0),
    p_child: float = 0.9,
    teacher: bool = True,
    reel: bool = False,
    why: NoReelReason | None = None,
    consent: dict[str, bool] | None = None,
    mood: bool = True,
) -> None:
    """Lead one lesson to its end through the ledger's own methods, its rows made as the publish stage makes them.

    Spans are lesson seconds `[start, end)`; in `unseen` the pictures hold no face; `smiles` is P(smile) by thirds.
    """
    ledger.accept(a_lesson(lesson_id=lesson_id, pupil_id=pupil_id, consent=consent or CONSENT))
    assert ledger.admit(lesson_id, 0, places=1000, lease_seconds=60)
    ledger.planned(lesson_id, "v1", 1, {})
    told = _told(starts_at, beside, smiles, student_off, teacher_off, unseen, p_child, teacher, mood)
    ledger.told.write(lesson_id, told)
    made = Reel(frames=9, width=320, height=320, bytes=500_000 + 1000 * starts_at.day) if reel else None
    assert ledger.finish(lesson_id, LessonState.DONE if reel else LessonState.NO_REEL, why, reel=made)


@cache
def _told(
    starts_at: datetime,
    beside: Spans,
    smiles: tuple[float, float, float],
    student_off: Spans,
    teacher_off: Spans,
    unseen: tuple[int, int],
    p_child: float,
    teacher: bool,
    mood: bool,
) -> LessonTold:
    off: dict[Side, Spans] = {"student": student_off, "teacher": teacher_off}
    plan = a_plan(N_SECONDS, starts_at=starts_at).model_copy(update=_connection(starts_at, off, teacher=teacher))
    readings = [
        _reading(second, unseen, smiles[second * 3 // N_SECONDS], p_child, _inside(beside, second))
        for second in range(N_SECONDS)
        if plan.student_on[second]
    ]
    ranges = [ShoulderRange(start_second=start, end_second=end) for start, end in beside]
    return lesson_told(plan, second_rows(plan, readings, Exposure(mood_analytics=mood, min_p_child=0.5)), ranges)


def _connection(starts_at: datetime, off: dict[Side, Spans], *, teacher: bool) -> dict[str, Any]:
    def gap(start: int, end: int) -> Disconnect:
        return Disconnect(from_=starts_at + timedelta(seconds=start), to=starts_at + timedelta(seconds=end))

    return {
        "bounded_by": "both" if teacher else "student",
        "disconnects": {side: [gap(*span) for span in spans] for side, spans in off.items()},
        **{f"{side}_on": [not _inside(spans, second) for second in range(N_SECONDS)] for side, spans in off.items()},
    }


def _reading(second: int, unseen: tuple[int, int], p_smile: float, p_child: float, beside: bool) -> FrameReading:
    faces = [] if _inside((unseen,), second) else [a_face(p_smile=p_smile, p_child=p_child)]
    return a_reading(second, faces, p_parent_shoulder=0.9 if beside else 0.05)


def _inside(spans: Spans, second: int) -> bool:
    return any(start <= second < end for start, end in spans)
