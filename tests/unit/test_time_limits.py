"""The time limits that workers start with: on every task, in an order in which each can do its work."""

from __future__ import annotations

import importlib

import pytest

from shared.catalogue import LESSON_TASKS, RECONCILE, SEGMENT_TASKS, SWEEP
from workers.app import app

# Time enough to write down that the segment failed and to send it again.
TO_SAY_SO_SECONDS = 10


@pytest.fixture(scope="module", autouse=True)
def _rooms() -> None:
    importlib.import_module("workers.cpu.tasks")
    importlib.import_module("workers.gpu.tasks")


@pytest.mark.parametrize("name", SEGMENT_TASKS)
def test_a_segment_has_limits_of_its_own(name: str) -> None:
    task = app.tasks[name]
    assert task.soft_time_limit is not None
    assert task.time_limit is not None
    assert task.soft_time_limit + TO_SAY_SO_SECONDS <= task.time_limit
    assert task.soft_time_limit >= 60, "a segment of an hour's lesson takes seconds, on a slow machine a minute"
    assert task.time_limit <= 900, "one that hangs holds up a worker for no longer"


def test_everything_else_is_limited_too() -> None:
    for name in (*LESSON_TASKS, RECONCILE, SWEEP):
        task = app.tasks[name]
        assert task.soft_time_limit is not None, name
        assert task.soft_time_limit + TO_SAY_SO_SECONDS <= task.time_limit, name


def test_nobody_is_handed_a_task_that_still_runs() -> None:
    longest = max(app.tasks[name].time_limit for name in (*SEGMENT_TASKS, *LESSON_TASKS, RECONCILE, SWEEP))
    for options in (app.conf.broker_transport_options, app.conf.result_backend_transport_options):
        assert options["visibility_timeout"] > longest


def test_a_task_that_was_ended_is_not_run_for_ever() -> None:
    assert app.conf.task_acks_on_failure_or_timeout, "what hangs once hangs again: the reconciler sends it, and counts"


def test_workers_have_a_pool_that_can_end_a_task() -> None:
    assert app.conf.worker_pool == "prefork", "threads and solo ignore time limits without a word"
