"""Rows of one analysts' view out of the ledger's database, batch by batch, into a Parquet or CSV file. Called by `smilereel export`.

Memory stays flat however many rows there are: a batch is written before the next one is asked for.
"""

from __future__ import annotations

import csv
import os
import re
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Boolean, Date, Float, Integer, String, column, select, table
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.types import TypeEngine

from shared.database import Database
from shared.errors import InputError, OutputRefused
from shared.tables import UtcDateTime
from shared.view_catalogue import VIEWS, Kind, View

Format = Literal["parquet", "csv"]
Row = Sequence[Any]

BATCH_ROWS = 32_768
_TYPES: dict[Kind, TypeEngine[Any]] = {
    "text": String(),
    "integer": Integer(),
    "real": Float(),
    "boolean": Boolean(),
    "time": UtcDateTime(),
    "date": Date(),
}
_NOT_ALLOWED = "42501"
# A cell that begins so is a formula to a spreadsheet.
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")


class ExportRefused(InputError):
    """An export was asked for that cannot be made."""


@dataclass(frozen=True, slots=True)
class TimeRange:
    """Lessons that began in `[from_, to)`; both aware, `from_` the earlier one."""

    from_: datetime
    to: datetime


def find_view(name: str) -> View:
    """The view of this name, plain (the newest version) or with its version.

    Raises:
        ExportRefused: there is none.
    """
    for view in VIEWS:
        if name in {view.name, view.versioned_name}:
            return view
    raise ExportRefused(f"There is no view {name[:64]!r}; choose from {', '.join(view.name for view in VIEWS)}.")


def parse_range(from_: str, to: str) -> TimeRange:
    """Two dates (midnight in UTC) or times with an offset from UTC, the second one exclusive.

    Raises:
        ExportRefused: one cannot be read, or the second is not later than the first.
    """
    found = TimeRange(_parse_time(from_, "--from"), _parse_time(to, "--to"))
    if found.from_ >= found.to:
        raise ExportRefused(
            f"The range from {from_} to {to} is {'empty' if found.from_ == found.to else 'reversed'}:"
            " --to is the first moment that is no longer meant, so it has to be later than --from."
        )
    return found


def _parse_time(written: str, option: str) -> datetime:
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", written, re.ASCII):
            return datetime.combine(date.fromisoformat(written), time(), UTC)
        if re.match(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}", written, re.ASCII):
            found = datetime.fromisoformat(written)
            if found.tzinfo is not None:
                return found.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ExportRefused(
        f"{option} {written[:40]!r} is no date and no time; write 2026-11-20, or 2026-11-20T10:00:00Z with its offset from UTC."
    )


def read_batches(database: Database, view: View, lessons: TimeRange, *, batch_rows: int = BATCH_ROWS) -> Iterator[list[Row]]:
    """The view's rows of these lessons, ordered by the view's key, in lists of at most `batch_rows`; one read, so they fit together.

    Raises:
        ExportRefused: the database's user may not read the view.
        LedgerAway: the database cannot be used at the moment.
        SchemaMissing: there are no views.
    """
    columns = [column(each.name, _TYPES[each.kind]) for each in view.columns]
    source = table(view.versioned_name, *columns)
    query = (
        select(*columns)
        .select_from(source)
        .where(source.c.lesson_at >= lessons.from_, source.c.lesson_at < lessons.to)
        .order_by(*(source.c[name] for name in view.key))
        .execution_options(yield_per=batch_rows)
    )
    with database.reading() as session:
        try:
            for rows in session.execute(query).partitions():
                yield list(rows)
        except ProgrammingError as error:
            if getattr(error.orig, "sqlstate", None) != _NOT_ALLOWED:
                raise
            raise ExportRefused(
                f"The database's user may not read {view.versioned_name}; grant it SELECT as docs/analytics.md says."
            ) from error


def export(batches: Iterator[list[Row]], view: View, out: Path, file_format: Format, *, force: bool = False) -> int:
    """Write all rows into `out`, which is there whole or not at all and readable by its owner alone; how many rows there were.

    Raises:
        OutputRefused: there is a file already and `force` is not given, or it cannot be written.
    """
    refuse_taken(out, force=force)
    with _explained(out), _new_file(out, force=force) as unfinished:
        write = {"parquet": _write_parquet, "csv": _write_csv}[file_format]
        return write(batches, view, unfinished)


def refuse_taken(out: Path, *, force: bool) -> None:
    """Look whether a file can be put there.

    Raises:
        OutputRefused: it cannot.
    """
    try:
        mode = out.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise OutputRefused(f"The export cannot be written to {out}: {error.strerror}; choose another --out.") from error
    if not stat.S_ISREG(mode):
        raise OutputRefused(f"{out} is no ordinary file; choose another --out.")
    if not force:
        raise OutputRefused(f"{out} is there already; choose another --out, or give --force to replace it.")


@contextmanager
def _explained(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputRefused(f"The export cannot be written to {out}: {error.strerror or error}; choose another --out.") from error


@contextmanager
def _new_file(out: Path, *, force: bool) -> Iterator[Path]:
    """A file beside `out` that takes its name if all goes well and is gone if not."""
    handle, name = tempfile.mkstemp(prefix=f".{out.name[:100]}.", suffix=".part", dir=out.parent)
    os.close(handle)
    unfinished = Path(name)
    try:
        yield unfinished
        refuse_taken(out, force=force)
        unfinished.replace(out)
    finally:
        unfinished.unlink(missing_ok=True)


def _write_csv(batches: Iterator[list[Row]], view: View, path: Path) -> int:
    cells = [_CELLS.get(each.kind, _as_it_is) for each in view.columns]
    n_rows = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        # RFC 4180's line ends; with a bare line feed Python 3.11 leaves a cell with a carriage return unquoted.
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow([each.name for each in view.columns])
        for rows in batches:
            n_rows += len(rows)
            writer.writerows(
                ["" if value is None else cell(value) for cell, value in zip(cells, row, strict=True)] for row in rows
            )
    return n_rows


def _as_it_is(value: Any) -> Any:
    return value


def _harmless(value: str) -> str:
    """Text that no spreadsheet takes for a formula: one that looks like it gets an apostrophe in front."""
    return f"'{value}" if value.lstrip(" ").startswith(_FORMULA) else value


_CELLS: dict[Kind, Callable[[Any], Any]] = {
    "text": _harmless,
    "boolean": lambda value: "true" if value else "false",
    "time": lambda value: value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
    "date": date.isoformat,
}


def _write_parquet(batches: Iterator[list[Row]], view: View, path: Path) -> int:
    """A row group a batch; comments are kept in the fields' and the file's metadata."""
    import pyarrow as pa  # type: ignore[import-untyped]
    from pyarrow import parquet

    types = {
        "text": pa.string(),
        "integer": pa.int32(),
        "real": pa.float64(),
        "boolean": pa.bool_(),
        "time": pa.timestamp("us", tz="UTC"),
        "date": pa.date32(),
    }
    fields = [
        pa.field(each.name, types[each.kind], nullable=each.nullable, metadata={"comment": each.comment}) for each in view.columns
    ]
    schema = pa.schema(fields, metadata={"view": view.versioned_name, "comment": view.comment})
    n_rows = 0
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for rows in batches:
            n_rows += len(rows)
            columns = [pa.array(values, field.type) for values, field in zip(zip(*rows, strict=True), fields, strict=True)]
            writer.write_batch(pa.record_batch(columns, schema=schema))
    return n_rows
