"""The CPU worker's own timer: it ticks at its pace, survives what goes wrong, and is there only where the settings want it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator

import pytest
from celery.signals import worker_ready, worker_shutting_down

from shared.errors import LedgerAway
from shared.settings import Settings
from tests.processes import wait_until
from workers import reconciling as module
from workers.reconciling import Timer, start_with_worker

PACE_SECONDS = 0.1


class Ticks:
    """Counts; what is put into `failures` is raised instead, one a tick."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.failures: list[Exception] = []

    def __call__(self) -> None:
        self.times.append(time.monotonic())
        if self.failures:
            raise self.failures.pop(0)


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> Ticks:
    counted = Ticks()
    monkeypatch.setattr(module, "reconcile_once", counted)
    return counted


@pytest.fixture
def timer(ticks: Ticks) -> Iterator[Timer]:
    made = Timer(PACE_SECONDS)
    yield made
    made.end()


def test_it_ticks_at_its_pace_and_not_more_often(timer: Timer, ticks: Ticks) -> None:
    began = time.monotonic()
    timer.start()
    assert wait_until(lambda: len(ticks.times) >= 5, 10)
    steps = [later - earlier for earlier, later in zip([began, *ticks.times], ticks.times, strict=False)]
    assert min(steps) >= PACE_SECONDS * 0.9, "not at once either: the worker has only just begun"
    timer.end()
    time.sleep(PACE_SECONDS)
    told = len(ticks.times)
    time.sleep(3 * PACE_SECONDS)
    assert len(ticks.times) == told, "it was told to end"


def test_what_goes_wrong_is_logged_and_tried_again(timer: Timer, ticks: Ticks, caplog: pytest.LogCaptureFixture) -> None:
    ticks.failures = [LedgerAway("The database is away."), RuntimeError("disk on fire")]
    with caplog.at_level(logging.WARNING):
        timer.start()
        assert wait_until(lambda: len(ticks.times) >= 3, 10)
    assert [(record.levelname, record.getMessage()) for record in caplog.records if record.name == module.__name__] == [
        ("WARNING", "the reconciler waits: The database is away."),
        ("ERROR", "the reconciler stumbled"),
    ]


@pytest.mark.parametrize("wanted", [True, False])
def test_a_worker_has_it_only_where_the_settings_say_so(monkeypatch: pytest.MonkeyPatch, wanted: bool) -> None:
    connected: list[Callable[..., None]] = []
    monkeypatch.setattr(module, "load_settings", lambda: Settings(reconcile_in_worker=wanted, reconcile_seconds=600))
    for signal in (worker_ready, worker_shutting_down):
        monkeypatch.setattr(signal, "connect", lambda function, **_: connected.append(function))
    start_with_worker()
    assert len(connected) == (2 if wanted else 0)
