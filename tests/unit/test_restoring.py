"""What outlives a restored ledger: marks of erasures and consent, outputs that nobody knows, generations. On both databases."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from shared.errors import LessonErased
from shared.ledger import Ledger, LessonState, open_ledger
from shared.lesson import Consent
from shared.marks import MARKS, prune_marks, read_marks
from shared.reel import Reel
from shared.settings import Settings
from shared.store import FolderStore
from tests.builders import a_lesson
from tests.ledgers import put_into, sent
from tests.services.valkey import Valkey
from tests.unit.commands.conftest import Smilereel, bare_url, environment, operator, smilereel
from tests.unit.shared.conftest import Clock, clock, emptied_url, ledger, ledger_url, postgres_server
from workers import keeping
from workers.keeping import DUTY, is_set_back, keep_marks
from workers.restoring import GENERATIONS, restore
from workers.roster import Roster, WorkerEntry
from workers.sweeping import UNKNOWN, sweep

__all__ = ["bare_url", "clock", "emptied_url", "environment", "ledger", "ledger_url", "operator", "postgres_server", "smilereel"]

REEL = Reel(frames=9, width=320, height=320, bytes=3)
SETTINGS = Settings()


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def done(ledger: Ledger, store: FolderStore, lesson_id: str, version: str = "v1") -> None:
    """A lesson with a reel, and its files."""
    ledger.accept(a_lesson(lesson_id=lesson_id))
    assert ledger.admit(lesson_id, 0, places=1000, lease_seconds=60)
    ledger.planned(lesson_id, version, 1, {})
    assert ledger.finish(lesson_id, LessonState.DONE, None, reel=REEL)
    for name in ("reel.gif", "poster.jpg", "lesson.json"):
        store.put(f"lessons/{lesson_id}/{version}/{name}", b"x")


def set_back(ledger: Ledger, lesson_id: str) -> None:
    """As from a backup: the lesson is there again, and nothing is known of its erasure and of any marks."""
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM tombstone")
        connection.exec_driver_sql(f"DELETE FROM duty WHERE name = '{DUTY}'")
    ledger.accept(a_lesson(lesson_id=lesson_id))


def test_an_erased_lesson_is_erased_again_by_the_next_sweep(ledger: Ledger, store: FolderStore) -> None:
    put_into(ledger, LessonState.DONE, "erased")
    assert ledger.rights.erase("erased", "backend")
    assert keep_marks(ledger, store) is None
    set_back(ledger, "erased")
    assert is_set_back(ledger, store)
    told = keep_marks(ledger, store)
    assert told is not None
    assert told.erased == ("erased",)
    assert ledger.read("erased") is None
    with pytest.raises(LessonErased):
        ledger.accept(a_lesson(lesson_id="erased"))
    assert ledger.rights.to_clear() == ["erased"], "store and Redis are cleared once more"
    entry = ledger.audit.entries("erased")[0]
    assert (entry.actor, entry.action) == ("restored", "erase")
    assert keep_marks(ledger, store) is None, "told once"


def test_what_the_ledger_never_knew_is_not_accepted_either(ledger: Ledger, store: FolderStore) -> None:
    """Handed in and erased after the backup."""
    put_into(ledger, LessonState.ACCEPTED, "since")
    ledger.rights.erase("since", "backend")
    keep_marks(ledger, store)
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM tombstone")
    assert restore(ledger, store, SETTINGS).erased == ("since",)
    with pytest.raises(LessonErased):
        ledger.accept(a_lesson(lesson_id="since"))


def test_changed_consent_counts_again_unless_the_family_changed_it_since(
    ledger: Ledger, store: FolderStore, clock: Clock
) -> None:
    done(ledger, store, "lesson-1")
    ledger.rights.change_consent("lesson-1", Consent(process=True), "backend")
    keep_marks(ledger, store)
    assert restore(ledger, store, SETTINGS).consents == (), "nothing was lost"
    mark = store.get(next(store.keys(f"{MARKS}/consent")))
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE lesson SET consent_reel = true")
    assert restore(ledger, store, SETTINGS).consents == (), "its own log says that it was changed no earlier"
    other = "other"
    done(ledger, store, other)
    clock.advance(10)
    store.put(f"{MARKS}/consent/2026-11-20/{other}", mark.replace(b"12:00:00", b"12:00:09"))
    assert restore(ledger, store, SETTINGS).consents == (other,)
    assert ledger.require(other).consent == Consent(process=True)
    assert ledger.told.reel(other) is None


def test_consent_withdrawn_from_a_lesson_that_is_handed_in_again(ledger: Ledger, store: FolderStore, clock: Clock) -> None:
    store.put(f"{MARKS}/consent/2026-11-20/since", json.dumps({"at": clock.time.isoformat(), "process": False}).encode())
    store.put(f"{MARKS}/newest", b"of before")
    clock.advance(60)
    assert restore(ledger, store, SETTINGS).pending == ("since",)
    keep_marks(ledger, store)
    ledger.accept(a_lesson(lesson_id="since"))
    keep_marks(ledger, store)
    assert ledger.require("since").state is LessonState.CANCELLED
    duty = ledger.duties.read(DUTY)
    assert duty is not None
    assert duty.note["pending"] == {}


def test_marks_of_old_days_go(ledger: Ledger, store: FolderStore, clock: Clock) -> None:
    for lesson_id in ("first", "second"):
        put_into(ledger, LessonState.DONE, lesson_id)
        ledger.rights.erase(lesson_id, "backend")
        keep_marks(ledger, store)
        clock.advance(40 * 86400)
    assert set(read_marks(store).erased) == {"first", "second"}
    keep_marks(ledger, store, keep_days=60)
    assert set(read_marks(store).erased) == {"second"}
    assert prune_marks(store, date(2026, 1, 1)) == 0


def test_very_many_erasures_take_a_few_sweeps(
    ledger: Ledger, store: FolderStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "MOST_MARKS", 2)
    for number in range(5):
        put_into(ledger, LessonState.DONE, f"lesson-{number}")
        ledger.rights.erase(f"lesson-{number}", "backend")
        clock.advance(1)
    clock.advance(3600)
    for _ in range(4):
        keep_marks(ledger, store)
    assert len(read_marks(store).erased) == 5


def test_messages_of_before_the_restore_fit_no_lesson(ledger: Ledger, store: FolderStore) -> None:
    put_into(ledger, LessonState.ACCEPTED)
    assert sent(ledger).generation == 1
    assert restore(ledger, store, SETTINGS).open == ("lesson-1",)
    for generation in (1, 2, 50):
        assert ledger.runs.started("lesson-1", "", "plan_lesson", 0, generation=generation) is None
    assert sent(ledger).generation == GENERATIONS + 2


def test_who_has_lost_its_files_is_processed_again_and_what_was_purged_is_not(
    ledger: Ledger, store: FolderStore, clock: Clock
) -> None:
    done(ledger, store, "old")
    store.delete("lessons/old")
    clock.advance(400 * 86400)
    for lesson_id in ("whole", "replaced"):
        done(ledger, store, lesson_id)
    store.delete("lessons/replaced/v1")
    store.put("lessons/replaced/v2/lesson.json", b"x")
    foreseen = restore(ledger, store, SETTINGS, dry_run=True)
    assert (foreseen.reopened, ledger.require("replaced").state) == (("replaced",), LessonState.DONE)
    assert restore(ledger, store, SETTINGS).reopened == ("replaced",)
    assert ledger.require("replaced").state is LessonState.ACCEPTED
    assert restore(ledger, store, SETTINGS).reopened == ()


def test_outputs_that_nobody_knows_stay_a_while(ledger: Ledger, store: FolderStore) -> None:
    store.put("lessons/unknown/v1/reel.gif", b"GIF")
    store.put("work/unknown/v1/plan.json", b"{}")
    put_into(ledger, LessonState.DONE, "erased")
    ledger.rights.erase("erased", "backend")
    store.put("lessons/erased/v1/reel.gif", b"GIF")
    assert restore(ledger, store, SETTINGS).unknown == ("unknown",)
    assert sweep(ledger, store).removed == 2, "the work, and what is known to be erased"
    assert list(store.keys("lessons")) == ["lessons/unknown/v1/reel.gif"]
    store.put(UNKNOWN, json.dumps({"unknown": "2020-01-01T00:00:00+00:00"}).encode())
    assert sweep(ledger, store).removed == 1
    assert list(store.keys("lessons")) == []
    sweep(ledger, store)
    assert not store.exists(UNKNOWN)


def test_a_lesson_that_was_handed_in_again_is_unknown_no_more(ledger: Ledger, store: FolderStore) -> None:
    store.put("lessons/lesson-1/v1/reel.gif", b"GIF")
    sweep(ledger, store)
    assert "lesson-1" in json.loads(store.get(UNKNOWN))
    put_into(ledger, LessonState.PROCESSING)
    sweep(ledger, store)
    assert not store.exists(UNKNOWN)
    assert store.exists("lessons/lesson-1/v1/reel.gif")


def test_the_command_says_what_is_to_be_done(
    operator: Smilereel, environment: pytest.MonkeyPatch, ledger: Ledger, store: FolderStore
) -> None:
    environment.setenv("SMILEREEL_STORE_URL", f"file://{store.root}")
    store.put("lessons/unknown/v1/reel.gif", b"GIF")
    put_into(ledger, LessonState.ACCEPTED)
    said = operator("restored", "--dry-run", "--json")
    assert said.code == 0
    assert json.loads(said.out) == {
        "dry_run": True, "erased": [], "consents": [], "pending": [],
        "open": ["lesson-1"], "reopened": [], "unknown": ["unknown"],
    }  # fmt: skip
    assert ledger.require("lesson-1").generation == 0
    said = operator("restored")
    assert said.code == 0
    assert said.lines[-1] == "1 lessons have outputs but no row: hand them in again within 24 hours, or they are swept: unknown"
    assert ledger.require("lesson-1").generation == GENERATIONS


def test_a_database_without_tables_is_a_sentence(smilereel: Smilereel, bare_url: str) -> None:
    smilereel("restored", at=bare_url).complains(1, "The ledger's database has no tables yet; run `smilereel migrate`")


def test_a_file_that_was_put_back(tmp_path: Path, store: FolderStore) -> None:
    """SQLite's own way to a backup, and a copy of the file back."""
    file, saved = tmp_path / "ledger.sqlite3", tmp_path / "saved.sqlite3"
    ledger = open_ledger(f"sqlite:///{file}")
    ledger.create_schema()
    for lesson_id in ("kept", "erased"):
        done(ledger, store, lesson_id)
    keep_marks(ledger, store)
    with ledger.engine.connect() as connection:
        connection.connection.cursor().execute(f"VACUUM INTO '{saved}'")
    assert ledger.rights.erase("erased", "backend")
    keep_marks(ledger, store)
    ledger.close()
    for name in ("-wal", "-shm"):
        file.with_name(f"{file.name}{name}").unlink(missing_ok=True)
    file.write_bytes(saved.read_bytes())
    assert ledger.read("erased") is not None, "the backup knows of no erasure"
    found = restore(ledger, store, SETTINGS)
    assert (found.erased, found.reopened, found.unknown) == (("erased",), (), ())
    assert [record.lesson_id for record in ledger.find()] == ["kept"]
    ledger.close()


