"""Two releases side by side: workers do what an older and what a newer release sends, by messages recorded from the wire."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from shared.catalogue import CPU_QUEUE, GPU_QUEUE, PLAN_LESSON
from shared.ledger import open_ledger
from tests.builders import a_lesson
from tests.media import write_video
from tests.processes import wait_until
from tests.services.valkey import Valkey
from tests.services.workers import a_worker

pytestmark = [pytest.mark.redis, pytest.mark.slow]

# What Celery 5.7 writes for `plan_lesson`, shortened to what workers read; the release before generations sent no keywords.
OLDER: dict[str, Any] = {"args": ["older"], "kwargs": {}, "headers": {}}
NEWER: dict[str, Any] = {
    "args": ["newer"],
    "kwargs": {"generation": 1, "added_later": {"a": 1}},
    "headers": {"lesson_id": "newer", "added_later": "b"},
}


def recorded(args: list[str], kwargs: dict[str, Any], headers: dict[str, Any]) -> bytes:
    """A message as it lies in the queue."""
    task_id = f"task-{args[0]}"
    embed = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    body = base64.b64encode(json.dumps([args, kwargs, embed]).encode()).decode()
    return json.dumps(
        {
            "body": body,
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {
                "lang": "py",
                "task": PLAN_LESSON,
                "id": task_id,
                "root_id": task_id,
                "parent_id": None,
                "group": None,
                "argsrepr": repr(args),
                "kwargsrepr": repr(kwargs),
                "retries": 0,
                "eta": None,
                "expires": None,
                "timelimit": [None, None],
                "ignore_result": True,
                "origin": "gen1@recorded",
                **headers,
            },
            "properties": {
                "correlation_id": task_id,
                "reply_to": "reply",
                "delivery_mode": 2,
                "delivery_tag": task_id,
                "delivery_info": {"exchange": "", "routing_key": CPU_QUEUE},
                "priority": 0,
                "body_encoding": "base64",
            },
        }
    ).encode()


def test_messages_of_an_older_and_of_a_newer_release_are_worked_on(tmp_path: Path) -> None:
    write_video(tmp_path / "student.mp4", seconds=12)
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite3")
    ledger.create_schema()
    # Without the reconciler: it would send them again, in its own release's words.
    common = {"MODELS": "stand_in", "SEGMENT_SECONDS": 6, "RECONCILE_IN_WORKER": "false"}
    with Valkey() as valkey:
        for message in (OLDER, NEWER):
            ledger.accept(a_lesson(lesson_id=message["args"][0], teacher=[]))
            assert ledger.sending.take(message["args"][0], lease_seconds=300, most_attempts=5) is not None
            with valkey.client() as client:
                client.lpush(CPU_QUEUE, recorded(**message))
        with (
            a_worker("workers.cpu.tasks", CPU_QUEUE, valkey.url, tmp_path, **common),
            a_worker("workers.gpu.tasks", GPU_QUEUE, valkey.url, tmp_path, **common),
        ):
            ended = wait_until(lambda: all(record.state.final for record in ledger.find()), 120)
    states = {record.lesson_id: (str(record.state), record.generation) for record in ledger.find()}
    ledger.close()
    assert ended, (tmp_path / "cpu.log").read_text()[-3000:]
    assert states == {"older": ("done", 1), "newer": ("done", 1)}
