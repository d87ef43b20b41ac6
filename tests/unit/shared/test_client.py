"""The backend's calls: light, quick when Redis is away, and honest about consent."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import create_engine

from shared.client import cancel, enqueue_lesson, erase_lesson, erase_pupil, find_reel, lesson_status, reprocess
from shared.errors import ConsentMissing, LedgerAway, LessonConflict, LessonInvalid, LessonUnknown, SchemaMissing
from shared.ledger import LessonState, open_ledger
from shared.reel import Reel
from shared.sender import plan_sender
from shared.sending import Sent
from shared.settings import Settings
from tests.builders import lesson_document


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(redis_url="redis://127.0.0.1:1/0", database_url=f"sqlite:///{tmp_path}/ledger.sqlite3")


def test_redis_being_away_neither_fails_nor_blocks(settings: Settings) -> None:
    with plan_sender(settings.redis_url) as send:  # imports the transport, which a backend pays once a process
        assert not send(Sent("lesson-0", 1))
    started = time.monotonic()
    job = enqueue_lesson(lesson_document(), settings=settings)
    assert time.monotonic() - started < 1.0
    assert (job.created, job.sent, job.state) == (True, False, LessonState.ACCEPTED)
    again = enqueue_lesson(lesson_document(), settings=settings)
    assert (again.created, again.lesson_id) == (False, job.lesson_id)
    status = lesson_status("lesson-1", settings=settings)
    assert status is not None
    assert (status.state, status.stage, status.percent) == (LessonState.ACCEPTED, None, 0)
    assert lesson_status("nobody", settings=settings) is None


@pytest.mark.postgresql
def test_the_tables_of_a_server_are_made_by_nobody_but_migrate(settings: Settings, bare_server_url: str) -> None:
    settings = settings.model_copy(update={"database_url": bare_server_url})
    for _ in range(2):
        with pytest.raises(SchemaMissing, match="run `smilereel migrate`"):
            enqueue_lesson(lesson_document(), settings=settings)
    ledger = open_ledger(bare_server_url)
    ledger.create_schema()
    ledger.close()
    assert enqueue_lesson(lesson_document(), settings=settings).created


def test_what_is_refused_at_the_door(settings: Settings) -> None:
    with pytest.raises(ConsentMissing, match=r"consent\.process"):
        enqueue_lesson(lesson_document(consent={"reel": True}), settings=settings)
    with pytest.raises(LessonInvalid):
        enqueue_lesson(lesson_document(extra=1), settings=settings)
    enqueue_lesson(lesson_document(), settings=settings)
    with pytest.raises(LessonConflict):
        enqueue_lesson(lesson_document(pupil_id="p"), settings=settings)


def test_the_client_imports_nothing_heavy() -> None:
    code = "import json, sys, shared.client; print(json.dumps(sorted(sys.modules)))"
    modules = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    heavy = {"torch", "cv2", "fastai", "numpy", "av", "imageio", "PIL", "workers", "sqlalchemy", "celery", "kombu", "redis"}
    assert heavy.isdisjoint({name.split(".")[0] for name in modules})


def test_a_reels_addresses(settings: Settings) -> None:
    """Signed and ending on S3, below the backend's own address where it has one; nothing is asked of the store for that."""
    enqueue_lesson(lesson_document(), settings=settings)
    ledger = open_ledger(settings.database_url)
    assert ledger.admit("lesson-1", 0, places=1, lease_seconds=1)
    ledger.planned("lesson-1", "v1", 1, {})
    assert ledger.finish("lesson-1", LessonState.DONE, None, reel=Reel(frames=9, width=320, height=320, bytes=5))
    ledger.close()
    s3 = {"store_url": "s3://bucket/x", "s3_endpoint": "https://s3.invalid", "s3_access_key_id": "k"}
    keys = {**s3, "s3_secret_access_key": SecretStr("hidden")}
    signed = find_reel("lesson-1", settings=settings.model_copy(update={**keys, "reel_address_seconds": 60.0}))
    assert signed is not None
    assert signed.address.startswith("https://s3.invalid/bucket/x/lessons/lesson-1/v1/reel.gif?")
    assert "hidden" not in signed.address
    assert signed.expires_at is not None
    assert 50 < (signed.expires_at - datetime.now(UTC)).total_seconds() <= 60
    shown = find_reel("lesson-1", settings=settings.model_copy(update={"reel_base_url": "https://school.example/reels/"}))
    assert shown is not None
    assert shown.poster_address == "https://school.example/reels/lessons/lesson-1/v1/poster.jpg"


