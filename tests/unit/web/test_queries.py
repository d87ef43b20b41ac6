"""The page's own questions to the ledger, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.ledger import Ledger, LessonState
from shared.lesson import Consent, at_second
from shared.reel import NoReelReason, Reel
from shared.told import Gap, LessonTold, Presence
from tests.builders import STARTS_AT, a_lesson
from tests.unit.shared.conftest import Clock, clock, emptied_url, ledger, ledger_url, postgres_server
from workers.web.connection import by_pupil, by_side, side_lessons, worst_lessons
from workers.web.listing import UNAPPROVED, Wanted, list_lessons, wanted_of

__all__ = ["clock", "emptied_url", "ledger", "ledger_url", "postgres_server"]
CONSENT = {"process": True, "reel": True}


@pytest.fixture(autouse=True)
def _cheap_hashes() -> None:
    """No passwords here."""


def ids(ledger: Ledger, **query: str) -> list[str]:
    return [line.lesson_id for line in list_lessons(ledger.database, wanted_of(query)).lines]


def finish(ledger: Ledger, lesson_id: str, state: LessonState, reason: str | None = None, reel: Reel | None = None) -> None:
    ledger.admit(lesson_id, 0, places=100, lease_seconds=60)
    ledger.planned(lesson_id, "v1", 1, {})
    assert ledger.finish(lesson_id, state, reason, reel=reel)


def test_filters(ledger: Ledger, clock: Clock) -> None:
    for day, lesson_id in enumerate(("a_1", "a%1", "ab1")):
        clock.time = clock.time.replace(day=20 + day)
        ledger.accept(a_lesson(lesson_id=lesson_id.replace("%", "."), consent=CONSENT))
    finish(ledger, "a_1", LessonState.DONE, reel=Reel(frames=9, width=1, height=1, bytes=1))
    finish(ledger, "ab1", LessonState.NO_REEL, NoReelReason.NO_FACE)
    assert ids(ledger) == ["ab1", "a.1", "a_1"]
    assert ids(ledger, id="a_") == ["a_1"]
    assert ids(ledger, state="no_reel") == ["ab1"]
    assert ids(ledger, state=UNAPPROVED) == ["a_1"]
    assert ids(ledger, **{"from": "2026-11-21"}) == ["ab1", "a.1"]
    assert ids(ledger, **{"from": "2026-11-21", "to": "2026-11-21"}) == ["a.1"]
    assert ids(ledger, to="9999-12-31", state="accepted") == ["a.1"]
    assert [line.words for line in list_lessons(ledger.database, Wanted(state="no_reel")).lines] == ["No face was seen."]
    ledger.rights.approve_reel("a_1", next(iter(ledger.told.reel_versions("a_1"))), "Vera")
    assert ids(ledger, state=UNAPPROVED) == []


def test_pages_follow_each_other_without_a_gap_even_at_one_time(ledger: Ledger, clock: Clock) -> None:
    names = [f"page-{number:02}" for number in range(23)]
    for number, name in enumerate(names):
        clock.advance(number % 3 == 0)
        ledger.accept(a_lesson(lesson_id=name))
    seen: list[str] = []
    query: dict[str, str] = {"id": "page-"}
    while True:
        listed = list_lessons(ledger.database, wanted_of(query), page_lessons=5)
        seen += [line.lesson_id for line in listed.lines]
        if listed.next_mark is None:
            break
        query["after"] = listed.next_mark
    assert seen == list(reversed(names))


def test_whose_connection_is_poor(ledger: Ledger) -> None:
    told = Presence(900, 800, 900, 800, 800, 800, 0, 0, 0)
    for number, (pupil, n_gaps, teacher) in enumerate([("p-1", 3, True), ("p-2", 1, True), ("p-1", 2, False), (None, 5, False)]):
        name, starts_at = f"lesson-{number}", STARTS_AT + timedelta(days=number)
        ledger.accept(a_lesson(lesson_id=name, pupil_id=pupil, consent=CONSENT))
        gaps = [Gap("student", at_second(starts_at, 60 * i), at_second(starts_at, 60 * i + 6)) for i in range(n_gaps)]
        gaps += [Gap("teacher", at_second(starts_at, 0), at_second(starts_at, 90))] if teacher else []
        assert ledger.admit(name, 0, places=99, lease_seconds=60)
        presence = told if teacher else Presence(900, 800, None, 800, 800, 800, 0, 0, 0)
        ledger.told.write(name, LessonTold(starts_at, at_second(starts_at, 900), gaps, presence, []))
    found = side_lessons(ledger.database, 100)
    assert [(side.name, side.lessons, side.cut_lessons, side.disconnects, side.off_seconds) for side in by_side(found)] == [
        ("student", 4, 4, 11, 66.0),
        ("teacher", 2, 2, 2, 180.0),
    ]
    assert [(pupil.name, pupil.lessons, pupil.disconnects) for pupil in by_pupil(found)] == [("p-1", 2, 5), ("p-2", 1, 1)]
    worst = [(side.lesson_id, side.side, side.disconnects) for side in worst_lessons(found)]
    assert worst[:3] == [("lesson-3", "student", 5), ("lesson-0", "student", 3), ("lesson-2", "student", 2)]
    assert {side.lesson_id for side in side_lessons(ledger.database, 2)} == {"lesson-3", "lesson-2"}
    ledger.rights.change_consent("lesson-3", Consent(), "backend")
    assert "lesson-3" not in {side.lesson_id for side in side_lessons(ledger.database, 100)}
