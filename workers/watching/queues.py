"""What Redis tells: lengths of the queues, messages taken and not yet done, memory, and the workers that have written themselves down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import time

from redis import Redis

# Kombu's names for what a worker has taken and not acknowledged.
UNACKED, UNACKED_INDEX = "unacked", "unacked_index"


@dataclass(frozen=True, slots=True)
class QueueFacts:
    """One look into Redis; sizes in bytes, ages in seconds."""

    messages: dict[str, int]
    unacked: int
    oldest_unacked_seconds: float
    memory_bytes: int
    most_memory_bytes: int
    clients: int
    evicted_keys: int
    writes_its_log: bool


def look_into(client: Redis, queues: Sequence[str]) -> QueueFacts:
    """Read all in three round trips. Raises redis-py's errors."""
    pipeline = client.pipeline(transaction=False)
    for queue in queues:
        pipeline.llen(queue)
    pipeline.hlen(UNACKED)
    pipeline.zrange(UNACKED_INDEX, 0, 0, withscores=True)
    *lengths, unacked, oldest = pipeline.execute()
    memory = client.info()
    return QueueFacts(
        messages=dict(zip(queues, map(int, lengths), strict=True)),
        unacked=int(unacked),
        oldest_unacked_seconds=max(time() - float(oldest[0][1]), 0.0) if oldest else 0.0,
        memory_bytes=int(memory["used_memory"]),
        most_memory_bytes=int(memory.get("maxmemory", 0)),
        clients=int(memory["connected_clients"]),
        evicted_keys=int(memory["evicted_keys"]),
        writes_its_log=bool(memory.get("aof_enabled")) and memory.get("aof_last_write_status") == "ok",
    )
