"""What a fault run left behind, read without the product's own eyes: receipts, plain SQL, a file walk, Valkey's keys."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LESSONS = "SELECT lesson_id, state, reason, work_version, round FROM lesson"
REELS = "SELECT lesson_id, work_version, frames FROM reel"
EVENTS = "SELECT event_id, lesson_id, round, state FROM event"
QUEUES = ("cpu", "gpu", "cpu.bulk", "gpu.bulk")
# What the reconciler sends for itself; these messages name no lesson.
OWN_TASKS = ("smilereel.cpu.reconcile", "smilereel.cpu.sweep")


@dataclass(frozen=True, slots=True)
class Receipt:
    """A client was told that the lesson is accepted."""

    lesson_id: str
    created: bool
    took_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class LessonFacts:
    """A row of the lessons' table."""

    lesson_id: str
    state: str
    reason: str | None
    work_version: str | None
    round: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that the checker may look at."""

    receipts: Sequence[Receipt]
    lessons: Sequence[LessonFacts]
    reels: Sequence[tuple[str, str, int]]
    events: Sequence[tuple[str, str, int, str]]
    store: Path
    keys: Sequence[str] = field(default=())


def read_receipts(files: Iterable[Path]) -> list[Receipt]:
    """What the clients wrote down, line by line."""
    lines = [json.loads(line) for file in files if file.exists() for line in file.read_text().splitlines()]
    return [Receipt(line["lesson_id"], line["created"], line["took_seconds"]) for line in lines]


def read_tables(address: str) -> tuple[list[LessonFacts], list[tuple[str, str, int]], list[tuple[str, str, int, str]]]:
    """Lessons, reels and events by plain SQL over a connection of its own; `address` is a file's path or postgresql://."""
    with closing(_connect(address)) as connection:
        lessons, reels, events = (connection.execute(query).fetchall() for query in (LESSONS, REELS, EVENTS))
    return [LessonFacts(*row) for row in lessons], reels, events


def _connect(address: str) -> Any:
    if not address.startswith("postgresql://"):
        return sqlite3.connect(f"file:{address}?mode=ro", uri=True, timeout=5)
    import psycopg

    return psycopg.connect(address, connect_timeout=5, options="-c statement_timeout=5000")


def files_below(folder: Path) -> list[str]:
    """Every file below a folder, temporaries included, as relative paths."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def keys_without_expiry(client: Any, lesson_ids: set[str]) -> list[str]:
    """Keys that stay for ever and belong to nobody.

    Owned are: kombu's bindings, the reconciler's `smilereel:epoch`, and messages in a queue or taken by a killed worker (`unacked`,
    which kombu hands out again in time), as long as their lesson has a row or they are the reconciler's own, which name none.
    """
    found = []
    for key in client.scan_iter(count=1000):
        name = key.decode()
        owned = name.startswith("_kombu.binding") or name == "smilereel:epoch" or name in {"unacked_index", "unacked_mutex"}
        if owned or client.ttl(key) >= 0:
            continue
        if name == "unacked":
            messages = [json.loads(value)[0] for value in client.hvals(key)]
        elif name in QUEUES:
            messages = [json.loads(value) for value in client.lrange(key, 0, -1)]
        else:
            found.append(name)
            continue
        found += [f"{name}:{_lesson_of(message)}" for message in messages if not _is_owned(message, lesson_ids)]
    return found


def _is_owned(message: dict[str, Any], lesson_ids: set[str]) -> bool:
    return message.get("headers", {}).get("task") in OWN_TASKS or _lesson_of(message) in lesson_ids


def _lesson_of(message: dict[str, Any]) -> str | None:
    named: str | None = message.get("headers", {}).get("lesson_id")
    return named


def waiting_messages(client: Any) -> int:
    """How many messages wait in the queues."""
    return sum(int(client.llen(queue)) for queue in QUEUES)
