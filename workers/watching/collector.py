"""Asked at each scrape: reads ledger and Redis, each for itself, and answers also where one or both are away."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

import redis
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from shared.catalogue import QUEUES
from shared.database import open_database
from shared.errors import SchemaMissing, ServiceError
from shared.gauges import Gauges, Standing
from shared.schema import version_of
from shared.settings import Settings
from workers.roster import Roster, WorkerEntry, connect

from . import families
from .ends import Ends
from .queues import QueueFacts, look_into
from .source import Source


class SmilereelCollector(Collector):
    """All metrics of one installation; safe to be scraped by several at once.

    Args:
        settings: where ledger and Redis are.
        keep_seconds: a scrape reads nothing anew that is younger than this.
        patience_seconds: a scrape waits no longer for the ledger or for Redis.
    """

    def __init__(self, settings: Settings, *, keep_seconds: float = 3.0, patience_seconds: float = 4.0) -> None:
        self._settings = settings
        self._database = open_database(settings.database_url)
        pace = {"keep_seconds": keep_seconds, "patience_seconds": patience_seconds}
        self._gauges = Gauges(self._database)
        self._ends = Ends(self._gauges, settings)
        self._redis = connect(settings.redis_url)
        self._release = version("smilereel")
        self._ledger: Source[tuple[str | None, Standing | None]] = Source(
            "the ledger", self._read_ledger, (ServiceError,), **pace
        )
        self._queues: Source[tuple[QueueFacts, list[WorkerEntry]]] = Source(
            "Redis", self._read_redis, (redis.RedisError, OSError), **pace
        )

    def collect(self) -> Iterator[Metric]:
        """All families; those of a source that is away are missing, and its `_up` says 0."""
        yield from families.of_process(self._release, self._settings)
        with ThreadPoolExecutor(2) as both:
            looks = both.submit(self._ledger.look), both.submit(self._queues.look)
            ledger, queues = looks[0].result(), looks[1].result()
        yield from families.of_source("database", up=ledger.facts is not None, seconds=ledger.seconds)
        if ledger.facts is not None:
            found, standing = ledger.facts
            yield from families.of_schema(found)
            if standing is not None:
                yield from families.of_ledger(standing)
        # What was counted stays counted, whether or not the ledger can be read now.
        yield from families.of_ends(self._ends.counts, self._settings)
        yield from families.of_source("redis", up=queues.facts is not None, seconds=queues.seconds)
        if queues.facts is not None:
            facts, workers = queues.facts
            yield from families.of_redis(facts)
            yield from families.of_workers(workers)

    def describe(self) -> list[Metric]:
        """Nothing: asking for the names must not ask the ledger."""
        return []

    def close(self) -> None:
        """Give the connections back."""
        self._database.close()
        self._redis.close()

    def _read_ledger(self) -> tuple[str | None, Standing | None]:
        """The version of the tables, and what is in them unless they are of another release."""
        found = version_of(self._database)
        try:
            # Without tables nothing is asked, since SQLite would make the file of a mistyped address.
            standing = self._gauges.standing() if found else None
            if found:
                self._ends.follow()
        except SchemaMissing:
            return found, None
        return found, standing

    def _read_redis(self) -> tuple[QueueFacts, list[WorkerEntry]]:
        return look_into(self._redis, QUEUES), Roster(self._redis).workers()


def registry_of(collector: Collector) -> CollectorRegistry:
    """A registry of this collector alone: no metrics of Python's or of other libraries."""
    registry = CollectorRegistry()
    registry.register(collector)
    return registry
