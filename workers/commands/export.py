"""`smilereel export`: rows of an analysts' view into a Parquet or CSV file, or what the views hold."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.view_catalogue import View


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("view", nargs="?", metavar="VIEW", help="lesson, frame_score, disconnect, reel or pupil_presence")
    parser.add_argument("--from", dest="from_", metavar="DATE", help="lessons that began at this date or time, or later")
    parser.add_argument("--to", metavar="DATE", help="and before this one")
    parser.add_argument("--format", choices=["parquet", "csv"], default="parquet", help="(default: parquet)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where the rows are written")
    parser.add_argument("--force", action="store_true", help="replace FILE if it is there")
    parser.add_argument("--describe", action="store_true", help="instead, print what the views, or VIEW alone, hold")
    parser.epilog = "A date is midnight in UTC: --from 2026-11-01 --to 2026-12-01 is November."


def main(args: argparse.Namespace) -> int:
    """Write the file and say how many rows are in it; a range without any makes a file with the column names alone."""
    from contextlib import closing

    from shared.database import open_database
    from shared.schema import check
    from shared.settings import load_settings
    from shared.view_catalogue import VIEWS
    from workers.export import ExportRefused, export, find_view, parse_range, read_batches, refuse_taken

    view = find_view(args.view) if args.view else None
    if args.describe:
        print(described([view] if view else VIEWS))  # noqa: T201
        return 0
    if view is None:
        raise ExportRefused(f"Say which view to export: {', '.join(each.name for each in VIEWS)}.")
    missing = [name for name, value in (("--from", args.from_), ("--to", args.to), ("--out", args.out)) if not value]
    if missing:
        raise ExportRefused(f"An export needs {' and '.join(missing)}.")
    lessons = parse_range(args.from_, args.to)
    # All input before the database.
    refuse_taken(args.out, force=args.force)
    with closing(open_database(load_settings().database_url)) as database:
        if database.engine.dialect.name == "sqlite":
            # SQLite would make the file of a mistyped address; on a server the user may be one that sees the views alone.
            check(database)
        n_rows = export(read_batches(database, view, lessons), view, args.out, args.format, force=args.force)
    print(f"{args.out}: {n_rows} rows of {view.versioned_name}")  # noqa: T201
    return 0


def described(views: Sequence[View]) -> str:
    """Each view with its columns, their types and comments, for a terminal."""
    lines: list[str] = []
    for view in views:
        width = max(len(column.name) for column in view.columns)
        lines += [f"{view.name} ({view.versioned_name}): {view.comment}"]
        lines += [f"  {column.name:{width}}  {column.kind:7}  {column.comment}" for column in view.columns]
        lines += [""]
    return "\n".join(lines).rstrip()
