"""The hostile-media run: `python -m tests.hostile --files 2000 --seed 1 [--json]`; exit 1 if a promise is broken."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from .run import Report, run


def as_json(report: Report) -> dict[str, Any]:
    names = ("seed", "files", "outcomes", "crashes", "hung", "escapes", "canaries_touched", "slowest_seconds", "slowest")
    figures = {name: getattr(report, name) for name in (*names, "rss_mb", "peak_mb", "seconds", "by_mutation", "broken")}
    return figures | {"growth": round(report.growth, 3)}


def as_text(report: Report) -> str:
    lines = [f"{'mutation':<20} processed  skipped  refused"]
    for kind, counts in sorted(report.by_mutation.items()):
        lines.append(f"{kind:<20} {counts['processed']:>9} {counts['skipped']:>8} {counts['refused']:>8}")
    figures = as_json(report)
    figures.pop("by_mutation")
    return "\n".join(lines + [f"{name}: {value}" for name, value in figures.items()])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    parser.add_argument("--files", type=int, default=2000, help="how many files")
    parser.add_argument("--seed", type=int, default=1, help="what the mutations are drawn from")
    parser.add_argument("--json", action="store_true", help="the figures as one line of JSON")
    parser.add_argument("--only", type=int, help="read just this one of them, and keep it in --folder")
    parser.add_argument("--folder", type=Path, help="an empty folder to work in, instead of one that is removed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hostile-") as scratch:
        folder = options.folder or Path(scratch)
        report = run(options.files, options.seed, folder, lambda line: print(line, file=sys.stderr), options.only)
    print(json.dumps(as_json(report)) if options.json else as_text(report))
    return 1 if report.broken else 0


if __name__ == "__main__":
    sys.exit(main())
