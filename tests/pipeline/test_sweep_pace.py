"""How often the reconciler asks for a sweep of the store: at the wished interval, once for all, and again when Redis was away."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from shared.catalogue import CPU_QUEUE, SWEEP
from shared.duties import RECONCILER
from shared.ledger import open_ledger
from shared.settings import Settings
from tests.services.valkey import Valkey
from workers.reconciler import Reconciler

pytestmark = [pytest.mark.redis]

LOOK_SECONDS = 0.05


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    with Valkey() as started:
        yield started


@pytest.fixture
def reconcilers(valkey: Valkey, tmp_path: Path) -> Iterator[list[Reconciler]]:
    """Two that share everything, as two workers do."""
    settings = settings_of(valkey, tmp_path)
    with closing(open_ledger(settings.database_url)) as ledger:
        ledger.create_schema()
        app = Celery("test", broker=settings.redis_url, set_as_current=False)
        yield [Reconciler(settings, ledger, app) for _ in range(2)]


def settings_of(valkey: Valkey, folder: Path, **changes: Any) -> Settings:
    common = {"redis_url": valkey.url, "database_url": f"sqlite:///{folder}/ledger.sqlite3", "reconcile_seconds": 0.1}
    return Settings(**{**common, **changes})


def pace(reconcilers: list[Reconciler], sweep_seconds: float) -> None:
    for reconciler in reconcilers:
        reconciler.settings = reconciler.settings.model_copy(update={"sweep_seconds": sweep_seconds})


def requests(valkey: Valkey) -> list[dict[str, Any]]:
    """The headers of what asks for a sweep and has not been taken."""
    with valkey.client() as client:
        headers: list[dict[str, Any]] = [json.loads(item)["headers"] for item in client.lrange(CPU_QUEUE, 0, -1)]
    return [header for header in headers if header["task"] == SWEEP]


def tick_for(seconds: float, *reconcilers: Reconciler) -> None:
    """All of them, again and again."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for reconciler in reconcilers:
            reconciler.tick()
        time.sleep(LOOK_SECONDS)


def test_once_an_interval(reconcilers: list[Reconciler], valkey: Valkey) -> None:
    pace(reconcilers, 0.6)
    tick_for(2.1, reconcilers[0])
    assert 3 <= len(requests(valkey)) <= 4, "at 0.0, 0.6, 1.2 and 1.8 seconds, and no look of the many others"


def test_of_two_that_look_only_one_asks(reconcilers: list[Reconciler], valkey: Valkey) -> None:
    pace(reconcilers, 60)
    tick_for(0.5, *reconcilers)
    assert len(requests(valkey)) == 1


def test_whoever_takes_the_duty_over_keeps_the_pace(reconcilers: list[Reconciler], valkey: Valkey) -> None:
    first, second = reconcilers
    pace(reconcilers, 60)
    tick_for(0.2, first)
    tick_for(2.5, second)
    duty = second.ledger.duties.read(RECONCILER)
    assert duty is not None
    assert duty.holder == second.holder, "the first has not been heard of"
    assert len(requests(valkey)) == 1


def test_a_request_that_nobody_takes_expires_with_its_interval(reconcilers: list[Reconciler], valkey: Valkey) -> None:
    pace(reconcilers, 45)
    reconcilers[0].tick()
    (header,) = requests(valkey)
    left = _seconds_until(header["expires"])
    assert 40 < left <= 45, "so that a worker that was away for long finds one of them, not hundreds"


def _seconds_until(moment: str) -> float:
    return (datetime.fromisoformat(moment) - datetime.now(UTC)).total_seconds()


@pytest.mark.parametrize("how", ["away", "full"])
def test_what_redis_did_not_take_is_asked_for_again(reconcilers: list[Reconciler], valkey: Valkey, how: str) -> None:
    pace(reconcilers, 60)
    with valkey.client() as client:
        client.config_set("maxmemory", 1)
    if how == "away":
        valkey.kill()
    reconcilers[0].tick()
    if how == "away":
        valkey.start()
    with valkey.client() as client:
        client.config_set("maxmemory", 0)
    reconcilers[0].tick()
    assert len(requests(valkey)) == 1
