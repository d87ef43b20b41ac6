"""`celery beat` in place of the workers' own timers: its task makes a worker look for lost lessons and send them again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from shared.catalogue import CPU_QUEUE, RECONCILE
from shared.client import enqueue_lesson
from shared.ledger import Ledger, LessonState, open_ledger
from shared.settings import Settings
from tests.builders import lesson_document
from tests.processes import wait_until
from tests.services.beat import a_beat
from tests.services.valkey import Valkey
from tests.services.workers import a_worker
from workers.app import app

pytestmark = [pytest.mark.redis]

LOOK_SECONDS = 0.5
LEASE_SECONDS = 1.0
WISHES = {"RECONCILE_SECONDS": LOOK_SECONDS, "LEASE_SECONDS": LEASE_SECONDS, "RECONCILE_IN_WORKER": "false"}


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    with Valkey() as started:
        yield started


@pytest.fixture
def ledger(valkey: Valkey, tmp_path: Path) -> Iterator[Ledger]:
    """With a lesson whose first message is lost."""
    settings = Settings(redis_url=valkey.url, database_url=f"sqlite:///{tmp_path}/ledger.sqlite3", lease_seconds=LEASE_SECONDS)
    assert enqueue_lesson(lesson_document(), settings=settings).sent
    with valkey.client() as client:
        assert client.delete(CPU_QUEUE) == 1
    with closing(open_ledger(settings.database_url)) as opened:
        yield opened


def test_beat_finds_a_lost_lesson(valkey: Valkey, ledger: Ledger, tmp_path: Path) -> None:
    with a_worker("workers.cpu.tasks", CPU_QUEUE, valkey.url, tmp_path, **WISHES), a_beat(valkey.url, tmp_path, **WISHES) as beat:
        found = wait_until(lambda: ledger.require("lesson-1").state.final, 60)
        told = (tmp_path / "cpu.log").read_text()
        assert found, (tmp_path / "beat.log").read_text() + told
        assert beat.poll() is None
    record = ledger.require("lesson-1")
    assert (record.state, record.generation) == (LessonState.REFUSED, 2), "sent once more; it has no recording"
    (sender,) = re.findall(r"INFO/(\S+)\] lesson lesson-1 sent, generation 2", told)
    assert sender.startswith("ForkPoolWorker"), "a task in the pool's child; the worker's own timer would be its main process"


def test_the_schedule_is_the_settings() -> None:
    (entry,) = app.conf.beat_schedule.values()
    assert entry["task"] == RECONCILE
    assert entry["schedule"] == entry["options"]["expires"] == Settings().reconcile_seconds
