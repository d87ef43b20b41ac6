"""Which workers there are: each writes itself into a hash in Redis (`heartbeat.py`); `smilereel worker`, doctor and metrics read it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from redis import Redis

ROSTER_KEY = "smilereel:workers"
# A worker that was not heard of for so long is gone, for whoever reads.
STALE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class WorkerEntry:
    """A worker as it last described itself.

    Attributes:
        node: its name among Celery's nodes, like gpu@host.
        room: "cpu" or "gpu".
        release: of smilereel.
        device: what it computes on, like "cpu" or "cuda NVIDIA L4"; None in the CPU room.
        weights: the version of its weights; None in the CPU room.
        concurrency: how many tasks it works on at once.
        model_load_seconds: until the slowest of its processes had its models; None in the CPU room.
        warm_seconds: and until that one had run a batch through each of them.
        started_at: seconds since 1970, by Redis' clock.
        seen_at: the same, of this description.
        draining: it takes no more work.
        doing: what it works on, like "detect_faces lesson-1".
    """

    node: str
    room: str
    release: str
    device: str | None = None
    weights: str | None = None
    concurrency: int = 1
    model_load_seconds: float | None = None
    warm_seconds: float | None = None
    started_at: float = 0.0
    seen_at: float = 0.0
    draining: bool = False
    doing: tuple[str, ...] = ()


_NAMES = frozenset(field.name for field in fields(WorkerEntry))


class Roster:
    """The hash. Every method raises what redis-py raises where Redis cannot be used.

    Args:
        redis: a client; its user may read the key and ask for the time, a worker's may write it as well.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def workers(self) -> list[WorkerEntry]:
        """Those that were heard of within the last minute, by room and name; what cannot be read is left out."""
        return [entry for entry in self._read() if entry.seen_at > self.now() - STALE_SECONDS]

    def now(self) -> float:
        """Redis' time, which all workers share: their own clocks may be minutes apart."""
        seconds, microseconds = _answer(self._redis.time())
        return float(seconds) + float(microseconds) / 1e6

    def write(self, entry: WorkerEntry) -> None:
        """Put the worker's entry in place of its last one."""
        with self._redis.pipeline() as pipeline:
            pipeline.hset(ROSTER_KEY, entry.node, json.dumps(asdict(entry)))
            # With the last worker the roster goes as well.
            pipeline.expire(ROSTER_KEY, int(2 * STALE_SECONDS))
            pipeline.execute()

    def remove(self, nodes: Iterable[str]) -> None:
        """These are gone."""
        if names := list(nodes):
            self._redis.hdel(ROSTER_KEY, *names)

    def remove_stale(self) -> None:
        """Forget who was not heard of for long: host names of containers never come back."""
        limit = self.now() - STALE_SECONDS
        self.remove(entry.node for entry in self._read() if entry.seen_at <= limit)

    def _read(self) -> list[WorkerEntry]:
        found = []
        for node, text in _answer(self._redis.hgetall(ROSTER_KEY)).items():
            try:
                told = json.loads(text)
                # Workers of a newer release may tell more.
                entry = WorkerEntry(**{name: value for name, value in told.items() if name in _NAMES})
                entry = replace(entry, doing=tuple(entry.doing))
            except (ValueError, TypeError, AttributeError):
                entry = WorkerEntry(node.decode() if isinstance(node, bytes) else node, "?", "?")
            found.append(entry)
        return sorted(found, key=lambda entry: (entry.room, entry.node))


def connect(redis_url: str, *, timeout_seconds: float = 2.0) -> Redis:
    """A client for the settings' address, for whoever has none; it waits no longer than so for an answer.

    Args:
        redis_url: redis://, rediss:// or, as kombu writes sockets, redis+socket://.
        timeout_seconds: for the connection and for each answer.
    """
    url = redis_url.replace("redis+socket://", "unix://", 1).replace("virtual_host=", "db=")
    client: Redis = Redis.from_url(url, socket_timeout=timeout_seconds, socket_connect_timeout=timeout_seconds)
    return client


def _answer(value: Any) -> Any:
    # redis-py's types say that an answer may have to be awaited.
    return value
