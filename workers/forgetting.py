"""Takes what is left of erased lessons out of the store and of Redis: messages that wait, and results. Called by the sweep."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from shared.catalogue import LESSON_HEADER, QUEUES
from shared.ledger import Ledger
from shared.manifests import scrub_manifests
from shared.store import Store, lesson_output_key, lesson_work_key

UNACKED = "unacked"
# Celery's results and the parts of chords: `celery-task-meta-…`, `celery-taskset-meta-….j`.
RESULTS = "celery-task*"
AT_ONCE = 500
# Longer than any stage of a segment may take: after that nobody can write a word more of an erased lesson.
QUIET_SECONDS = 900.0


def clear_erased(
    ledger: Ledger, store: Store, redis: Any, *, labels_folder: Path | None = None, quiet_seconds: float = QUIET_SECONDS
) -> int:
    """Take what is left of erased lessons out of store, Redis and label files, at each sweep until they were erased long enough
    ago; how many messages, results and lines it was.

    Raises:
        StoreError, LedgerAway: the store or the database cannot be used at the moment.
    """
    lesson_ids = ledger.rights.to_clear()
    if not lesson_ids:
        return 0
    for lesson_id in lesson_ids:
        store.delete(lesson_work_key(lesson_id))
        store.delete(lesson_output_key(lesson_id))
    removed = forget_in_redis(redis, lesson_ids)
    if labels_folder is not None:
        removed += scrub_manifests(labels_folder, lesson_ids)
    ledger.rights.cleared(lesson_ids, quiet_seconds)
    return removed


def forget_in_redis(redis: Any, lesson_ids: Collection[str]) -> int:
    """Remove every message and result that speaks of these lessons; how many there were.

    A worker in the middle of a stage sends one message more, which is dropped wherever it turns up: call again until the longest
    stage must have ended.
    """
    erased = frozenset(lesson_ids)
    return _waiting(redis, erased) + _unacknowledged(redis, erased) + _results(redis, erased)


def _waiting(redis: Any, erased: frozenset[str]) -> int:
    removed = 0
    for queue in QUEUES:
        start = 0
        while items := redis.lrange(queue, start, start + AT_ONCE - 1):
            gone = sum(int(redis.lrem(queue, 1, item)) for item in items if _lesson_of(json.loads(item)) in erased)
            removed += gone
            start += len(items) - gone
    return removed


def _unacknowledged(redis: Any, erased: frozenset[str]) -> int:
    """What a worker holds; whoever acknowledges it later finds nothing to acknowledge, which does no harm."""
    tags = [tag for tag, value in redis.hscan_iter(UNACKED, count=AT_ONCE) if _lesson_of(json.loads(value)[0]) in erased]
    if tags:
        redis.hdel(UNACKED, *tags)
        redis.zrem(f"{UNACKED}_index", *tags)
    return len(tags)


def _lesson_of(message: dict[str, Any]) -> str | None:
    found: str | None = message.get("headers", {}).get(LESSON_HEADER)
    return found


def _results(redis: Any, erased: frozenset[str]) -> int:
    names = _names(erased)
    keys = redis.scan_iter(RESULTS, count=AT_ONCE)
    return sum(int(redis.delete(key)) for key in keys if names.search(_content(redis, key)))


def _names(lesson_ids: Collection[str]) -> re.Pattern[bytes]:
    """Finds any of these ids in JSON, in a store's key or in a sentence, and not where it is but a part of a longer one."""
    one_of = "|".join(re.escape(lesson_id) for lesson_id in lesson_ids)
    inside = "A-Za-z0-9_@=+-"
    return re.compile(f"(?<![{inside}.:])(?:{one_of})(?![{inside}])(?![.:][{inside}.:])".encode())


def _content(redis: Any, key: bytes) -> bytes:
    kind = redis.type(key)
    if kind == b"string":
        return redis.get(key) or b""
    if kind == b"zset":
        return b"".join(redis.zrange(key, 0, -1))
    return b"".join(redis.lrange(key, 0, -1)) if kind == b"list" else b""
