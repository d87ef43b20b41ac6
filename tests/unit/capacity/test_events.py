"""The simulation against what can be reckoned by hand, and laws that hold for any queue."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.capacity.builders import a_fit, a_night
from workers.capacity.events import Outcome, Simulation
from workers.capacity.night import Night
from workers.capacity.service import Fit


def played(night: Night, fit: Fit) -> Outcome:
    return Simulation(night, fit).run()


def test_one_lesson_on_one_worker_of_each_room() -> None:
    # plan 0-1; decode a 1-2, b 2-3 (a detects 2-4); crop a waits for the GPU until 4; b detects 4-6; classify a 6-8, b 8-10; then 3 more.
    outcome = played(a_night(), a_fit(cpu=1, gpu=2))
    assert outcome.last_end == pytest.approx(13.0)
    assert outcome.lesson_seconds == {"fresh": [pytest.approx(13.0)], "bulk": []}
    assert outcome.busy_seconds == {"cpu": pytest.approx(1 + 4 + 3), "gpu": pytest.approx(8)}
    assert outcome.tasks == 4 * 2 + 4


def test_segments_of_a_lesson_run_side_by_side() -> None:
    assert played(a_night(cpu=2, gpu=2), a_fit(cpu=1, gpu=2)).last_end == pytest.approx(1 + 1 + 2 + 1 + 2 + 3)


def test_the_gap_between_tasks_counts_as_time_of_the_worker() -> None:
    fit = a_fit(cpu=1, gpu=2)
    assert played(a_night(), fit.model_copy(update={"gap_seconds": {"cpu": 0.5, "gpu": 0.0}})).busy_seconds[
        "cpu"
    ] == pytest.approx(12.0)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_the_slow_room_bounds_a_long_night(workers: int) -> None:
    outcome = played(a_night(300, cpu=20, gpu=workers), a_fit(cpu=0.01, gpu=1, lesson=0.01))
    assert outcome.last_end == pytest.approx(300 * 4 / workers, rel=0.03)
    assert outcome.busy_seconds["gpu"] / outcome.last_end / workers > 0.97


def test_no_more_lessons_in_work_than_places() -> None:
    outcome = played(a_night(50, cpu=4, gpu=4, places=3), a_fit())
    assert (outcome.ended, outcome.most_in_work) == (50, 3)
    assert outcome.most_waiting > 30
    assert outcome.waits["places"] > 0


def test_a_fresh_lesson_passes_the_bulk() -> None:
    night = a_night(101, bulk=100 / 101, arrivals="flat", arrival_hours=0.01, places=20)
    outcome = played(night, a_fit())
    (fresh,) = outcome.lesson_seconds["fresh"]
    assert fresh < 0.2 * max(outcome.lesson_seconds["bulk"])
    alone = played(a_night(1), a_fit()).last_end
    assert fresh > alone, "it shares the workers with the bulk"


def test_bulk_leaves_places_free() -> None:
    outcome = played(a_night(40, bulk=1, places=8, bulk_places=0.5, cpu=4, gpu=4), a_fit())
    assert outcome.most_in_work == 4


@pytest.mark.parametrize("seed", range(5))
def test_every_lesson_ends_though_workers_die(seed: int) -> None:
    calm = a_night(80, cpu=3, gpu=3, seed=seed)
    outcome = played(replace(calm, deaths_a_day=1000), a_fit(cpu=2, gpu=5))
    assert outcome.ended == 80
    assert outcome.deaths > 5
    assert outcome.sent_again > 0
    assert outcome.last_end > played(calm, a_fit(cpu=2, gpu=5)).last_end


def test_a_worker_that_died_comes_back_once() -> None:
    simulation = Simulation(a_night(30, cpu=2, gpu=2, deaths_a_day=900), a_fit(gpu=5))
    assert simulation.run().deaths > 5
    for room in simulation.rooms.values():
        assert 0 <= room.idle + len(room.running) <= room.count


def test_a_faster_card_hastens_the_models_alone() -> None:
    fit = a_fit(gpu=0).model_copy(update={"host_seconds_per_frame": 0.1})
    detect = fit.stages["detect_faces"].model_copy(update={"seconds_per_frame": 0.5})
    fit = fit.model_copy(update={"stages": {**fit.stages, "detect_faces": detect}})
    slow = played(a_night(), fit).busy_seconds["gpu"]
    fast = played(a_night(speed={"cpu": 1.0, "gpu": 8.0}), fit).busy_seconds["gpu"]
    # 20 frames; 0.1 s of each are the host's.
    assert [slow, fast] == pytest.approx([20 * 0.5, 20 * (0.1 + 0.4 / 8)])


def test_a_faster_card_hastens_times_that_no_line_could_be_drawn_through() -> None:
    """Where all measured segments were as long as each other, all of a task's time stands in `seconds`."""
    fit = a_fit(gpu=1.0).model_copy(update={"unchanged_seconds": 0.2})
    assert played(a_night(speed={"cpu": 1.0, "gpu": 8.0}), fit).busy_seconds["gpu"] == pytest.approx(4 * (0.2 + 0.8 / 8))


def test_spread_keeps_the_mean() -> None:
    outcome = played(a_night(400, cpu=50, gpu=1), a_fit(cpu=0.01, lesson=0.01, spread=0.8))
    assert outcome.busy_seconds["gpu"] == pytest.approx(400 * 4, rel=0.06)


def test_the_same_seed_gives_the_same_night() -> None:
    night = a_night(30, lengths=(), lesson_seconds=200, arrivals="evening", arrival_hours=0.5, deaths_a_day=100)
    one, two, other = (played(replace(night, seed=seed), a_fit(spread=0.3)) for seed in (1, 1, 2))
    assert one == two
    assert one.last_end != other.last_end


def test_no_work_is_lost_or_made() -> None:
    night = a_night(2000, cpu=6, gpu=9, lengths=(), lesson_seconds=60, arrivals="flat", arrival_hours=1.0, lesson_spread=0.0)
    outcome = played(night, a_fit(cpu=0.5, gpu=1, lesson=0.5))
    assert outcome.busy_seconds == {"cpu": pytest.approx(2000 * (6 * 2 * 0.5 + 4 * 0.5)), "gpu": pytest.approx(2000 * 6 * 2)}
    assert outcome.tasks == 2000 * (6 * 4 + 4)
