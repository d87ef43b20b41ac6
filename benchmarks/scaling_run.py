"""One measured run: real Valkey, PostgreSQL and Celery workers, lessons handed in by the client. Called by `scaling.py`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from redis import Redis
from sqlalchemy import text

from benchmarks.long_lesson import loop_clip
from shared.client import close, enqueue_lesson
from shared.ledger import Ledger, LessonState, open_ledger
from shared.settings import Settings
from shared.store import OUTPUTS
from workers.capacity.fitting import Watched, read_stopwatch
from workers.capacity.stopwatch import FOLDER
from workers.chaos.assembly import Options, parts_of
from workers.chaos.cluster import Cluster
from workers.chaos.hooks import DELAY
from workers.demo.encode import encode_video
from workers.local.parts import tasks_of, worker_command

PATIENCE_SECONDS = 900.0
POLL_SECONDS = 0.2
LOOK_SECONDS = 1.0
IDLE_SECONDS = 8.0
CARDS_FPS, CARDS_SIZE = 4, (320, 240)
PEOPLE_FPS, PEOPLE_SECONDS = 12, 128
ENDS = {LessonState.DONE, LessonState.NO_REEL, LessonState.REFUSED, LessonState.QUARANTINED}


@dataclass(frozen=True)
class Profile:
    """What a run is made of.

    Args:
        lesson_seconds: the lessons' lengths, handed in in this order.
        settings: of the workers, beside those that say where things lie.
        released: the real models on pictures with faces, in place of the stand-in that sleeps.
        store_seconds: so long does the store wait before each read and write.
    """

    lesson_seconds: tuple[int, ...]
    settings: Mapping[str, object]
    released: bool = False
    store_seconds: float = 0.0


@dataclass(frozen=True)
class Figures:
    """What was measured; `loads` are sums over the run, but for the highest numbers of connections and of bytes."""

    cpu: int
    gpu: int
    lessons: int
    seconds: float
    done: int
    watched: list[Watched]
    loads: dict[str, float] = field(default_factory=dict)

    @property
    def lessons_an_hour(self) -> float:
        return self.lessons / self.seconds * 3600


def measure(profile: Profile, cpu: int, gpu: int) -> Figures:
    """Start everything, hand the lessons in at once, wait for the last one's end.

    Raises:
        SystemExit: a lesson did not end.
    """
    options = Options(
        seed=0,
        lessons=sum(profile.lesson_seconds),  # room for their frames on the run's own disk
        seconds=5,
        database="postgresql",
        models="released" if profile.released else "stand_in",
        workers={"cpu": cpu, "gpu": gpu},
    )
    with parts_of(options, profile.settings) as (cluster, address):
        places = cluster.places
        documents = _films(places.media, profile)
        if profile.store_seconds:
            (places.hooks / DELAY).write_text(str(profile.store_seconds))
        watch = places.root / "watch"
        watch.mkdir()
        _watch(cluster, watch)
        started = time.monotonic()
        cluster.start()
        warm_seconds = time.monotonic() - started
        settings = Settings(
            redis_url=f"redis+socket://{places.socket}", database_url=address, store_url=f"file://{places.store}",
            media_root=places.media,
        )  # fmt: skip
        ledger = open_ledger(address)
        redis = Redis(unix_socket_path=str(places.socket))
        idle = Meter(ledger, redis)
        time.sleep(IDLE_SECONDS)
        idle_loads = {f"{name}_idle_a_second": value / IDLE_SECONDS for name, value in idle.loads().items()}
        meter = Meter(ledger, redis)
        began = time.monotonic()
        for document in documents:
            enqueue_lesson(document, settings=settings)
        ended = _wait(cluster, meter, len(documents))
        kept = sum(path.stat().st_size for path in (places.store / OUTPUTS).rglob("*") if path.is_file())
        loads = meter.loads() | idle_loads | {"kept_bytes": float(kept), "warm_seconds": warm_seconds}
        done = ledger.count().get(LessonState.DONE, 0)
        ledger.close()
        redis.close()
        close()
        return Figures(cpu, gpu, len(documents), ended - began, done, read_stopwatch(watch), loads)


def _watch(cluster: Cluster, folder: Path) -> None:
    for part in cluster.workers:
        modules = [tasks_of(part.role), "workers.chaos.hooks", "workers.capacity.stopwatch"]
        part.command = ["env", f"{FOLDER}={folder}", *worker_command(part.role, part.name, modules=modules)]


def _wait(cluster: Cluster, meter: Meter, n_lessons: int) -> float:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        cluster.keep_running()
        meter.look()
        ended = meter.ended()
        if ended == n_lessons:
            return time.monotonic()
        if time.monotonic() > deadline:
            raise SystemExit(f"{n_lessons - ended} lessons have not ended; logs: {cluster.places.logs}")
        time.sleep(POLL_SECONDS)


class Meter:
    """What database and Redis count of themselves, from its making on, without what it asks itself."""

    def __init__(self, ledger: Ledger, redis: Any) -> None:
        self._ledger, self._redis = ledger, redis
        self._most = {"redis_clients": 0.0, "redis_bytes": 0.0, "database_connections": 0.0}
        self._looked, self._own = 0.0, 0
        self._idle_redis_bytes = float(redis.info("memory")["used_memory"])
        self._began = self._sums()
        self._own = 0

    def ended(self) -> int:
        """How many lessons have."""
        self._own += 1
        return sum(n for state, n in self._ledger.count().items() if state in ENDS)

    def look(self) -> None:
        """Remember the highest numbers, once a second."""
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return
        self._looked, self._own = time.monotonic(), self._own + 1
        with self._ledger.database.reading() as session:
            connections = session.execute(
                text("SELECT count(*) - 1 FROM pg_stat_activity WHERE datname IS NOT NULL")
            ).scalar_one()
        now = {
            "redis_clients": float(self._redis.info("clients")["connected_clients"]) - 1,
            "redis_bytes": float(self._redis.info("memory")["used_memory"]) - self._idle_redis_bytes,
            "database_connections": float(connections),
        }
        self._most = {name: max(value, now[name]) for name, value in self._most.items()}

    def loads(self) -> dict[str, float]:
        """Sums since the beginning, and the highest numbers."""
        sums = self._sums()
        return {name: sums[name] - self._began[name] for name in sums} | self._most

    def _sums(self) -> dict[str, float]:
        stats = self._redis.info("stats")
        query = (
            "SELECT xact_commit + xact_rollback, tup_inserted + tup_updated + tup_deleted, pg_database_size(current_database()),"
            " pg_current_wal_lsn() - '0/0' FROM pg_stat_database WHERE datname = current_database()"
        )
        with self._ledger.database.reading() as session:
            session.execute(text("SELECT pg_stat_clear_snapshot()"))
            transactions, rows, size, wal = session.execute(text(query)).one()
        return {
            "redis_commands": float(stats["total_commands_processed"]),
            "redis_in_bytes": float(stats["total_net_input_bytes"]),
            "database_transactions": float(transactions) - self._own,
            "database_rows_written": float(rows),
            "database_bytes": float(size),
            "database_wal_bytes": float(wal),
        }


def _films(folder: Path, profile: Profile) -> list[dict[str, Any]]:
    """The recordings, one a length, and the lessons' documents."""
    if profile.released:
        _people(clip := folder / "clip.mp4")
    for seconds in sorted(set(profile.lesson_seconds)):
        path = folder / f"film-{seconds}.mp4"
        if profile.released:
            loop_clip(clip, path, seconds)
        else:
            encode_video(path, _cards(seconds), CARDS_FPS, crf=26, bits_per_second=400_000)
    return [
        {
            "lesson_id": f"scaling-{number}",
            "student": [{"uri": f"film-{seconds}.mp4", "started_at": "2026-11-20T10:00:00Z"}],
            "consent": {"process": True, "reel": True, "analytics": True},
            "subject": "anyone",
        }
        for number, seconds in enumerate(profile.lesson_seconds)
    ]


def _cards(seconds: int) -> Any:
    """Another pattern each second, so that no two moments look alike."""
    rng = np.random.default_rng(seconds)
    for _ in range(seconds):
        coarse = rng.integers(40, 220, (6, 8, 3), dtype=np.uint8)
        yield from [np.asarray(cv2.resize(coarse, CARDS_SIZE, interpolation=cv2.INTER_CUBIC), np.uint8)] * CARDS_FPS


def _people(path: Path) -> None:
    """The demo's student, at a webcam's size."""
    from workers.demo.render import StudentFrames

    frames = StudentFrames(np.random.default_rng(1))
    pictures = (frames.at(count / PEOPLE_FPS) for count in range(PEOPLE_SECONDS * PEOPLE_FPS))
    encode_video(path, pictures, PEOPLE_FPS, crf=27)
