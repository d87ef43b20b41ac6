"""What each metric is called and means: facts of the ledger, of Redis and of the workers in, Prometheus families out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from time import time

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric

from shared.catalogue import STAGES
from shared.duties import RECONCILER
from shared.gauges import Standing
from shared.schema import SCHEMA_HEAD
from shared.settings import Settings
from shared.states import ENDS
from workers.roster import WorkerEntry

from .ends import LESSON_BOUNDS, STAGE_BOUNDS, Counts, Histogram, batches_of
from .queues import QueueFacts


def of_process(release: str, settings: Settings) -> Iterator[Metric]:
    """What this process knows by itself."""
    yield InfoMetricFamily("smilereel_build", "The endpoint's release.", {"release": release})
    yield _gauge("smilereel_segment_seconds", "Seconds of video in one segment, by the setting.", settings.segment_seconds)
    yield _gauge("smilereel_places", "Lessons that may be in work at once, by the setting.", settings.lessons_in_work)
    yield _gauge(
        "smilereel_store_most_bytes",
        "No lesson starts above so much work, by the setting; 0: no limit.",
        settings.store_max_bytes,
    )


def of_source(name: str, *, up: bool, seconds: float) -> Iterator[Metric]:
    """Whether a source answered, and how fast."""
    title = {"database": "the ledger's database", "redis": "Redis"}[name]
    yield _gauge(f"smilereel_{name}_up", f"1 where {title} could be read.", int(up))
    yield _gauge(f"smilereel_{name}_read_seconds", "What the last reading of it took.", seconds)


def of_schema(found: str | None) -> Iterator[Metric]:
    """Whether the tables are those of this release."""
    yield _gauge("smilereel_schema_version", "Version of the ledger's tables; 0 where there are none.", int(found or 0))
    yield _gauge("smilereel_schema_expected_version", "Version that the endpoint's release works with.", int(SCHEMA_HEAD))


def of_ledger(standing: Standing) -> Iterator[Metric]:
    """How the lessons stand."""
    lessons = GaugeMetricFamily("smilereel_lessons", "Lessons by state.", labels=["state"])
    for state, n in standing.lessons.items():
        lessons.add_metric([state], n)
    open_lessons = GaugeMetricFamily("smilereel_open_lessons", "Lessons that have not ended.", labels=["state", "line"])
    for (state, line), n in standing.open_lessons.items():
        open_lessons.add_metric([state, line], n)
    oldest = GaugeMetricFamily(
        "smilereel_oldest_unfinished_lesson_seconds",
        "Since when the oldest lesson without an end is open; 0: none.",
        labels=["line"],
    )
    for line, seconds in standing.oldest_seconds.items():
        oldest.add_metric([line], seconds)
    yield from (lessons, open_lessons, oldest)
    yield _gauge("smilereel_lessons_sent_again", "Open lessons sent again without any progress since.", standing.sent_again)
    yield _gauge(
        "smilereel_lesson_attempts_most", "Most sendings of an open lesson since its last progress.", standing.most_attempts
    )
    begun = GaugeMetricFamily(
        "smilereel_segments_begun", "Segments of lessons in work, begun at a stage, no result yet.", labels=["stage"]
    )
    repeats = GaugeMetricFamily(
        "smilereel_segment_repeats", "How often those were begun beyond the first time.", labels=["stage"]
    )
    for stage in sorted({*STAGES, *standing.begun}):
        begun.add_metric([stage], standing.begun.get(stage, 0))
        repeats.add_metric([stage], standing.repeats.get(stage, 0))
    untold = GaugeMetricFamily(
        "smilereel_webhook_events", "Ends the webhook is still to be told, or that were given up.", labels=["delivery"]
    )
    for delivery, n in standing.untold.items():
        untold.add_metric([delivery], n)
    yield from (begun, repeats, untold)
    yield from _of_duties(standing)


def _of_duties(standing: Standing) -> Iterator[Metric]:
    leases = GaugeMetricFamily(
        "smilereel_duty_lease_seconds", "How long a duty's holder still has it; below 0: since when nobody has.", labels=["duty"]
    )
    for name, seconds in standing.duty_lease_seconds.items():
        leases.add_metric([name], seconds)
    yield leases
    note = standing.duty_notes.get(RECONCILER, {})
    if "work_bytes" in note:
        yield _gauge(
            "smilereel_store_work_bytes", "Work of open lessons in the store, at the last sweep.", float(note["work_bytes"])
        )
    if "sweep_asked_at" in note:
        age = max(time() - float(note["sweep_asked_at"]), 0.0)
        yield _gauge("smilereel_sweep_asked_seconds", "Since a sweep of the store was asked for.", age)


def of_ends(counts: Counts, settings: Settings) -> Iterator[Metric]:
    """What has ended since this process began; a restart begins at 0, as Prometheus expects."""
    ended = CounterMetricFamily("smilereel_lessons_ended", "Ends of lessons.", labels=["state"])
    for state in sorted(ENDS):
        ended.add_metric([state], counts.ended[state])
    yield ended
    yield CounterMetricFamily("smilereel_lesson_sendings", "Sendings of lessons that ended for the first time.", counts.sendings)
    lessons = HistogramMetricFamily("smilereel_lesson_seconds", "From handing a lesson in to its first end.")
    _add(lessons, [], counts.lessons, LESSON_BOUNDS)
    stages = HistogramMetricFamily("smilereel_stage_seconds", "Runs of a stage, of lessons that ended.", labels=["stage"])
    items = CounterMetricFamily("smilereel_stage_items", "Frames or faces that a stage handled.", labels=["stage"])
    skipped = CounterMetricFamily("smilereel_segments_skipped", "Segments that a lesson went on without.", labels=["stage"])
    places = CounterMetricFamily("smilereel_gpu_batch_places", "Places of the batches that the items took.", labels=["stage"])
    batches = batches_of(settings)
    for stage in sorted({*STAGES, *counts.stages}):
        histogram = counts.stages.get(stage) or Histogram([0] * (len(STAGE_BOUNDS) + 1))
        _add(stages, [stage], histogram, STAGE_BOUNDS)
        items.add_metric([stage], counts.items[stage])
        skipped.add_metric([stage], counts.skipped[stage])
        if stage in batches:
            places.add_metric([stage], counts.batch_places[stage])
    sizes = GaugeMetricFamily(
        "smilereel_gpu_batch_size", "Items that go through a model at once, by the setting.", labels=["stage"]
    )
    for stage, size in batches.items():
        sizes.add_metric([stage], size)
    yield from (lessons, stages, items, skipped, places, sizes)


def of_redis(facts: QueueFacts) -> Iterator[Metric]:
    """What waits in Redis, and how Redis is."""
    messages = GaugeMetricFamily("smilereel_queue_messages", "Messages that nobody has taken yet.", labels=["queue"])
    for queue, n in facts.messages.items():
        messages.add_metric([queue], n)
    yield messages
    yield _gauge("smilereel_unacked_messages", "Messages taken and not yet done, all queues together.", facts.unacked)
    yield _gauge(
        "smilereel_unacked_oldest_seconds", "Since when the oldest of those is taken; 0: none.", facts.oldest_unacked_seconds
    )
    yield _gauge("smilereel_redis_memory_bytes", "Memory that Redis uses.", facts.memory_bytes)
    yield _gauge("smilereel_redis_most_memory_bytes", "Above this Redis refuses writes; 0: no limit.", facts.most_memory_bytes)
    yield _gauge("smilereel_redis_clients", "Connections to Redis.", facts.clients)
    yield _gauge(
        "smilereel_redis_writes_its_log", "1 where Redis keeps an append-only file and could write it.", int(facts.writes_its_log)
    )
    yield CounterMetricFamily(
        "smilereel_redis_evicted_keys", "Keys that Redis threw away: each may be a lost task.", facts.evicted_keys
    )


def of_workers(entries: Sequence[WorkerEntry]) -> Iterator[Metric]:
    """Who works, by kind: a worker's name comes and goes with its container, and would be a label without end."""
    labels = ["room", "release", "device", "weights"]
    kinds: dict[tuple[str, ...], list[WorkerEntry]] = defaultdict(list)
    for entry in entries:
        kinds[(entry.room, entry.release, entry.device or "none", entry.weights or "none")].append(entry)
    workers = GaugeMetricFamily("smilereel_workers", "Workers that were seen in the last minute.", labels=labels)
    draining = GaugeMetricFamily("smilereel_workers_draining", "Those of them that take no new work.", labels=labels)
    processes = GaugeMetricFamily("smilereel_worker_processes", "Their processes.", labels=labels)
    loading = GaugeMetricFamily("smilereel_model_load_seconds", "What loading the models took, at most.", labels=labels)
    warming = GaugeMetricFamily("smilereel_model_warm_seconds", "What warming up took, at most.", labels=labels)
    for kind, same in kinds.items():
        workers.add_metric(kind, len(same))
        draining.add_metric(kind, sum(entry.draining for entry in same))
        processes.add_metric(kind, sum(entry.concurrency for entry in same))
        for family, name in ((loading, "model_load_seconds"), (warming, "warm_seconds")):
            taken = [seconds for entry in same if (seconds := getattr(entry, name)) is not None]
            if taken:
                family.add_metric(kind, max(taken))
    yield from (workers, draining, processes, loading, warming)


def _gauge(name: str, meaning: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, meaning, value)


def _add(family: HistogramMetricFamily, labels: Sequence[str], histogram: Histogram, bounds: Sequence[float]) -> None:
    total, buckets = 0, []
    for bound, n in zip([*bounds, float("inf")], histogram.within, strict=True):
        total += n
        buckets.append(("+Inf" if bound == float("inf") else str(bound), float(total)))
    family.add_metric(labels, buckets, histogram.seconds)
