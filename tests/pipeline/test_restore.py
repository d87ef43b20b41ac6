"""A backup, an hour of changes with real workers, the backup put back, and `smilereel restored`: what has to hold afterwards.

With PostgreSQL's own programs; `tests/unit/test_restoring.py` has the single cases on both databases.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import select, text

from shared.catalogue import CPU_QUEUE, GPU_QUEUE
from shared.client import change_consent, close, enqueue_lesson, erase_lesson, erase_pupil, find_reel, reprocess
from shared.errors import LessonErased
from shared.ledger import Ledger, LessonState, event_id, open_ledger
from shared.lesson import Consent, parse_lesson
from shared.marks import read_marks
from shared.settings import Settings, load_settings
from shared.store import FolderStore
from shared.tables import EventRow
from tests.builders import lesson_document
from tests.ledgers import reels_of
from tests.media import write_video
from tests.processes import wait_until
from tests.services.postgres import postgres_server
from tests.services.valkey import Valkey
from tests.services.workers import a_worker
from workers.__main__ import main
from workers.local.postgres import PostgresServer
from workers.local.postgres_programs import postgres_programs
from workers.roster import ROSTER_KEY
from workers.sweeping import UNKNOWN

__all__ = ["postgres_server"]
pytestmark = [pytest.mark.redis, pytest.mark.postgresql, pytest.mark.slow]

FAST = {"MODELS": "stand_in", "SEGMENT_SECONDS": 6, "RECONCILE_SECONDS": 0.2, "SWEEP_SECONDS": 0.5, "LEASE_SECONDS": 3}
OF_A_REEL = {"contact-sheet.jpg", "lesson.json", "poster.jpg", "reel.gif", "reel.json", "seconds.csv"}


class PostgresBackup:
    """By pg_dump and pg_restore."""

    def __init__(self, server: PostgresServer, folder: Path) -> None:
        self._server, self._saved = server, folder / "backup.dump"
        self.url = server.url("restored")
        self._anew()

    def _anew(self) -> None:
        with psycopg.connect(self._server.url(), autocommit=True) as connection:
            connection.execute("DROP DATABASE IF EXISTS restored WITH (FORCE)")
            connection.execute("CREATE DATABASE restored TEMPLATE template0")

    def save(self) -> None:
        self._run("pg_dump", "--format=custom", f"--file={self._saved}", self.url)

    def put_back(self) -> None:
        self._anew()
        self._run("pg_restore", "--exit-on-error", "--no-owner", f"--dbname={self.url}", str(self._saved))

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run([postgres_programs() / "bin" / program, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@pytest.fixture
def backup(postgres_server: PostgresServer, tmp_path: Path) -> PostgresBackup:
    return PostgresBackup(postgres_server, tmp_path)


@contextmanager
def workers(redis_url: str, folder: Path, database_url: str) -> Iterator[None]:
    common: dict[str, Any] = {**FAST, "DATABASE_URL": database_url}
    with (
        a_worker("workers.cpu.tasks", CPU_QUEUE, redis_url, folder, **common),
        a_worker("workers.gpu.tasks", GPU_QUEUE, redis_url, folder, **common),
    ):
        yield


def document(lesson_id: str, **changes: Any) -> dict[str, Any]:
    return lesson_document(lesson_id=lesson_id, teacher=[], **changes)


def all_ended(ledger: Ledger) -> bool:
    return all(record.state.final for record in ledger.find())


def events(ledger: Ledger) -> set[str]:
    with ledger.database.reading() as session:
        return set(session.scalars(select(EventRow.event_id)))


def restored(settings: Settings, folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What `smilereel restored` says."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("redis_url", "database_url", "store_url"):
            patch.setenv(f"SMILEREEL_{name.upper()}", str(getattr(settings, name)))
        patch.setenv("SMILEREEL_MEDIA_ROOT", str(folder))
        load_settings.cache_clear()
        capsys.readouterr()
        assert main(["restored", "--json"]) == 0
        load_settings.cache_clear()
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def in_work(ledger: Ledger, lesson_id: str) -> None:
    """Somebody seems to work on the lesson, so that it is open in the backup."""
    ledger.accept(parse_lesson(document(lesson_id)))
    assert ledger.sending.take(lesson_id, lease_seconds=300, most_attempts=5) is not None


def an_hour_passes(settings: Settings, ledger: Ledger, store: FolderStore) -> None:
    """What the backup does not know of: ends, a new lesson, erasures, changed consent, a lesson that was processed anew."""
    ledger.sending.everything_lost()
    for lesson_id in ("since", "since-erased"):
        enqueue_lesson(document(lesson_id), settings=settings)
    reprocess("anew", settings=settings)
    erase_pupil("pupil-erased", settings=settings)
    change_consent("no-process", Consent(), settings=settings)
    change_consent("no-reel", Consent(process=True), settings=settings)
    assert wait_until(lambda: all_ended(ledger), 90)
    erase_lesson("since-erased", settings=settings)

    def settled() -> bool:
        marks = read_marks(store)
        versions = {key.split("/")[2] for key in store.keys("lessons/anew")}
        return len(marks.erased) == 2 and len(marks.consents) == 2 and len(versions) == 1

    assert wait_until(settled, 30)


def test_restored_from_a_backup_of_an_hour_ago(
    backup: PostgresBackup, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_video(tmp_path / "student.mp4", seconds=12)
    store = FolderStore(tmp_path / "store")
    with Valkey() as valkey:
        settings = Settings(redis_url=valkey.url, database_url=backup.url, store_url=f"file://{store.root}")
        ledger = open_ledger(backup.url)
        ledger.create_schema()
        for lesson_id in ("kept", "anew", "no-process", "no-reel"):
            enqueue_lesson(document(lesson_id), settings=settings)
        enqueue_lesson(document("erased", pupil_id="pupil-erased"), settings=settings)
        with workers(valkey.url, tmp_path, backup.url):
            assert wait_until(lambda: all_ended(ledger), 90), (tmp_path / "cpu.log").read_text()[-3000:]
            in_work(ledger, "open")
            backup.save()
            an_hour_passes(settings, ledger, store)
            assert event_id("open", 1) in events(ledger)
        with valkey.client() as client:
            client.delete(ROSTER_KEY)  # they were killed, and can be heard of for a minute
        close()
        ledger.close()
        backup.put_back()

        assert ledger.require("erased").state is LessonState.DONE, "the backup knows of no erasure"
        told = restored(settings, tmp_path, capsys)
        assert told == {
            "dry_run": False,
            "erased": ["erased", "since-erased"],
            "consents": ["no-process", "no-reel"],
            "pending": [],
            "open": ["open"],
            "reopened": ["anew"],
            "unknown": ["since"],
        }
        assert ledger.read("erased") is None
        with workers(valkey.url, tmp_path, backup.url):
            swept = wait_until(lambda: store.exists(UNKNOWN), 30)
            assert swept, "a sweep has passed, and left what nobody knows"
            assert store.exists(f"{next(store.keys('lessons/since')).rsplit('/', 1)[0]}/reel.gif")
            assert enqueue_lesson(document("since"), settings=settings).created
            with pytest.raises(LessonErased):
                enqueue_lesson(document("since-erased"), settings=settings)
            assert wait_until(lambda: all_ended(ledger), 90)
            assert wait_until(lambda: not orphans(ledger, store), 30), orphans(ledger, store)
        judge(ledger, store, settings)
        ledger.close()


def orphans(ledger: Ledger, store: FolderStore) -> list[str]:
    """Keys that no lesson owns, and not the marks either."""
    owned = set()
    for record in ledger.find():
        files = OF_A_REEL if record.state is LessonState.DONE else {"lesson.json", "seconds.csv"}
        owned |= {f"lessons/{record.lesson_id}/{record.work_version}/{name}" for name in files}
    with suppress(FileNotFoundError):
        return [key for key in store.keys("") if key not in owned and not key.startswith("marks/")]
    return ["the store changes"]


def judge(ledger: Ledger, store: FolderStore, settings: Settings) -> None:
    states = {record.lesson_id: record.state for record in ledger.find()}
    done, cancelled = LessonState.DONE, LessonState.CANCELLED
    assert states.pop("no-process") is cancelled
    assert states == dict.fromkeys(("kept", "anew", "no-reel", "open", "since"), done)
    for lesson_id in ("kept", "anew", "open", "since"):
        assert len(reels_of(ledger, lesson_id)) == 1
        found = find_reel(lesson_id, settings=settings)
        assert found is not None
        assert store.exists(found.address.removeprefix(f"file://{store.root}/"))
    for lesson_id in ("no-reel", "no-process", "erased", "since-erased"):
        assert find_reel(lesson_id, settings=settings) is None
        assert not [key for key in store.keys("lessons") if f"/{lesson_id}/" in key and key.endswith(".gif")]
    assert not [key for key in (*store.keys("lessons"), *store.keys("work")) if "erased/" in key]
    # Told again under the same id; what was processed again has another end, and so another id.
    assert {event_id("open", 1), event_id("anew", 1), event_id("anew", 2)} <= events(ledger)
    with ledger.database.reading() as session:
        assert session.execute(text("SELECT count(*) FROM event GROUP BY lesson_id, round HAVING count(*) > 1")).first() is None
