"""The plan of a fault run follows from its seed alone."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from dataclasses import asdict

import pytest

from workers.chaos.plan import POISON, Plan, draw_plan, kinds

ALL_KINDS = {kind.name for kind in kinds("sqlite", 3.0)} | {POISON}


def what_when(plan: Plan) -> list[tuple[str, str, float]]:
    return [(fault.kind, fault.role, fault.second) for fault in plan.faults]


@pytest.mark.parametrize("seed", [0, 1, 7, 123456789])
def test_the_same_seed_draws_the_same_plan(seed: int) -> None:
    assert draw_plan(seed, 40, 75) == draw_plan(seed, 40, 75)


def test_another_process_draws_the_same_plan() -> None:
    code = "from dataclasses import asdict; from workers.chaos.plan import draw_plan; print(asdict(draw_plan(5, 40, 75)))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "77"})
    assert told.stdout.strip() == str(asdict(draw_plan(5, 40, 75)))


def test_another_seed_draws_another_plan() -> None:
    assert len({tuple(what_when(draw_plan(seed, 40, 75))) for seed in range(20)}) == 20


@pytest.mark.parametrize("seed", range(30))
def test_every_seed_brings_twenty_faults_and_every_kind(seed: int) -> None:
    plan = draw_plan(seed, 40, 75)
    without_poison = [fault for fault in plan.faults if fault.kind != POISON]
    assert len(without_poison) >= 20
    assert {fault.kind for fault in plan.faults} == ALL_KINDS
    assert all(0 < fault.second < 75 for fault in without_poison)
    assert [fault.second for fault in plan.faults] == sorted(fault.second for fault in plan.faults)


@pytest.mark.parametrize("n_lessons", [1, 5, 40, 200])
def test_one_lesson_in_twenty_is_poison_and_at_least_one(n_lessons: int) -> None:
    films = Counter(lesson.film for lesson in draw_plan(3, n_lessons, 75).lessons)
    assert films["poison"] == max(1, n_lessons // 20)
    assert sum(films.values()) == n_lessons


def test_lessons_come_in_the_first_two_thirds_under_names_of_their_own() -> None:
    lessons = draw_plan(3, 200, 75).lessons
    assert max(lesson.second for lesson in lessons) <= 50
    assert len({lesson.lesson_id for lesson in lessons}) == 200


def test_a_worker_is_stopped_for_longer_than_a_lease() -> None:
    stops = [
        fault for seed in range(10) for fault in draw_plan(seed, 40, 75, lease_seconds=4.0).faults if fault.kind == "stop_worker"
    ]
    assert stops
    assert all(fault.lasts_seconds > 4.0 for fault in stops)


def test_another_database_changes_roles_and_nothing_else() -> None:
    sqlite, postgresql = draw_plan(4, 40, 75), draw_plan(4, 40, 75, database="postgresql")
    assert sqlite.lessons == postgresql.lessons
    assert [(f.kind, f.second) for f in sqlite.faults] == [(f.kind, f.second) for f in postgresql.faults]


@pytest.mark.parametrize(("n_lessons", "seconds"), [(0, 75), (40, 4)])
def test_a_run_without_lessons_or_time_is_refused(n_lessons: int, seconds: int) -> None:
    with pytest.raises(ValueError, match="at least one lesson and five seconds"):
        draw_plan(1, n_lessons, seconds)
