"""Who tells the webhook: the reconciler asks once for what is due, and a real CPU worker delivers it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from shared.catalogue import CPU_QUEUE, DELIVER
from shared.deliveries import Delivery
from shared.ledger import Ledger, event_id, open_ledger
from shared.settings import Settings
from shared.webhooks import verify
from tests.builders import a_lesson
from tests.processes import wait_until
from tests.services.receiver import receiving
from tests.services.tls import certificate
from tests.services.valkey import Valkey
from tests.services.workers import a_worker
from workers import delivering
from workers.delivering import DUTY, tell
from workers.reconciler import Reconciler

pytestmark = pytest.mark.redis

SECRET = "whsec_" + "A" * 43


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    with Valkey() as started:
        yield started


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite3")) as opened:
        opened.create_schema()
        yield opened


def end(ledger: Ledger, *lesson_ids: str) -> None:
    for lesson_id in lesson_ids:
        ledger.accept(a_lesson(lesson_id=lesson_id))
        assert ledger.cancel(lesson_id)


def a_reconciler(valkey: Valkey, ledger: Ledger, **changes: Any) -> Reconciler:
    webhook = {"webhook_url": "https://127.0.0.1:9/", "webhook_secrets": [SECRET], "webhook_private": True}
    settings = Settings(**{"redis_url": valkey.url, "reconcile_seconds": 0.1, **webhook, **changes})
    return Reconciler(settings, ledger, Celery("test", broker=valkey.url, set_as_current=False))


def requests(valkey: Valkey) -> list[dict[str, Any]]:
    """The headers of what asks for the webhook to be told and has not been taken."""
    with valkey.client() as client:
        headers: list[dict[str, Any]] = [json.loads(item)["headers"] for item in client.lrange(CPU_QUEUE, 0, -1)]
    return [header for header in headers if header["task"] == DELIVER]


def test_nobody_is_asked_while_nothing_is_due(valkey: Valkey, ledger: Ledger) -> None:
    a_reconciler(valkey, ledger).tick()
    assert requests(valkey) == []
    end(ledger, "lesson-1")
    a_reconciler(valkey, ledger, webhook_url="").tick()
    assert requests(valkey) == []


def test_one_request_waits_however_often_it_is_looked(valkey: Valkey, ledger: Ledger) -> None:
    end(ledger, "lesson-1", "lesson-2")
    reconciler = a_reconciler(valkey, ledger)
    for _ in range(5):
        reconciler.tick()
    assert len(requests(valkey)) == 1


def test_a_redis_that_lost_it_is_asked_again(valkey: Valkey, ledger: Ledger) -> None:
    end(ledger, "lesson-1")
    reconciler = a_reconciler(valkey, ledger)
    reconciler.tick()
    valkey.kill()
    reconciler.tick()
    valkey.start()
    for _ in range(3):
        reconciler.tick()
    assert len(requests(valkey)) == 1


def test_a_full_redis_is_asked_again(valkey: Valkey, ledger: Ledger) -> None:
    end(ledger, "lesson-1")
    reconciler = a_reconciler(valkey, ledger)
    reconciler.tick()
    with valkey.client() as client:
        client.delete(CPU_QUEUE)
        ledger.duties.drop(DUTY)
        client.config_set("maxmemory", 1)
        reconciler.tick()
        assert ledger.duties.read(DUTY) is None, "nobody was asked"
        client.config_set("maxmemory", 0)
    reconciler.tick()
    assert len(requests(valkey)) == 1


def test_a_lost_request_is_made_again_after_a_while(valkey: Valkey, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivering, "ASK_SECONDS", 0.5)
    end(ledger, "lesson-1")
    reconciler = a_reconciler(valkey, ledger)
    reconciler.tick()
    with valkey.client() as client:
        client.delete(CPU_QUEUE)
    reconciler.tick()
    assert requests(valkey) == []
    time.sleep(0.6)
    reconciler.tick()
    assert len(requests(valkey)) == 1


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"webhook_secrets": []}, "nothing is sent unsigned"), ({"webhook_url": "http://h/", "webhook_private": False}, "https://")],
)
def test_settings_that_cannot_be_used_cost_no_try_and_are_told_once_a_minute(
    valkey: Valkey, ledger: Ledger, caplog: pytest.LogCaptureFixture, wrong: dict[str, Any], said: str
) -> None:
    end(ledger, "lesson-1")
    reconciler = a_reconciler(valkey, ledger, **wrong)
    tell(reconciler.settings, ledger, "holder")
    reconciler.tick()
    assert requests(valkey) == []
    assert [record.attempts for record in ledger.deliveries.find()] == [0]
    assert [said in record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [True]


def test_a_receiver_that_says_nothing_is_left_alone_for_a_while(valkey: Valkey, ledger: Ledger) -> None:
    end(ledger, *(f"lesson-{number}" for number in range(60)))
    reconciler = a_reconciler(valkey, ledger)
    told = tell(reconciler.settings, ledger, "holder")
    assert told.silent
    assert delivering.THREADS <= told.failed < 60, "and keeps its tries"
    reconciler.tick()
    assert requests(valkey) == []


@pytest.mark.slow
def test_a_worker_tells_what_the_reconciler_asks_for(valkey: Valkey, ledger: Ledger, tmp_path: Path) -> None:
    known = certificate(tmp_path, "IP:127.0.0.1")
    with receiving(lambda handler, _body: handler.reply(204), known) as received:
        settings = {
            "RECONCILE_SECONDS": 0.3,
            "WEBHOOK_URL": f"https://127.0.0.1:{received.port}/ends",
            "WEBHOOK_SECRETS": json.dumps([SECRET]),
            "WEBHOOK_PRIVATE": "true",
            "WEBHOOK_CA_FILE": known.authority,
        }
        with a_worker("workers.cpu.tasks", "cpu", valkey.url, tmp_path, **settings):
            for first in (0, 20):
                names = [f"lesson-{number}" for number in range(first, first + 20)]
                end(ledger, *names)
                assert wait_until(lambda: ledger.deliveries.count() == {Delivery.DELIVERED: first + 20}, 60)  # noqa: B023
        events = [verify(body, headers, [SECRET]) for headers, body in received.requests]
    assert sorted(event.event_id for event in events) == sorted(event_id(f"lesson-{number}", 1) for number in range(40))