def test_a_database_that_is_away_can_be_asked_again(tmp_path: Path) -> None:
    settings = Settings(database_url=f"sqlite:///{tmp_path}/later/ledger.sqlite3", redis_url="redis://127.0.0.1:1/0")
    for call in (lambda: enqueue_lesson(lesson_document(), settings=settings), lambda: find_reel("lesson-1", settings=settings)):
        with pytest.raises(LedgerAway):
            call()
    (tmp_path / "later").mkdir()
    assert enqueue_lesson(lesson_document(), settings=settings).created
    assert find_reel("lesson-1", settings=settings) is None


def test_from_many_threads(settings: Settings) -> None:
    enqueue_lesson(lesson_document(), settings=settings)
    with ThreadPoolExecutor(8) as pool:
        jobs = list(pool.map(lambda n: enqueue_lesson(lesson_document(lesson_id=f"l-{n % 4}"), settings=settings), range(16)))
    assert sum(job.created for job in jobs) == 4


@pytest.mark.parametrize("lesson_id", ["x\0y", "", "\ud800", "a" * 129, "../x", "'; DROP TABLE lesson; --"])
def test_what_can_be_no_id_is_an_unknown_one(settings: Settings, lesson_id: str) -> None:
    assert lesson_status(lesson_id, settings=settings) is None
    assert find_reel(lesson_id, settings=settings) is None
    for call in (cancel, reprocess, erase_lesson):
        with pytest.raises(LessonUnknown):
            call(lesson_id, settings=settings)
    assert erase_pupil(lesson_id, settings=settings).lesson_ids == ()
    with pytest.raises(LessonInvalid):
        enqueue_lesson(lesson_document(pupil_id="x\0y"), settings=settings)


def test_a_receipt_does_not_claim_what_was_not_done(settings: Settings, tmp_path: Path) -> None:
    for number, folder in enumerate((tmp_path / "store", tmp_path / "nowhere")):
        (tmp_path / "store").mkdir(exist_ok=True)
        enqueue_lesson(lesson_document(lesson_id=f"lesson-{number}"), settings=settings)
        there = settings.model_copy(update={"store_url": f"file://{folder}"})
        assert erase_lesson(f"lesson-{number}", settings=there).store_cleared == folder.exists()


def test_processed_anew_it_begins_at_nothing(settings: Settings) -> None:
    enqueue_lesson(lesson_document(), settings=settings)
    ledger = open_ledger(settings.database_url)
    assert ledger.admit("lesson-1", 0, places=1, lease_seconds=1)
    ledger.planned("lesson-1", "v1", 1, {})
    ledger.runs.started("lesson-1", "v1", "publish_lesson", 0)
    ledger.runs.finished("lesson-1", "v1", "publish_lesson", 0, seconds=1, items=1)
    assert ledger.finish("lesson-1", LessonState.NO_REEL, "too_short")
    ledger.close()
    reprocess("lesson-1", settings=settings)
    status = lesson_status("lesson-1", settings=settings)
    assert status is not None
    assert (status.state, status.stage, status.percent) == (LessonState.ACCEPTED, None, 0)


def test_a_connection_to_a_database_without_tables(tmp_path: Path) -> None:
    with create_engine(f"sqlite:///{tmp_path}/bare.sqlite3").connect() as connection, pytest.raises(SchemaMissing):
        enqueue_lesson(lesson_document(), connection=connection)
