"""How long `find_reel` takes beside a million lessons: `python -m benchmarks.find_reel [--lessons 1000000] [--calls 5000]`.

A real PostgreSQL of the benchmark's own is filled by two statements, every second lesson with a reel; then one thread asks for lessons
drawn at random, and for unknown ones. Ends with 1 if the 99th percentile is above 5 milliseconds.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time

from sqlalchemy import text

from shared.client import find_reel
from shared.ledger import open_ledger
from shared.lesson import parse_lesson
from shared.settings import Settings
from workers.local.postgres import PostgresServer

MUST_MS = 5.0
ROWS_AT_ONCE = 100_000
LESSON = """
INSERT INTO lesson (lesson_id, pupil_id, content_sha256, document, state, work_version, n_segments, facts, created_at, updated_at,
                    consent_process, consent_reel, consent_email)
SELECT 'lesson-' || n, 'pupil-' || n / 40, repeat('0', 64), CAST(:document AS json), 'done', 'v1', 43, '{}', now(), now(),
       true, n % 10 <> 0, true
FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS n
"""
REEL = """
INSERT INTO reel (lesson_id, work_version, frames, width, height, bytes, created_at)
SELECT 'lesson-' || n, 'v1', 9, 320, 320, 640000, now()
FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS n WHERE n % 2 = 0
"""


def main() -> None:
    """Fill, ask, and say how long the calls took."""
    parser = argparse.ArgumentParser(description="How long find_reel takes beside many lessons.")
    parser.add_argument("--lessons", type=int, default=1_000_000)
    parser.add_argument("--calls", type=int, default=5_000)
    args = parser.parse_args()
    server = PostgresServer()
    server.start()
    try:
        settings = Settings(database_url=server.url(), store_url="file:///nowhere/store")
        _fill(settings, args.lessons)
        milliseconds, n_found = _ask(settings, args.lessons, args.calls)
    finally:
        server.remove()
    p99 = milliseconds[int(0.99 * len(milliseconds))]
    told = {"lessons": args.lessons, "calls": args.calls, "found": n_found, "median_ms": milliseconds[len(milliseconds) // 2]}
    print(json.dumps({**told, "p99_ms": p99, "longest_ms": milliseconds[-1]}))
    sys.exit(0 if p99 <= MUST_MS else 1)


def _fill(settings: Settings, n_lessons: int) -> None:
    recording = {"uri": "recordings/lesson.mp4", "started_at": "2026-11-20T10:00:00Z"}
    lesson = parse_lesson({"lesson_id": "lesson", "student": [recording], "teacher": [recording], "consent": {"process": True}})
    ledger = open_ledger(settings.database_url)
    ledger.create_schema()
    for first in range(1, n_lessons + 1, ROWS_AT_ONCE):
        span = {"first": first, "last": min(first + ROWS_AT_ONCE - 1, n_lessons)}
        with ledger.database.transaction() as session:
            session.execute(text(LESSON), {**span, "document": lesson.model_dump_json()})
            session.execute(text(REEL), span)
    with ledger.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    ledger.close()


def _ask(settings: Settings, n_lessons: int, n_calls: int) -> tuple[list[float], int]:
    """Sorted milliseconds of the calls, and how many found a reel; the first call, which connects, is not among them."""
    lot = random.Random(1)
    find_reel("nobody", settings=settings)
    taken, n_found = [], 0
    for _ in range(n_calls):
        lesson_id = f"lesson-{lot.randint(1, n_lessons + n_lessons // 20)}"
        started = time.perf_counter()
        n_found += find_reel(lesson_id, settings=settings) is not None
        taken.append(round(1000 * (time.perf_counter() - started), 2))
    return sorted(taken), n_found


if __name__ == "__main__":
    main()
