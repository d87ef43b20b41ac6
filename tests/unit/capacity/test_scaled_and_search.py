"""The part that stands for the whole, and the search for the fewest workers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.capacity.builders import a_fit, a_night
from workers.capacity.events import Simulation
from workers.capacity.night import Night
from workers.capacity.scaled import play
from workers.capacity.search import by_morning, default_places, first_guess, smallest
from workers.capacity.service import CapacityInvalid, load_fit


def a_real_night(lessons: int, cpu: int, gpu: int, **others: object) -> Night:
    return replace(Night(lessons=lessons, workers={"cpu": cpu, "gpu": gpu}, places=200), **others)  # type: ignore[arg-type]


def test_a_small_night_is_played_whole() -> None:
    night = a_night(20)
    played = play(night, a_fit())
    assert played.part == 1
    assert played.outcome == Simulation(night, a_fit()).run()


@pytest.mark.parametrize("gpu", [40, 90])
def test_a_part_tells_the_same_as_the_whole(gpu: int) -> None:
    """Once with a GPU room that cannot keep up in the evening, once with one that can."""
    night, fit = a_real_night(4000, 60, gpu, lesson_seconds=128.0), a_fit(cpu=4, gpu=36, lesson=8, spread=0.2)
    whole, part = play(night, fit, part=1).outcome, play(night, fit, part=10).outcome
    assert part.last_end == pytest.approx(whole.last_end, rel=0.05)
    assert part.tasks == pytest.approx(whole.tasks, rel=0.03)
    assert part.peak_tasks_a_second == pytest.approx(whole.peak_tasks_a_second, rel=0.35), (
        "a tenth has few lessons in ten minutes"
    )
    for room in ("cpu", "gpu"):
        assert part.busy_seconds[room] == pytest.approx(whole.busy_seconds[room], rel=0.03)


def test_a_part_keeps_the_room_for_numbers_that_do_not_divide() -> None:
    night, fit = a_real_night(1500, 37, 41, lesson_seconds=600.0), a_fit(cpu=4, gpu=9, lesson=8)
    whole, part = play(night, fit, part=1).outcome, play(night, fit, part=9).outcome
    assert part.last_end == pytest.approx(whole.last_end, rel=0.05)
    for room in ("cpu", "gpu"):
        assert part.busy_seconds[room] == pytest.approx(whole.busy_seconds[room], rel=0.03)


def test_a_large_night_is_played_in_part_within_its_tasks() -> None:
    night = a_real_night(50_000, 400, 400, lesson_seconds=300.0)
    played = play(night, a_fit(cpu=1, gpu=1), most_tasks=20_000)
    assert played.part == 50
    assert played.outcome.ended == 50_000


def test_the_fewest_workers_are_found() -> None:
    night = Night(lessons=60, workers={"cpu": 1, "gpu": 1}, lesson_seconds=600.0, hours=2.0, arrival_hours=1.0)
    fit = a_fit(cpu=5, gpu=20, lesson=5)
    found = smallest(night, fit, {}, None)
    assert by_morning(found, play(found, fit))
    for room in ("cpu", "gpu"):
        if found.workers[room] > 1:
            fewer = replace(found, workers=found.workers | {room: found.workers[room] - 1})
            assert not by_morning(fewer, play(fewer, fit)), f"fewer {room} workers would do"
    assert found.workers["gpu"] > 1, "nothing was searched"


def test_a_room_that_is_given_is_kept() -> None:
    night = Night(lessons=30, workers={"cpu": 1, "gpu": 9}, lesson_seconds=600.0, hours=2.0, arrival_hours=1.0)
    assert smallest(night, a_fit(gpu=10), {"gpu": 9}, None).workers["gpu"] == 9


def test_no_number_of_workers_helps() -> None:
    night = Night(
        lessons=10, workers={"cpu": 1, "gpu": 1}, hours=0.02, arrival_hours=0.0, arrivals="at-once", lesson_seconds=60.0
    )
    with pytest.raises(CapacityInvalid, match="No number of workers"):
        smallest(night, a_fit(lesson=60), {}, None)


def test_the_first_guess_counts_what_comes_late() -> None:
    """All within the last minute before the morning takes far more workers than the same spread over the night."""
    fit = a_fit(gpu=10)
    spread = Night(lessons=100, workers={"cpu": 1, "gpu": 1}, arrivals="flat", arrival_hours=1.0, hours=10.0)
    late = replace(spread, arrival_hours=10.0)
    assert first_guess(late, fit)["gpu"] > first_guess(spread, fit)["gpu"]


def test_places_follow_the_workers() -> None:
    assert default_places({"cpu": 2, "gpu": 1}) == 32
    assert default_places({"cpu": 300, "gpu": 400}) == 700


def test_the_shipped_fit_can_be_used() -> None:
    fit = load_fit()
    assert fit.stages["detect_faces"].runs > 20, "measured on too little"
    assert Simulation(a_night(2), fit).run().ended == 2
