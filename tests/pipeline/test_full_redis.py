"""A Redis that is full and refuses writes: lessons are accepted all the same, nobody crashes, and all goes on once there is room."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis
from celery import Celery

from shared.catalogue import CPU_QUEUE, LESSON_HEADER
from shared.client import enqueue_lesson
from shared.ledger import LessonState, open_ledger
from shared.settings import Settings
from tests.builders import lesson_document
from tests.ledgers import sent
from tests.processes import wait_until
from tests.services.valkey import Valkey
from tests.services.workers import a_worker
from workers.reconciler import Reconciler

pytestmark = [pytest.mark.redis]

MEMORY_BYTES = 6 * 2**20
LEASE_SECONDS = 1.0
ATTEMPTS = 3
# However often kombu has wrapped it, the line must tell a full Redis from one that is away.
FULL = re.compile(r"Redis cannot be used \(.*(OutOfMemory|full).*\); lessons are sent again when it can")


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    with Valkey("--maxmemory", str(MEMORY_BYTES), "--maxmemory-policy", "noeviction") as started:
        yield started


@pytest.fixture
def reconciler(valkey: Valkey, tmp_path: Path) -> Iterator[Reconciler]:
    settings = settings_of(valkey, tmp_path)
    with closing(open_ledger(settings.database_url)) as ledger:
        ledger.create_schema()
        yield Reconciler(settings, ledger, Celery("test", broker=settings.redis_url, set_as_current=False))


def settings_of(valkey: Valkey, folder: Path) -> Settings:
    return Settings(
        redis_url=valkey.url,
        database_url=f"sqlite:///{folder}/ledger.sqlite3",
        lease_seconds=LEASE_SECONDS,
        lesson_attempts=ATTEMPTS,
        reconcile_seconds=0.1,
    )


def fill(valkey: Valkey) -> None:
    """To the last byte, and a little over it, so that no buffer that is freed meanwhile makes room."""
    with valkey.client() as client:
        client.config_set("maxmemory", MEMORY_BYTES)
        n_keys, size = 0, 2**16
        while size >= 16:
            try:
                client.set(f"filling:{n_keys}", b"x" * size)
                n_keys += 1
            except redis.exceptions.OutOfMemoryError:
                size //= 2
        client.config_set("maxmemory", MEMORY_BYTES - 2**19)


def make_room(valkey: Valkey) -> None:
    with valkey.client() as client:
        client.delete(*client.keys("filling:*"))


def waiting(valkey: Valkey) -> int:
    """Lessons' messages in the queue."""
    with valkey.client() as client:
        return sum(LESSON_HEADER.encode() in item for item in client.lrange(CPU_QUEUE, 0, -1))


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_lesson_is_accepted_at_once(valkey: Valkey, reconciler: Reconciler) -> None:
    enqueue_lesson(lesson_document(lesson_id="before"), settings=reconciler.settings)  # imports what a backend pays for once
    assert waiting(valkey) == 1
    fill(valkey)
    started = time.monotonic()
    job = enqueue_lesson(lesson_document(), settings=reconciler.settings)
    assert time.monotonic() - started < 1.0
    assert (job.created, job.sent, job.state) == (True, False, LessonState.ACCEPTED)
    record = reconciler.ledger.require("lesson-1")
    assert (record.attempts, record.lease_until) == (0, None), "it can be sent as soon as there is room"
    assert waiting(valkey) == 1


@pytest.mark.parametrize("swept", [True, False])
def test_the_reconciler_says_so_once_counts_nothing_and_sends_when_there_is_room(
    valkey: Valkey, reconciler: Reconciler, caplog: pytest.LogCaptureFixture, swept: bool
) -> None:
    caplog.set_level(logging.INFO, logger="workers.reconciler")
    if swept:
        reconciler.tick()  # otherwise what Redis refuses first is the wish for a sweep
    fill(valkey)
    enqueue_lesson(lesson_document(), settings=reconciler.settings)
    assert [reconciler.tick() for _ in range(2 * ATTEMPTS)] == [0] * 2 * ATTEMPTS
    (told,) = warnings(caplog)
    assert FULL.fullmatch(told)
    record = reconciler.ledger.require("lesson-1")
    assert (record.state, record.attempts) == (LessonState.ACCEPTED, 0)
    make_room(valkey)
    assert reconciler.tick() == 1
    assert waiting(valkey) == 1
    fill(valkey)
    reconciler.tick()
    assert warnings(caplog) == [told, told], "a second time is told as well"


