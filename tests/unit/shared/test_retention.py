"""What is kept for how long, and what a purge takes: rows and files, and smile scores that may no longer be kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from shared.ledger import Ledger, LessonState
from shared.lesson import Consent
from shared.reel import Reel
from shared.settings import Settings
from shared.store import FolderStore
from tests.ledgers import put_into, reels_of
from tests.unit.shared.conftest import Clock
from tests.unit.shared.test_rights import EVERYTHING, told_of
from workers.purging import purge
from workers.sweeping import sweep

REEL = Reel(frames=9, width=320, height=320, bytes=500_000)
DAY = 86400.0
SETTINGS = Settings(retention_scores_days=10, retention_reel_days=30, retention_ledger_days=100, mood_analytics=True)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def end_a_lesson(
    ledger: Ledger, clock: Clock, store: FolderStore, lesson_id: str = "lesson-1", consent: Consent = EVERYTHING
) -> None:
    put_into(ledger, LessonState.PROCESSING, lesson_id)
    ledger.rights.change_consent(lesson_id, consent, "test")
    ledger.told.write(lesson_id, told_of(clock))
    for name in ("reel.gif", "lesson.json", "seconds.csv"):
        store.put(f"lessons/{lesson_id}/v1/{name}", b"x")
    assert ledger.finish(lesson_id, LessonState.DONE, None, reel=REEL)


def left(ledger: Ledger, store: FolderStore) -> tuple[list[str], int, int]:
    """Names of files, rows of seconds, reels."""
    with ledger.database.reading() as session:
        seconds = int(session.execute(text("SELECT count(*) FROM lesson_second")).scalar_one())
    return [key.rsplit("/", 1)[1] for key in store.keys("lessons")], seconds, len(reels_of(ledger))


def test_each_artefact_goes_in_its_time(ledger: Ledger, clock: Clock, store: FolderStore) -> None:
    end_a_lesson(ledger, clock, store)
    everything = (["lesson.json", "reel.gif", "seconds.csv"], 2, 1)
    clock.advance(9 * DAY)
    assert purge(ledger, store, SETTINGS) == 0
    assert left(ledger, store) == everything
    clock.advance(2 * DAY)
    assert purge(ledger, store, SETTINGS) == 1
    assert left(ledger, store) == (["lesson.json", "reel.gif"], 0, 1)
    assert purge(ledger, store, SETTINGS) == 0, "once"
    clock.advance(20 * DAY)
    assert [standing.due for standing in ledger.retention.standings(SETTINGS)] == [0, 0, 1, 0]
    assert purge(ledger, store, SETTINGS) == 1
    assert left(ledger, store) == ([], 0, 0)
    assert ledger.require("lesson-1").state is LessonState.DONE
    clock.advance(100 * DAY)
    assert purge(ledger, store, SETTINGS) == 1
    assert ledger.read("lesson-1") is None
    assert ledger.audit.entries("lesson-1")[0].actor == "purge"


def test_nothing_goes_that_is_kept_for_ever_or_has_not_ended(ledger: Ledger, clock: Clock, store: FolderStore) -> None:
    end_a_lesson(ledger, clock, store)
    put_into(ledger, LessonState.PROCESSING, "open")
    clock.advance(1000 * DAY)
    for_ever = Settings(retention_scores_days=0, retention_reel_days=0, retention_ledger_days=0, mood_analytics=True)
    assert purge(ledger, store, for_ever) == 0
    assert purge(ledger, store, SETTINGS) == 1
    assert ledger.read("lesson-1") is None
    assert ledger.require("open").state is LessonState.PROCESSING


def test_smile_scores_go_with_the_setting(ledger: Ledger, clock: Clock, store: FolderStore) -> None:
    end_a_lesson(ledger, clock, store)
    purge(ledger, store, SETTINGS)
    with ledger.database.reading() as session:
        assert session.execute(text("SELECT count(p_smile) FROM lesson_second")).scalar_one() == 1
    purge(ledger, store, Settings(mood_analytics=False))
    with ledger.database.reading() as session:
        assert session.execute(text("SELECT count(p_smile) FROM lesson_second")).scalar_one() == 0
    assert left(ledger, store)[1] == 2, "presence stays"


def test_what_was_opened_meanwhile_is_not_purged(
    ledger: Ledger, clock: Clock, store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    end_a_lesson(ledger, clock, store)
    clock.advance(40 * DAY)
    due = ledger.retention.due

    def opened_after_the_look(keeps: tuple[str, ...], days: float) -> list[str]:
        found = due(keeps, days)
        ledger.reopen("lesson-1", anew=True)
        return found

    monkeypatch.setattr(ledger.retention, "due", opened_after_the_look)
    assert purge(ledger, store, SETTINGS) == 0
    assert left(ledger, store)[0] == ["lesson.json", "reel.gif", "seconds.csv"]
    assert left(ledger, store)[2] == 1


def test_the_sweep_ends_what_a_purge_began(ledger: Ledger, clock: Clock, store: FolderStore) -> None:
    """The row is noted first; a purge that dies then leaves its files to the sweep."""
    end_a_lesson(ledger, clock, store)
    clock.advance(11 * DAY)
    assert ledger.retention.forget("lesson-1", "reel", 10)
    sweep(ledger, store)
    assert left(ledger, store)[0] == ["lesson.json", "reel.gif"]
    clock.advance(20 * DAY)
    assert ledger.retention.forget("lesson-1", "nothing", 30)
    sweep(ledger, store)
    assert left(ledger, store)[0] == []


@pytest.mark.parametrize("opened", [False, True])
def test_the_sweep_takes_a_reel_that_is_no_longer_agreed_to(
    ledger: Ledger, clock: Clock, store: FolderStore, opened: bool
) -> None:
    end_a_lesson(ledger, clock, store)
    if opened:
        assert ledger.reopen("lesson-1", anew=True)
    ledger.rights.change_consent("lesson-1", Consent(process=True, analytics=True), "test")
    sweep(ledger, store)
    assert left(ledger, store)[0] == ["lesson.json", "seconds.csv"]


def test_a_sweep_stops_where_another_has_begun(ledger: Ledger, clock: Clock, store: FolderStore) -> None:
    store.put("work/nobody/v1/x", b"x")
    assert sweep(ledger, store, go_on=lambda: False).removed == 0
    assert sweep(ledger, store).removed == 1
