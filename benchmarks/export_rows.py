"""How long an export of many rows takes and how much memory: `python -m benchmarks.export_rows --rows 10000000`.

Fills a database in a temporary folder with seconds of lessons, then runs `smilereel export frame_score` in a process of its own, first for
a tenth of the lessons, then for all; memory is flat if both peaks are alike. Further: `--database postgresql`, `--format csv`, `--json`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import insert, text

from shared.database import Database, open_database
from shared.schema import ensure_schema
from shared.tables import LessonRow
from workers.local.postgres import postgres

SECONDS_A_LESSON = 3000
LESSONS_AT_ONCE = 200
BEGAN_AT = datetime(2026, 1, 1, 10, tzinfo=UTC)
# Prints the process's highest resident memory last; the kernel counts it anew from when the program was started.
EXPORT = """
import sys
from pathlib import Path
from workers.__main__ import main
code = main(sys.argv[1:])
status = Path("/proc/self/status").read_text()
print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
sys.exit(code)
"""
SECOND_NUMBERS = {
    "sqlite": "(WITH RECURSIVE n(second) AS (SELECT 0 UNION ALL SELECT second + 1 FROM n WHERE second < {last}) SELECT second FROM n)",
    "postgresql": "(SELECT generate_series(0, {last}) AS second)",
}
RANDOM = {"sqlite": "abs(random() % 10000) / 10000.0", "postgresql": "round(CAST(random() AS numeric), 4)"}


def main() -> None:
    """Fill, export twice, print."""
    args = _arguments()
    n_lessons = max(10, round(args.rows / SECONDS_A_LESSON))
    with tempfile.TemporaryDirectory(prefix="export-") as name, _database_url(args.database, Path(name)) as url:
        database = open_database(url)
        began = time.monotonic()
        _fill(database, n_lessons)
        database.close()
        filled_seconds = time.monotonic() - began
        runs = [_export(url, Path(name), n, args.format) for n in (n_lessons // 10, n_lessons)]
    figures = {"database": args.database, "format": args.format, "fill_seconds": round(filled_seconds, 1), "runs": runs}
    if args.json:
        print(json.dumps(figures))
        return
    print(f"{args.database}, {args.format}; filled in {filled_seconds:.0f} s")
    for run in runs:
        rate = run["rows"] / run["seconds"]
        print(
            f"{run['rows']:>10} rows  {run['seconds']:6.1f} s  {rate:8.0f} rows/s  peak {run['peak_mb']} MB  file {run['file_mb']} MB"
        )


@contextmanager
def _database_url(kind: str, folder: Path) -> Iterator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{folder}/ledger.sqlite3"
    else:
        with postgres() as url:
            yield url


def _fill(database: Database, n_lessons: int) -> None:
    ensure_schema(database)
    dialect = database.engine.dialect.name
    values = ", ".join(RANDOM[dialect] for _ in range(3))
    seconds = SECOND_NUMBERS[dialect].format(last=SECONDS_A_LESSON - 1)
    query = text(
        "INSERT INTO lesson_second SELECT l.lesson_id, n.second, true, true, 1, 1, 0, NULL,"
        f" {values} FROM lesson AS l CROSS JOIN {seconds} AS n WHERE l.lesson_id BETWEEN :first AND :last"
    )
    for first in range(0, n_lessons, LESSONS_AT_ONCE):
        lessons = [_lesson(number) for number in range(first, min(first + LESSONS_AT_ONCE, n_lessons))]
        with database.transaction() as session:
            session.execute(insert(LessonRow), lessons)
            session.execute(query, {"first": lessons[0]["lesson_id"], "last": lessons[-1]["lesson_id"]})
    if dialect == "postgresql":
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("ANALYZE"))


def _lesson(number: int) -> dict[str, object]:
    starts_at = _starts_at(number)
    times = {"starts_at": starts_at, "ends_at": starts_at + timedelta(seconds=SECONDS_A_LESSON)}
    columns = {"content_sha256": "0" * 64, "document": {}, "facts": {}, "state": "done", "work_version": "v1"}
    consent = {"consent_process": True, "consent_reel": True, "consent_analytics": True}
    return {
        "lesson_id": f"lesson-{number:07}",
        "pupil_id": f"pupil-{number % 500}",
        **columns,
        **times,
        **consent,
        "created_at": starts_at,
        "updated_at": starts_at,
    }


def _starts_at(number: int) -> datetime:
    return BEGAN_AT + timedelta(minutes=number)


def _export(url: str, folder: Path, n_lessons: int, file_format: str) -> dict[str, float]:
    out = folder / f"rows-{n_lessons}"
    times = ["--from", BEGAN_AT.isoformat(), "--to", _starts_at(n_lessons).isoformat()]
    command = [sys.executable, "-c", EXPORT, "export", "frame_score", *times, "--format", file_format, "--out", str(out)]
    began = time.monotonic()
    environment = {**os.environ, "SMILEREEL_DATABASE_URL": url}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    seconds = time.monotonic() - began
    said, peak_kb = done.stdout.splitlines()
    size = out.stat().st_size
    out.unlink()
    rows = int(said.split(": ")[1].split()[0])
    return {"rows": rows, "seconds": round(seconds, 1), "peak_mb": round(int(peak_kb) / 1000), "file_mb": round(size / 1e6)}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Time and memory of an export of many rows.")
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows, in lessons of 3,000 (default: 1000000)")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--format", choices=["parquet", "csv"], default="parquet")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()
