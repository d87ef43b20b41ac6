"""What a night asks of Redis, database and store, and which of them gives way first. An outcome and measured limits in, loads out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from workers.capacity.events import Outcome
from workers.capacity.night import HOUR, Night
from workers.capacity.service import Fit

SHIPPED = Path(__file__).with_name("limits.json")
SWEEP_SECONDS = 60.0
# Assumed, not measured: Valkey's default, the compose file's connections, a machine's usual network and memory.
REDIS_CLIENTS, REDIS_BYTES = 10_000.0, 8e9
DATABASE_CONNECTIONS = 200.0
STORE_BYTES_A_SECOND = 1.25e9
CELERY_TASKS_A_SECOND = 300.0
# With gossip each worker tells all others that it lives, so often.
HEARTBEAT_SECONDS = 2.0


class Limits(BaseModel):
    """What was measured by `python -m benchmarks.scaling_limits --json`; seconds unless a name says otherwise."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    redis_commands_a_second: float = Field(gt=0)
    redis_bytes_per_message: float = Field(gt=0)
    reconciler_seconds_per_1000_messages: float = Field(gt=0)
    database_transactions_a_second: float = Field(gt=0)
    database_bytes_per_second_row: float = Field(gt=0)
    second_rows_a_second: float = Field(gt=0)
    ledger_stalled_seconds_of_a_million: float = Field(gt=0)
    ledger_waiting_seconds_of_a_million: float = Field(gt=0)
    ledger_places_seconds_of_a_million: float = Field(gt=0)
    sweep_seconds_per_1000_kept: float = Field(gt=0)
    sweep_seconds_per_1000_in_work: float = Field(gt=0)


@dataclass(frozen=True)
class Load:
    """Something that has a limit. `measured`: the limit was measured here; otherwise it is assumed. `then`: what to do beyond it."""

    name: str
    load: float
    limit: float
    unit: str
    measured: bool
    then: str

    @property
    def share(self) -> float:
        """Of the limit that is used; above 1 it is broken."""
        return self.load / self.limit


def load_limits() -> Limits:
    """The shipped measurement."""
    return Limits.model_validate_json(SHIPPED.read_text(encoding="utf-8"))


def loads_of(night: Night, fit: Fit, outcome: Outcome, *, kept_nights: float, analytics: float) -> list[Load]:
    """All loads against their limits, the one that breaks first in front.

    Args:
        night: what was played.
        fit: what a task asks for.
        outcome: what came of it.
        kept_nights: for so many nights outputs stay in the store.
        analytics: share of the lessons whose seconds are kept for analysts (`frame_score`).
    """
    limits, asks = load_limits(), fit.loads
    peak = outcome.peak_tasks_a_second
    workers = sum(night.workers.values())
    queued = sum(outcome.longest_queue.values())
    frames_a_second = peak / night.tasks_a_lesson * night.lesson_seconds
    busiest = min(outcome.tasks, peak * HOUR)
    kept, in_work = outcome.lessons * kept_nights, outcome.most_in_work
    sweep = (kept * limits.sweep_seconds_per_1000_kept + in_work * limits.sweep_seconds_per_1000_in_work) / 1000
    found = [
        Load(
            "Redis commands",
            peak * asks.redis_commands_per_task + workers * asks.redis_commands_per_worker_second,
            limits.redis_commands_a_second,
            "1/s",
            True,
            "a Redis for each share of the lessons",
        ),
        Load("Redis memory", busiest * asks.redis_bytes_per_task + queued * limits.redis_bytes_per_message, REDIS_BYTES, "bytes", False,
             "more memory, or results that expire sooner"),
        Load("Redis connections", workers * asks.redis_clients_per_worker, REDIS_CLIENTS, "", False, "raise maxclients"),
        Load("database transactions", peak * asks.database_transactions_per_task
                + night.workers["cpu"] * asks.database_transactions_per_worker_second, limits.database_transactions_a_second, "1/s", True,
             "a server of its own with more cores, then a ledger for each share of the lessons"),
        Load("database connections", workers * asks.database_connections_per_worker, DATABASE_CONNECTIONS, "", False,
             "PgBouncer before it, or raise max_connections"),
        Load("rows of frame_score", frames_a_second * analytics, limits.second_rows_a_second, "1/s", True,
             "a table partitioned by month, then a ledger for each share of the lessons"),
        Load("reconciler's look at the queues", queued * limits.reconciler_seconds_per_1000_messages / 1000, night.reconcile_seconds,
             "s", True, "fewer places (SMILEREEL_LESSONS_IN_WORK), or a longer SMILEREEL_RECONCILE_SECONDS"),
        Load("sweep's listing of the store", sweep, SWEEP_SECONDS, "s", True,
             "a longer SMILEREEL_SWEEP_SECONDS, shorter retention, or a store for each share of the lessons"),
        Load("store traffic", frames_a_second * (asks.store_in_bytes_per_frame + asks.store_out_bytes_per_frame), STORE_BYTES_A_SECOND,
             "bytes/s", False, "more volume servers, or smaller SMILEREEL_FRAME_LONGEST_SIDE"),
        Load("tasks of one worker process", 2 * outcome.tasks / max(outcome.last_end, 1.0) / workers, CELERY_TASKS_A_SECOND, "1/s", False,
             "longer segments"),
        Load("heartbeats that a worker hears", workers / HEARTBEAT_SECONDS, CELERY_TASKS_A_SECOND, "1/s", False,
             "start workers with --without-gossip --without-mingle"),
    ]  # fmt: skip
    return sorted(found, key=lambda load: -load.share)


def amounts_of(night: Night, fit: Fit, outcome: Outcome, *, analytics: float) -> dict[str, float]:
    """What a night leaves behind and moves: rows, bytes.

    Args:
        night: what was played.
        fit: what a task asks for.
        outcome: what came of it.
        analytics: share of the lessons whose seconds are kept for analysts (`frame_score`).
    """
    asks, seconds = fit.loads, outcome.lessons * night.lesson_seconds
    return {
        "redis_messages": float(outcome.tasks),
        "redis_in_bytes": outcome.tasks * asks.redis_in_bytes_per_task,
        "database_transactions": outcome.tasks * asks.database_transactions_per_task
        + outcome.last_end * night.workers["cpu"] * asks.database_transactions_per_worker_second,
        "database_rows_written": outcome.tasks * asks.database_rows_per_task + seconds * analytics,
        "database_wal_bytes": outcome.tasks * asks.database_wal_bytes_per_task,
        "database_bytes_kept": outcome.tasks * asks.database_bytes_per_task,
        "frame_score_rows": seconds * analytics,
        "frame_score_bytes": seconds * analytics * asks.database_bytes_per_second_row,
        "store_in_bytes": seconds * asks.store_in_bytes_per_frame,
        "store_out_bytes": seconds * asks.store_out_bytes_per_frame,
        "store_bytes_kept": outcome.lessons * asks.store_kept_bytes_per_lesson,
        "store_work_bytes_at_most": outcome.most_in_work * night.lesson_seconds * asks.store_in_bytes_per_frame,
    }
