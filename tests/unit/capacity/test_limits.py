"""A night's loads against their limits: which gives way first, and what a larger night asks for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.capacity.builders import a_fit, a_night
from workers.capacity.events import Simulation
from workers.capacity.limits import CELERY_TASKS_A_SECOND, Load, amounts_of, load_limits, loads_of


def loads(workers: int = 2, *, analytics: float = 1.0, kept_nights: float = 1.0) -> list[Load]:
    night = replace(a_night(20), workers={"cpu": workers, "gpu": workers})
    outcome = Simulation(night, a_fit()).run()
    return loads_of(night, a_fit(), outcome, kept_nights=kept_nights, analytics=analytics)


def named(found: list[Load], name: str) -> Load:
    return next(load for load in found if load.name == name)


def test_the_one_that_breaks_first_is_in_front() -> None:
    shares = [load.share for load in loads()]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > shares[-1]


def test_seconds_are_written_for_the_lessons_with_consent_only() -> None:
    all_of_them, half = (named(loads(analytics=share), "rows of frame_score") for share in (1.0, 0.5))
    assert all_of_them.load == pytest.approx(2 * half.load)
    assert half.load > 0
    assert all_of_them.limit == load_limits().second_rows_a_second


def test_the_sweep_lists_what_all_nights_have_left() -> None:
    one, year = (named(loads(kept_nights=nights), "sweep's listing of the store") for nights in (1.0, 365.0))
    listed = 20 * load_limits().sweep_seconds_per_1000_kept / 1000
    assert year.load - one.load == pytest.approx(364 * listed)


def test_every_worker_hears_every_other() -> None:
    """Each tells all others every two seconds that it lives."""
    few, many = (named(loads(workers), "heartbeats that a worker hears") for workers in (2, 200))
    assert (few.load, many.load) == (2.0, 200.0)
    assert many.share == pytest.approx(200 / CELERY_TASKS_A_SECOND)


def test_amounts_grow_with_consent() -> None:
    night = a_night(20)
    outcome = Simulation(night, a_fit()).run()
    told, untold = (amounts_of(night, a_fit(), outcome, analytics=share) for share in (1.0, 0.0))
    assert untold["frame_score_rows"] == 0
    assert told["frame_score_rows"] == pytest.approx(20 * night.lesson_seconds)
    assert told["database_rows_written"] - untold["database_rows_written"] == pytest.approx(told["frame_score_rows"])
