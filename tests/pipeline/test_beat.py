"""`celery beat` in place of the workers' own timers: its task makes a worker look for lost lessons and send them again."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

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
from workers.doctor.fleet import BEAT

pytestmark = [pytest.mark.redis]

LOOK_SECONDS = 0.5
LEASE_SECONDS = 1.0
WISHES: dict[str, Any] = {"RECONCILE_SECONDS": LOOK_SECONDS, "LEASE_SECONDS": LEASE_SECONDS, "RECONCILE_IN_WORKER": "false"}


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


# Beats alone, without a worker that would take their tasks.
QUICK: dict[str, Any] = {"RECONCILE_SECONDS": LOOK_SECONDS}
TICK_SECONDS = 1


def asked(valkey: Valkey) -> int:
    """How many of beat's tasks wait in the queue."""
    with valkey.client() as client:
        return int(client.llen(CPU_QUEUE))


def asks(valkey: Valkey) -> bool:
    """Whether another task comes."""
    before = asked(valkey)
    return wait_until(lambda: asked(valkey) > before, 30)


def test_a_second_beat_says_so_and_ends(valkey: Valkey, tmp_path: Path) -> None:
    with a_beat(valkey.url, tmp_path, max_interval_seconds=TICK_SECONDS, **QUICK) as first:
        assert asks(valkey), (tmp_path / "beat.log").read_text()
        with a_beat(valkey.url, tmp_path, name="second", max_interval_seconds=TICK_SECONDS, **QUICK) as second:
            assert second.wait(30) == 1
        told = (tmp_path / "second.log").read_text().splitlines()
        assert told[-1] == "smilereel: Another beat runs already, and one is enough; stop it first, or leave this one out."
        assert len(told) == 2, "only Celery's own line stands before it"
        assert first.poll() is None
        assert asks(valkey)
        first.send_signal(signal.SIGTERM)
        assert first.wait(30) == 0
        with closing(open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite3")) as ledger:
            assert ledger.duties.hold(BEAT, "another", 1), "it has given the duty back"
    assert not list(tmp_path.glob("celerybeat*")), "it keeps no file"


def test_another_takes_over_from_a_beat_that_died(valkey: Valkey, tmp_path: Path) -> None:
    with a_beat(valkey.url, tmp_path, max_interval_seconds=TICK_SECONDS, **QUICK) as first:
        assert asks(valkey), (tmp_path / "beat.log").read_text()
        first.kill()
        first.wait()
    with a_beat(valkey.url, tmp_path, name="second", max_interval_seconds=TICK_SECONDS, **QUICK) as second:
        assert asks(valkey), (tmp_path / "second.log").read_text()
        assert second.poll() is None


def test_a_beat_that_stood_still_meanwhile_ends(valkey: Valkey, tmp_path: Path) -> None:
    with a_beat(valkey.url, tmp_path, max_interval_seconds=TICK_SECONDS, **QUICK) as beat:
        assert asks(valkey), (tmp_path / "beat.log").read_text()
        beat.send_signal(signal.SIGSTOP)
        with closing(open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite3")) as ledger:
            assert wait_until(lambda: ledger.duties.hold(BEAT, "another", 20), 20)
        beat.send_signal(signal.SIGCONT)
        assert beat.wait(30) == 1
        told = (tmp_path / "beat.log").read_text().splitlines()
        assert told[-1] == "smilereel: Another beat has taken over while this one stood still; this one ends."


def test_beat_bears_a_ledger_and_a_redis_that_are_away(valkey: Valkey, tmp_path: Path) -> None:
    (tmp_path / "ledger").mkdir()
    alive = tmp_path / "alive"
    wishes: dict[str, Any] = {**QUICK, "DATABASE_URL": f"sqlite:///{tmp_path}/ledger/l.sqlite3", "ALIVE_FILE": alive}
    with a_beat(valkey.url, tmp_path, max_interval_seconds=TICK_SECONDS, **wishes) as beat:
        assert asks(valkey), (tmp_path / "beat.log").read_text()
        (tmp_path / "ledger").rename(tmp_path / "elsewhere")
        log = tmp_path / "beat.log"
        assert wait_until(lambda: "beat goes on without its duty" in log.read_text(), 20)
        assert asks(valkey)
        (tmp_path / "elsewhere").rename(tmp_path / "ledger")
        valkey.kill()
        assert wait_until(lambda: "beat goes on when it can" in log.read_text(), 20), log.read_text()
        alive.unlink()
        assert wait_until(alive.exists, 20), "it lives, whoever is away"
        valkey.start()
        assert asks(valkey), log.read_text()
        assert beat.poll() is None
    assert "Traceback" not in log.read_text()
    assert log.read_text().count("Redis cannot be used") == 1


def test_a_beat_that_redis_refuses_does_not_start(tmp_path: Path) -> None:
    with Valkey("--requirepass", "right") as valkey, a_beat(valkey.url_of("default", "wrong"), tmp_path) as beat:
        assert beat.wait(30) == 1
    told = (tmp_path / "beat.log").read_text().splitlines()
    assert told[-1].startswith("smilereel: Redis refuses the user or the password;")
    assert len(told) == 2, "only Celery's own line stands before it"
