"""The reconciler with a real Valkey and no workers: what it sends again, what it leaves, what it sets aside and sweeps."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from celery import Celery

from shared.catalogue import CPU_QUEUE, LESSON_HEADER
from shared.client import enqueue_lesson
from shared.duties import RECONCILER
from shared.ledger import Ledger, LessonState, open_ledger
from shared.sender import send_lesson
from shared.settings import Settings
from shared.store import FolderStore
from tests.builders import lesson_document
from tests.services.valkey import Valkey
from workers.app import name_lesson
from workers.reconciler import EPOCH_KEY, Reconciler, queued_lessons
from workers.sweeping import sweep

pytestmark = [pytest.mark.redis, pytest.mark.slow]

LEASE_SECONDS = 1.0


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    with Valkey() as started:
        yield started


@pytest.fixture
def reconciler(valkey: Valkey, tmp_path: Path) -> Iterator[Reconciler]:
    settings = Settings(
        redis_url=valkey.url,
        database_url=f"sqlite:///{tmp_path}/ledger.sqlite3",
        store_url=f"file://{tmp_path}/store",
        lease_seconds=LEASE_SECONDS,
        lesson_attempts=3,
        lessons_in_work=2,
        reconcile_seconds=0.1,
        sweep_seconds=0.5,
    )
    ledger = open_ledger(settings.database_url)
    ledger.create_schema()
    app = Celery("test", broker=settings.redis_url, set_as_current=False)
    yield Reconciler(settings, ledger, app)
    ledger.close()


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def enqueue(reconciler: Reconciler, *lesson_ids: str) -> None:
    for lesson_id in lesson_ids or ("lesson-1",):
        enqueue_lesson(lesson_document(lesson_id=lesson_id), settings=reconciler.settings)


def forget_messages(valkey: Valkey) -> None:
    """As a worker that dies between taking a message and writing down that it has it."""
    with valkey.client() as client:
        client.delete(CPU_QUEUE)


def let_leases_run_out(ledger: Ledger) -> None:
    time.sleep(LEASE_SECONDS + 0.1)


def in_queue(valkey: Valkey) -> int:
    """Lessons' messages; what asks for a sweep does not count."""
    with valkey.client() as client:
        return sum(LESSON_HEADER in json.loads(item)["headers"] for item in client.lrange(CPU_QUEUE, 0, -1))


def test_a_lesson_that_was_accepted_without_redis_is_sent_when_it_is_back(reconciler: Reconciler, valkey: Valkey) -> None:
    reconciler.tick()
    valkey.kill()
    enqueue(reconciler)
    assert reconciler.tick() == 0, "and says nothing worse than a warning"
    valkey.start()
    assert reconciler.tick() == 1
    assert in_queue(valkey) == 1


def test_what_waits_in_a_queue_is_left_alone(reconciler: Reconciler, valkey: Valkey) -> None:
    enqueue(reconciler)
    for _ in range(3):
        let_leases_run_out(reconciler.ledger)
        assert reconciler.tick() == 0
    record = reconciler.ledger.require("lesson-1")
    assert (record.generation, record.attempts, in_queue(valkey)) == (1, 1, 1)


def test_a_lost_message_is_sent_again_once_its_lease_has_run_out(reconciler: Reconciler, valkey: Valkey) -> None:
    enqueue(reconciler)
    reconciler.tick()
    forget_messages(valkey)
    assert reconciler.tick() == 0, "somebody may have taken it"
    let_leases_run_out(reconciler.ledger)
    assert reconciler.tick() == 1
    record = reconciler.ledger.require("lesson-1")
    assert (record.generation, record.attempts) == (2, 2)


@pytest.mark.parametrize("how", ["flushed", "restarted"])
def test_a_redis_that_lost_everything_costs_no_attempt_and_no_wait(reconciler: Reconciler, valkey: Valkey, how: str) -> None:
    enqueue(reconciler)
    reconciler.tick()
    for _ in range(5):
        if how == "flushed":
            with valkey.client() as client:
                client.flushall()
        else:
            valkey.kill()
            valkey.start()
        assert reconciler.tick() == 1
    record = reconciler.ledger.require("lesson-1")
    assert (record.state, record.attempts, in_queue(valkey)) == (LessonState.ACCEPTED, 1, 1)