def test_a_lesson_that_was_lost_in_the_middle_keeps_its_last_attempt(valkey: Valkey, reconciler: Reconciler) -> None:
    ledger = reconciler.ledger
    enqueue_lesson(lesson_document(), settings=reconciler.settings)
    for _ in range(ATTEMPTS - 2):
        time.sleep(LEASE_SECONDS + 0.1)
        sent(ledger, lease_seconds=LEASE_SECONDS)
    record = ledger.require("lesson-1")
    assert ledger.admit("lesson-1", record.generation, places=9, lease_seconds=LEASE_SECONDS)
    reconciler.tick()
    with valkey.client() as client:
        client.delete(CPU_QUEUE)
    time.sleep(LEASE_SECONDS + 0.1)
    fill(valkey)
    for _ in range(2 * ATTEMPTS):
        assert reconciler.tick() == 0
    record = ledger.require("lesson-1")
    assert (record.state, record.attempts) == (LessonState.PROCESSING, ATTEMPTS - 1)
    make_room(valkey)
    assert reconciler.tick() == 1
    assert ledger.require("lesson-1").state is LessonState.PROCESSING


@pytest.mark.slow
def test_an_idle_worker_lives_through_it_and_the_lesson_comes_to_its_end(valkey: Valkey, tmp_path: Path) -> None:
    settings = settings_of(valkey, tmp_path)
    wishes = {"RECONCILE_SECONDS": 0.3, "LEASE_SECONDS": LEASE_SECONDS, "LESSON_ATTEMPTS": ATTEMPTS}
    log = tmp_path / "cpu.log"
    with (
        a_worker("workers.cpu.tasks", CPU_QUEUE, valkey.url, tmp_path, **wishes) as worker,
        closing(open_ledger(settings.database_url)) as ledger,
    ):
        ledger.create_schema()
        assert wait_until(lambda: "ready." in log.read_text(), 60), log.read_text()
        fill(valkey)
        assert not enqueue_lesson(lesson_document(teacher=[]), settings=settings).sent
        assert wait_until(lambda: bool(FULL.search(log.read_text())), 10), log.read_text()
        time.sleep(ATTEMPTS * LEASE_SECONDS)
        assert worker.poll() is None, log.read_text()
        assert ledger.require("lesson-1").attempts == 0
        make_room(valkey)
        assert wait_until(lambda: ledger.require("lesson-1").state.final, 30), log.read_text()
        assert ledger.require("lesson-1").state is LessonState.REFUSED, "it has no recording"
        assert worker.poll() is None


@pytest.mark.slow
def test_a_worker_that_takes_a_message_meanwhile_ends_and_its_successor_goes_on(valkey: Valkey, tmp_path: Path) -> None:
    """kombu cannot note the message that it has taken and gives up; whoever runs the worker starts it again."""
    settings = settings_of(valkey, tmp_path)
    wishes = {"RECONCILE_SECONDS": 0.3, "LEASE_SECONDS": LEASE_SECONDS, "LESSON_ATTEMPTS": ATTEMPTS}
    with a_worker("tests.services.slow_task,workers.cpu.tasks", CPU_QUEUE, valkey.url, tmp_path, **wishes) as worker:
        app = Celery("test", broker=valkey.url, set_as_current=False)
        app.send_task("smilereel.cpu.slow", args=[2.0, str(tmp_path)], queue=CPU_QUEUE, ignore_result=True)
        app.close()
        assert wait_until((tmp_path / "begun").exists, 60), (tmp_path / "cpu.log").read_text()
        assert enqueue_lesson(lesson_document(teacher=[]), settings=settings).sent
        fill(valkey)
        assert worker.wait(30) == 1
    assert (tmp_path / "ended").exists(), "what it had begun was finished"
    assert waiting(valkey) == 0, "the message is lost"
    make_room(valkey)
    with (
        a_worker("workers.cpu.tasks", CPU_QUEUE, valkey.url, tmp_path, **wishes),
        closing(open_ledger(settings.database_url)) as ledger,
    ):
        assert wait_until(lambda: ledger.require("lesson-1").state.final, 60), (tmp_path / "cpu.log").read_text()
        record = ledger.require("lesson-1")
    assert (record.state, record.generation) == (LessonState.REFUSED, 2), "sent once more; it has no recording"