def test_an_erasure_that_reaches_the_store_is_marked_at_once(
    operator: Smilereel, environment: pytest.MonkeyPatch, ledger: Ledger, store: FolderStore
) -> None:
    environment.setenv("SMILEREEL_STORE_URL", f"file://{store.root}")
    done(ledger, store, "erased")
    assert operator("erase", "erased", "--yes").code == 0
    assert set(read_marks(store).erased) == {"erased"}
    assert list(store.keys("lessons")) == []
    put_into(ledger, LessonState.DONE, "elsewhere")
    environment.setenv("SMILEREEL_STORE_URL", f"file://{store.root}/none")
    assert '"store_cleared": false' in operator("erase", "elsewhere", "--yes").out
    assert set(read_marks(store).erased) == {"erased"}, "a folder that is not there is not the workers' store"
    assert not (store.root / "none").exists()


@pytest.mark.redis
def test_not_beside_workers(operator: Smilereel, environment: pytest.MonkeyPatch, ledger: Ledger, store: FolderStore) -> None:
    environment.setenv("SMILEREEL_STORE_URL", f"file://{store.root}")
    put_into(ledger, LessonState.ACCEPTED)
    with Valkey() as valkey, valkey.client() as client:
        environment.setenv("SMILEREEL_REDIS_URL", valkey.url)
        roster = Roster(client)
        roster.write(WorkerEntry("cpu@host", "cpu", "1", seen_at=roster.now()))
        operator("restored").complains(1, "1 workers still run (cpu@host): stop them first")
        assert operator("restored", "--dry-run").code == 0
        assert ledger.require("lesson-1").generation == 0
        roster.remove(["cpu@host"])
        assert operator("restored").code == 0
    assert ledger.require("lesson-1").generation == GENERATIONS
