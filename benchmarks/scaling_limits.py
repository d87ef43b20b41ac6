"""What gives way first, measured on this machine: `python -m benchmarks.scaling_limits [--only NAME] [--json]`.

Each figure is one that `workers/capacity/limits.py` sets a night's load against: what Valkey and PostgreSQL take in a second, a look of
the reconciler over full queues and a full ledger, a sweep's listing, tiny tasks through one Celery worker.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from redis import Redis
from sqlalchemy import insert, text

from shared.database import Database, open_database
from shared.ledger import Ledger
from shared.schema import ensure_schema
from shared.sender import plan_sender
from shared.sending import Sent
from shared.store import OUTPUTS, WORK, output_key, work_key
from shared.stores.folder import FolderStore
from shared.tables import LessonRow
from shared.told_tables import SecondRow
from workers.local.parts import valkey_command
from workers.local.postgres import PostgresServer
from workers.reconciler import queued_lessons

REDIS_ROUNDS, REDIS_AT_ONCE = 400, 100
MESSAGES = 20_000
LESSONS = 1_000_000
SECOND_ROWS = 300_000
STORED_LESSONS = 5_000
THREADS, TRANSACTION_SECONDS = 8, 5.0
BEGAN_AT = datetime(2026, 1, 1, tzinfo=UTC)


@contextmanager
def _valkey(folder: Path) -> Iterator[str]:
    """With a log of its writes, as in real use; its socket's path."""
    socket = folder / "valkey.sock"
    command = valkey_command(socket, folder, appendonly="yes", appendfsync="everysec")
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            while not socket.exists():
                time.sleep(0.02)
            yield str(socket)
        finally:
            server.terminate()


def redis_commands(folder: Path) -> dict[str, float]:
    """LPUSH and RPOP of a message's size, many at once, from one client."""
    with _valkey(folder) as socket, Redis(unix_socket_path=socket) as redis:
        began = time.perf_counter()
        for _ in range(REDIS_ROUNDS):
            pipeline = redis.pipeline(transaction=False)
            for _ in range(REDIS_AT_ONCE):
                pipeline.lpush("queue", b"x" * 1500)
                pipeline.rpop("queue")
            pipeline.execute()
        return {"redis_commands_a_second": 2 * REDIS_ROUNDS * REDIS_AT_ONCE / (time.perf_counter() - began)}


def reconciler_queues(folder: Path) -> dict[str, float]:
    """The reconciler's look at all messages that wait, and what one takes in Redis's memory."""
    with _valkey(folder) as socket, Redis(unix_socket_path=socket) as redis:
        idle = redis.info("memory")["used_memory"]
        with plan_sender(f"redis+socket://{socket}") as send:
            for number in range(MESSAGES):
                send(Sent(f"lesson-{number}", 1))
        used = redis.info("memory")["used_memory"]
        began = time.perf_counter()
        found = queued_lessons(redis)
        seconds = time.perf_counter() - began
        assert len(found) == MESSAGES, "messages are missing"
        return {
            "reconciler_seconds_per_1000_messages": 1000 * seconds / MESSAGES,
            "redis_bytes_per_message": (used - idle) / MESSAGES,
        }


def ledger(_folder: Path) -> dict[str, float]:
    """PostgreSQL: transactions of stages a second, and what the reconciler asks it over a million lessons that wait."""
    with PostgresServer() as server:
        database = open_database(server.url())
        ensure_schema(database)
        figures = _transactions(database) | _second_rows(database)
        _fill(database)
        sending = Ledger(database).sending
        for name, ask in {
            "stalled": sending.stalled,
            "waiting": lambda: sending.waiting(32),
            "places": sending.places_taken,
        }.items():
            figures[f"ledger_{name}_seconds_of_a_million"] = _seconds(ask)
        database.close()
    return figures


