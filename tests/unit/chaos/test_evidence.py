"""The evidence is read from a database and a Valkey as they are, without the product's own eyes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shared.ledger import LessonState, open_ledger
from shared.reel import Reel
from tests.builders import a_lesson
from workers.chaos.evidence import keys_without_expiry, read_receipts, read_tables
from workers.chaos.guards import environment_without, loosen_tables


def test_rows_are_read_by_plain_sql(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite3"
    ledger = open_ledger(f"sqlite:///{file}")
    ledger.create_schema()
    ledger.accept(a_lesson(lesson_id="one"))
    ledger.admit("one", 0, places=9, lease_seconds=5)
    ledger.planned("one", "v1", 1, {})
    assert ledger.finish("one", LessonState.DONE, None, reel=Reel(frames=9, width=8, height=8, bytes=70))
    ledger.close()
    lessons, reels, events = read_tables(str(file))
    assert [(row.lesson_id, row.state, row.work_version, row.round) for row in lessons] == [("one", "done", "v1", 1)]
    assert reels == [("one", "v1", 9)]
    assert [event[1:] for event in events] == [("one", 1, "done")]


def test_without_its_keys_a_table_takes_the_same_reel_twice(tmp_path: Path) -> None:
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite3'}")
    ledger.create_schema()
    loosen_tables(ledger.engine)
    columns = "lesson_id, work_version, frames, width, height, bytes, created_at"
    row = f"INSERT INTO reel ({columns}) VALUES ('one', 'v', 9, 8, 8, 70, '2026-01-01')"
    with ledger.database.engine.begin() as connection:
        connection.exec_driver_sql(row)
        connection.exec_driver_sql(row)
    ledger.close()
    assert len(read_tables(str(tmp_path / "ledger.sqlite3"))[1]) == 2


def test_receipts_of_a_client_that_never_began_are_none(tmp_path: Path) -> None:
    (tmp_path / "0").write_text(json.dumps({"lesson_id": "one", "created": True, "took_seconds": 0.1}) + "\n")
    assert [receipt.lesson_id for receipt in read_receipts([tmp_path / "0", tmp_path / "1"])] == ["one"]


class Valkey:
    """Keys with their time to live and, for `unacked` and the queues, their messages."""

    def __init__(self, keys: dict[str, int], unacked: list[Any] | None = None, queued: list[Any] | None = None) -> None:
        self._keys, self._unacked, self._queued = keys, unacked or [], queued or []

    def scan_iter(self, count: int) -> list[bytes]:
        return [name.encode() for name in self._keys]

    def ttl(self, key: bytes) -> int:
        return self._keys[key.decode()]

    def hvals(self, key: bytes) -> list[bytes]:
        return [json.dumps(message).encode() for message in self._unacked]

    def lrange(self, key: bytes, first: int, last: int) -> list[bytes]:
        return [json.dumps(message).encode() for message in self._queued]


def test_keys_that_stay_for_ever_are_told_apart() -> None:
    client = Valkey({"_kombu.binding.cpu": -1, "smilereel:epoch": -1, "celery-task-meta-1": 3600, "leftover": -1})
    assert keys_without_expiry(client, set()) == ["leftover"]


def test_a_message_that_a_killed_worker_took_belongs_to_its_lesson() -> None:
    messages = [[{"headers": {"lesson_id": who}}, "", "cpu"] for who in ("known", "stranger")]
    assert keys_without_expiry(Valkey({"unacked": -1}, messages), {"known"}) == ["unacked:stranger"]


def test_a_message_in_a_queue_belongs_to_its_lesson_or_to_the_reconciler() -> None:
    named = [{"headers": {"lesson_id": who, "task": "smilereel.cpu.plan_lesson"}} for who in ("known", "stranger")]
    nameless = [{"headers": {"task": "smilereel.cpu.sweep"}}, {"headers": {"task": "smilereel.cpu.plan_lesson"}}]
    client = Valkey({"cpu": -1}, queued=[*named, *nameless])
    assert keys_without_expiry(client, {"known"}) == ["cpu:stranger", "cpu:None"]


@pytest.mark.parametrize("guard", ["lease", "unique_reel", "temporary_name", "reconciler"])
def test_a_guard_is_taken_away_by_the_environment(guard: str) -> None:
    assert environment_without(guard)["SMILECHAOS_WITHOUT"] == guard
    assert environment_without(None) == {}
