"""How long a scrape of `smilereel metrics` takes beside a million lessons: `python -m benchmarks.scrape [--lessons 1000000]`.

A real PostgreSQL and a real Valkey of the benchmark's own. Three times: all lessons ended, half of them waiting, all waiting; each with
32 lessons in work and with lessons that ended since the last scrape. Only lessons in work and those have rows of stages (176 each): no
scrape looks at others'. Ends with 1 if a scrape takes longer than a second.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

from prometheus_client import generate_latest
from sqlalchemy import text

from shared.ledger import Ledger, open_ledger
from shared.lesson import parse_lesson
from shared.settings import Settings
from tests.services.valkey import Valkey
from workers.local.postgres import PostgresServer
from workers.watching.collector import SmilereelCollector, registry_of

MUST_SECONDS = 1.0
ROWS_AT_ONCE = 100_000
IN_WORK, ENDED_BETWEEN = 32, 500
SCRAPES = 5
LESSON = """
INSERT INTO lesson (lesson_id, pupil_id, content_sha256, document, state, work_version, n_segments, facts, created_at, updated_at,
                    generation, bulk)
SELECT 'lesson-' || n, 'pupil-' || n / 40, repeat('0', 64), CAST(:document AS json), 'done', 'v1', 43, '{}',
       now() - interval '3 hours' + n * interval '10 ms', now() - interval '1 hour', 1, n % 3 > 0
FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS n
"""
EVENT = """
INSERT INTO event (event_id, lesson_id, round, state, work_version, created_at, delivery)
SELECT 'event-' || n, 'lesson-' || n, 1, 'done', 'v1', now() - interval '1 hour', 'delivered'
FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS n
"""
STAGES = """
INSERT INTO stage_run (lesson_id, work_version, stage, segment_index, attempts, finished, seconds, items)
SELECT 'lesson-' || n, 'v1', stage, segment, CAST(NOT :finished AS int), :finished, random() * 5, 64
FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS n, generate_series(0, 43) AS segment,
     unnest(ARRAY['decode_segment', 'detect_faces', 'crop_faces', 'classify_faces']) AS stage
ON CONFLICT DO NOTHING
"""
# The first so many lessons of a mix have ended, the next are in work, the rest waits.
MIX = """
UPDATE lesson SET lease_until = NULL, state = CASE WHEN CAST(substr(lesson_id, 8) AS int) <= :ended THEN 'done'
  WHEN CAST(substr(lesson_id, 8) AS int) <= :ended + :in_work THEN 'processing' ELSE 'accepted' END
"""

EVENTS_OF_BEFORE = "UPDATE event SET created_at = now() - interval '1 hour' WHERE created_at > now() - interval '30 minutes'"


def main() -> None:
    """Fill, scrape, and say how long it took."""
    parser = argparse.ArgumentParser(description="How long a scrape takes beside many lessons.")
    parser.add_argument("--lessons", type=int, default=1_000_000)
    n_lessons = parser.parse_args().lessons
    slowest = 0.0
    server = PostgresServer()
    server.start()
    try:
        with Valkey() as valkey:
            settings = Settings(database_url=server.url(), redis_url=valkey.url)
            ledger = open_ledger(settings.database_url)
            _fill(ledger, n_lessons)
            for share in (1.0, 0.5, 0.0):
                ended = min(int(share * n_lessons), n_lessons - IN_WORK)
                slowest = max(slowest, _measure(settings, ledger, n_lessons, ended))
            ledger.close()
    finally:
        server.remove()
    sys.exit(0 if slowest <= MUST_SECONDS else 1)


def _fill(ledger: Ledger, n_lessons: int) -> None:
    recording = {"uri": "recordings/lesson.mp4", "started_at": "2026-11-20T10:00:00Z"}
    lesson = parse_lesson({"lesson_id": "lesson", "student": [recording], "teacher": [recording], "consent": {"process": True}})
    ledger.create_schema()
    for first in range(1, n_lessons + 1, ROWS_AT_ONCE):
        span = {"first": first, "last": min(first + ROWS_AT_ONCE - 1, n_lessons)}
        with ledger.database.transaction() as session:
            session.execute(text(LESSON), {**span, "document": lesson.model_dump_json()})
            session.execute(text(EVENT), span)


def _measure(settings: Settings, ledger: Ledger, n_lessons: int, ended: int) -> float:
    """Seconds of the slowest scrape of one mix."""
    with ledger.database.transaction() as session:
        session.execute(text(MIX), {"ended": ended, "in_work": IN_WORK})
        session.execute(text(EVENTS_OF_BEFORE))
        session.execute(text(STAGES), {"first": ended + 1, "last": ended + IN_WORK, "finished": False})
        session.execute(text(STAGES), {"first": 1, "last": SCRAPES * ENDED_BETWEEN, "finished": True})
    with ledger.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    collector = SmilereelCollector(settings, keep_seconds=0.0)
    registry = registry_of(collector)
    generate_latest(registry)  # connects, and begins to follow the ends
    taken, n_bytes = [], 0
    for scrape in range(SCRAPES):
        span = {"first": scrape * ENDED_BETWEEN + 1, "last": (scrape + 1) * ENDED_BETWEEN}
        with ledger.database.transaction() as session:
            session.execute(
                text(
                    "UPDATE event SET created_at = clock_timestamp() WHERE CAST(substr(event_id, 7) AS int) BETWEEN :first AND :last"
                ),
                span,
            )
        started = time.perf_counter()
        page = generate_latest(registry)
        taken.append(round(time.perf_counter() - started, 3))
        n_bytes = len(page)
        counted = f'smilereel_lessons_ended_total{{state="done"}} {float((scrape + 1) * ENDED_BETWEEN)}'
        if counted not in page.decode():
            raise SystemExit("the ends were not counted")
    collector.close()
    told = {"lessons": n_lessons, "ended": ended, "in_work": IN_WORK, "waiting": n_lessons - ended - IN_WORK}
    print(json.dumps({**told, "ended_between": ENDED_BETWEEN, "scrapes": taken, "page_bytes": n_bytes}), flush=True)
    return max(taken)


if __name__ == "__main__":
    main()