def _transactions(database: Database) -> dict[str, float]:
    """The frame around each stage, `started` and `finished`, by several threads."""
    with database.transaction() as session:
        session.execute(insert(LessonRow), [_lesson(number, "processing") for number in range(THREADS)])
    runs, done = Ledger(database).runs, [0] * THREADS
    until = time.monotonic() + TRANSACTION_SECONDS

    def work(thread: int) -> None:
        while time.monotonic() < until:
            where = (f"lesson-{thread}", "version", "decode_segment", done[thread] % 50)
            runs.started(*where, generation=0, lease_seconds=10)
            runs.finished(*where, seconds=1.0, items=64, lease_seconds=10)
            done[thread] += 2

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.transaction() as session:
        session.execute(text("DELETE FROM lesson"))
    return {"database_transactions_a_second": sum(done) / TRANSACTION_SECONDS}


def _second_rows(database: Database) -> dict[str, float]:
    """What a second of a lesson takes for good in the database, its index included, and how many can be written."""
    rows = [
        {"lesson_id": "lesson-0", "second": second, "student_on": True, "teacher_on": True, "faces": 1, "child_faces": 1}
        | {"adult_faces": 0, "p_child": 0.9, "p_adult_face": 0.1, "p_parent_shoulder": 0.05}
        for second in range(SECOND_ROWS)
    ]
    with database.transaction() as session:
        session.execute(insert(LessonRow), [_lesson(0, "processing")])
    began = time.perf_counter()
    with database.transaction() as session:
        session.execute(insert(SecondRow), rows)
    seconds = time.perf_counter() - began
    with database.transaction() as session:
        size = session.execute(text("SELECT pg_total_relation_size('lesson_second')")).scalar_one()
        session.execute(text("DELETE FROM lesson"))
    return {"database_bytes_per_second_row": size / SECOND_ROWS, "second_rows_a_second": SECOND_ROWS / seconds}


def _fill(database: Database) -> None:
    for start in range(0, LESSONS, 20_000):
        with database.transaction() as session:
            session.execute(insert(LessonRow), [_lesson(number, "accepted") for number in range(start, start + 20_000)])
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE lesson"))


def _lesson(number: int, state: str) -> dict[str, Any]:
    at = BEGAN_AT + timedelta(seconds=number / 30)
    common = {"content_sha256": "0" * 64, "document": {}, "n_segments": 0, "facts": {}, "created_at": at, "updated_at": at}
    return {"lesson_id": f"lesson-{number}", "state": state, **common}


def sweep(folder: Path) -> dict[str, float]:
    """A sweep's listing of a folder: per thousand lessons that are kept, five outputs each, and in work."""
    store = FolderStore(folder / "store")
    for number in range(STORED_LESSONS):
        for name in ("reel.gif", "poster.jpg", "contact-sheet.jpg", "lesson.json", "seconds.csv"):
            store.put(output_key(f"lesson-{number}", "version", name), b"x")
        store.put(f"{work_key(f'lesson-{number}', 'version')}/plan.json", b"x")
    listed = _seconds(lambda: sum(1 for _ in store.keys(OUTPUTS)))
    work = _seconds(lambda: sum(1 for _ in store.keys(WORK)))
    thousands = STORED_LESSONS / 1000
    return {"sweep_seconds_per_1000_kept": listed / thousands, "sweep_seconds_per_1000_in_work": work / thousands}


def _seconds(ask: Callable[[], object]) -> float:
    """The middle of three."""
    taken = []
    for _ in range(3):
        began = time.perf_counter()
        ask()
        taken.append(time.perf_counter() - began)
    return sorted(taken)[1]


MEASURES: dict[str, Callable[[Path], dict[str, float]]] = {
    "redis": redis_commands,
    "queues": reconciler_queues,
    "ledger": ledger,
    "sweep": sweep,
}


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", choices=sorted(MEASURES), help="one of the measurements")
    parser.add_argument("--json", action="store_true", help="print a JSON object")
    args = parser.parse_args()
    figures: dict[str, float] = {}
    for name, measure in MEASURES.items():
        if args.only in {None, name}:
            with tempfile.TemporaryDirectory(prefix="sr-") as folder:
                figures |= measure(Path(folder))
            print(f"measured {name}", file=sys.stderr, flush=True)
    print(json.dumps(figures) if args.json else "\n".join(f"{name:40} {value:>14,.4f}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
