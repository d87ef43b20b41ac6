"""Flower's memory without housekeeping, with Flower's own state."""

from __future__ import annotations

from typing import Any

from celery import Celery
from tornado.ioloop import IOLoop

from shared.catalogue import DECODE_SEGMENT, RECONCILE
from workers.flowering.history import History, ReadableInspector


def a_history(*, tasks: int = 1000) -> History:
    return History(Celery("test"), io_loop=None, max_tasks_in_memory=tasks)


def happen(history: History, uuid: str, name: str, *kinds: str) -> None:
    for at, kind in enumerate(kinds):
        named = {"name": name} if kind in {"sent", "received"} else {}
        event: dict[str, Any] = {
            "type": f"task-{kind}",
            "uuid": uuid,
            "hostname": "cpu@host",
            "timestamp": at,
            "clock": at,
            **named,
        }
        history.take({**event, "local_received": at})


def shown(history: History) -> set[str]:
    found = history.state.search_engine.search(history.state.tasks, "")
    assert set(found.task_ids) == set(history.state.tasks)
    return set(history.state.tasks)


def test_housekeeping_that_went_well_is_forgotten_and_the_rest_is_not() -> None:
    history = a_history()
    happen(history, "lesson", DECODE_SEGMENT, "sent", "received", "started", "succeeded")
    happen(history, "well", RECONCILE, "sent", "received", "started", "succeeded")
    happen(history, "late", RECONCILE, "received", "started", "succeeded", "sent")
    happen(history, "overtaken", RECONCILE, "sent", "received", "revoked")
    happen(history, "failed", RECONCILE, "sent", "received", "started", "failed")
    happen(history, "hangs", RECONCILE, "sent", "received", "started")
    assert shown(history) == {"lesson", "failed", "hangs"}


def test_it_remembers_no_more_than_it_may() -> None:
    history = a_history(tasks=100)
    for number in range(250):
        happen(history, f"task-{number}", DECODE_SEGMENT, "received", "started", "succeeded")
    assert len(shown(history)) == 100
    assert "task-249" in history.state.tasks


def test_what_a_worker_tells_of_its_work_is_readable_too() -> None:
    inspector = ReadableInspector(IOLoop(make_current=False), Celery("test"), 1.0)
    task = {"id": "1", "name": DECODE_SEGMENT, "args": ({"lesson_id": "lesson-1", "uri": "anna.mp4"},), "kwargs": {"who": "anna"}}
    inspector._on_update("cpu@host", "active", [task])
    inspector._on_update("cpu@host", "scheduled", [{"eta": None, "request": task}])
    inspector._on_update("cpu@host", "stats", {"pid": 1})
    told = inspector.workers["cpu@host"]
    assert told["active"][0]["args"] == told["scheduled"][0]["request"]["args"] == "lesson-1"
    assert "anna" not in str(told)
    assert told["stats"] == {"pid": 1}


def test_no_address_that_a_worker_tells_of_keeps_its_password() -> None:
    inspector = ReadableInspector(IOLoop(make_current=False), Celery("test"), 1.0)
    conf = {
        "result_backend": "redis+socket://worker:hidden@/run/valkey.sock",
        "broker_read_url": ["rediss://worker:hid%40den@redis:6379/0?ssl_cert_reqs=required", "redis://redis:6379/0"],
        "nested": {"url": "redis://:hidden@redis/0"},
        "result_expires": 3600,
    }
    inspector._on_update("cpu@host", "conf", conf)
    assert inspector.workers["cpu@host"]["conf"] == {
        "result_backend": "redis+socket://**@/run/valkey.sock",
        "broker_read_url": ["rediss://**@redis:6379/0?ssl_cert_reqs=required", "redis://redis:6379/0"],
        "nested": {"url": "redis://**@redis/0"},
        "result_expires": 3600,
    }