def test_who_makes_no_progress_is_set_aside_and_holds_up_nobody(
    reconciler: Reconciler, valkey: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    enqueue(reconciler)
    reconciler.ledger.sending.rest("lesson-1", 1, seconds=0, reason="plan_lesson: masha-ivanova.mp4 is away", counted=True)
    for _ in range(4):
        reconciler.tick()
        forget_messages(valkey)
        let_leases_run_out(reconciler.ledger)
    enqueue(reconciler, "lesson-2")
    record = reconciler.ledger.require("lesson-1")
    assert record.state is LessonState.QUARANTINED
    assert "sent 3 times without any progress" in (record.reason or "")
    assert "masha" in (record.reason or ""), "for the operator"
    assert "lesson-1 quarantined" in caplog.text
    assert "masha" not in caplog.text
    assert reconciler.ledger.require("lesson-2").state is LessonState.ACCEPTED
    assert reconciler.ledger.reopen("lesson-1")
    assert send_lesson(reconciler.ledger, "lesson-1", reconciler.settings)
    assert reconciler.ledger.require("lesson-1").attempts == 1


def test_only_as_many_as_there_are_places(reconciler: Reconciler, valkey: Valkey) -> None:
    valkey.kill()
    enqueue(reconciler, *(f"lesson-{n}" for n in range(5)))
    valkey.start()
    assert reconciler.tick() == 2
    for n in (0, 1):
        generation = reconciler.ledger.require(f"lesson-{n}").generation
        assert reconciler.ledger.admit(f"lesson-{n}", generation, places=2, lease_seconds=9), "the oldest first"
    taken = reconciler.ledger.sending.take("lesson-2", lease_seconds=9, most_attempts=3)
    assert taken is not None
    assert not reconciler.ledger.admit("lesson-2", taken.generation, places=2, lease_seconds=9)
    assert reconciler.ledger.require("lesson-2").reason == "waits: all 2 places are taken"
    assert reconciler.tick() == 0
    assert reconciler.ledger.finish("lesson-0", LessonState.DONE, None)
    assert reconciler.tick() == 1


def test_no_new_lesson_while_the_store_is_full(reconciler: Reconciler, valkey: Valkey, store: FolderStore) -> None:
    reconciler.settings = reconciler.settings.model_copy(update={"store_max_bytes": 1000})
    enqueue(reconciler, "busy", "next")
    assert reconciler.ledger.admit("busy", 0, places=2, lease_seconds=9)
    store.put("work/busy/v/frames.zip", b"x" * 1000)
    reconciler.tick()
    sweep(reconciler.ledger, store)
    forget_messages(valkey)
    let_leases_run_out(reconciler.ledger)
    assert reconciler.tick() == 0
    assert reconciler.ledger.finish("busy", LessonState.NO_REEL, "too_short")
    sweep(reconciler.ledger, store)
    assert reconciler.tick() == 1, "swept, so there is room"


def test_what_the_dead_left_is_swept(reconciler: Reconciler, store: FolderStore) -> None:
    ledger = reconciler.ledger
    enqueue(reconciler, "open", "done", "aside")
    for lesson_id in ("open", "done", "aside"):
        ledger.admit(lesson_id, 0, places=9, lease_seconds=60)
        ledger.planned(lesson_id, "v2", 1, {})
        store.put(f"work/{lesson_id}/v2/plan.json", b"{}")
        store.put(f"lessons/{lesson_id}/v1/reel.gif", b"of an older version")
        store.put(f"lessons/{lesson_id}/v2/reel.gif", b"GIF")
    store.put("work/nobody/v2/plan.json", b"{}")
    ledger.finish("done", LessonState.DONE, None)
    ledger.finish("aside", LessonState.QUARANTINED, "r")
    reconciler.tick()
    assert sweep(ledger, store).removed == 6
    assert sorted([*store.keys("work"), *store.keys("lessons")]) == [
        "lessons/done/v2/reel.gif",
        "lessons/open/v1/reel.gif",
        "lessons/open/v2/reel.gif",
        "work/open/v2/plan.json",
    ]
    duty = ledger.duties.read(RECONCILER)
    assert duty is not None
    assert duty.note["work_bytes"] == 2


def test_one_at_a_time_has_the_duty(reconciler: Reconciler, valkey: Valkey) -> None:
    other = replace(reconciler, holder="another")
    valkey.kill()
    enqueue(reconciler)
    valkey.start()
    reconciler.tick()
    assert reconciler.ledger.require("lesson-1").generation == 2
    forget_messages(valkey)
    let_leases_run_out(reconciler.ledger)
    assert other.tick() == 0
    time.sleep(2.0)
    assert other.tick() == 1, "the first has not been heard of, so the duty passes on"


def test_every_message_names_its_lesson(valkey: Valkey) -> None:
    app = Celery("test", broker=valkey.url, set_as_current=False)
    assert name_lesson is not None  # its module listens to every publication
    with app.connection_for_write() as connection:
        for args, kwargs in (
            (["a"], {"generation": 1}),
            ([{"lesson_id": "b"}], {}),
            ([[], "c", "v1"], {"generation": 2}),
            ([], {}),
        ):
            app.send_task(
                "smilereel.cpu.any", args=args, kwargs=kwargs, queue=CPU_QUEUE, connection=connection, ignore_result=True
            )
    with valkey.client() as client:
        assert queued_lessons(client) == {"a", "b", "c"}
        assert client.get(EPOCH_KEY) is None
