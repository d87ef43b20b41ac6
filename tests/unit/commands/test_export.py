"""`smilereel export` on both databases: what is in the files, what is refused, and that a file is there whole or not at all."""

from __future__ import annotations

import csv
import os
import stat
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from pyarrow import parquet
from sqlalchemy import event, text, update

from shared.errors import OutputRefused
from shared.ledger import Ledger, open_ledger
from shared.tables import LessonRow
from shared.view_catalogue import LESSON, VIEWS
from tests.analysts import fill, on_day, tell
from tests.services.postgres import fresh_database
from tests.unit.commands.conftest import Smilereel
from workers.export import TimeRange, export, find_view, parse_range, read_batches
from workers.local.postgres import PostgresServer

NOVEMBER = ("--from", "2026-11-01", "--to", "2026-12-01")


@pytest.fixture
def filled(ledger: Ledger) -> Ledger:
    fill(ledger)
    return ledger


def cells(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def rows_of(ledger: Ledger, name: str) -> list[Sequence[Any]]:
    return [row for batch in read_batches(ledger.database, find_view(name), TimeRange(on_day(1), on_day(30))) for row in batch]


def left_in(folder: Path) -> set[str]:
    """All files but those of the test's database."""
    return {path.name for path in folder.iterdir() if not path.name.startswith("ledger.sqlite3")}


@pytest.mark.parametrize("name", [view.name for view in VIEWS])
def test_parquet_holds_the_view(operator: Smilereel, filled: Ledger, tmp_path: Path, name: str) -> None:
    out, view = tmp_path / "rows.parquet", find_view(name)
    said = operator("export", name, *NOVEMBER, "--out", str(out))
    expected = rows_of(filled, name)
    assert (said.code, said.err, said.out) == (0, "", f"{out}: {len(expected)} rows of {view.versioned_name}\n")
    table = parquet.read_table(out)
    assert [tuple(row.values()) for row in table.to_pylist()] == [tuple(row) for row in expected]
    kinds = {
        "text": pa.string(),
        "integer": pa.int32(),
        "real": pa.float64(),
        "boolean": pa.bool_(),
        "time": pa.timestamp("us", tz="UTC"),
        "date": pa.date32(),
    }
    assert [(field.name, field.type, field.nullable, field.metadata[b"comment"].decode()) for field in table.schema] == [
        (column.name, kinds[column.kind], column.nullable, column.comment) for column in view.columns
    ]
    assert table.schema.metadata[b"view"].decode() == view.versioned_name
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert left_in(tmp_path) == {"rows.parquet"}


@pytest.mark.parametrize("name", [view.name for view in VIEWS])
def test_csv_holds_the_view(operator: Smilereel, filled: Ledger, tmp_path: Path, name: str) -> None:
    out, view = tmp_path / "rows.csv", find_view(name)
    assert operator("export", view.versioned_name, *NOVEMBER, "--format", "csv", "--out", str(out)).code == 0
    kinds = [column.kind for column in view.columns]
    read: dict[str, Callable[[str], Any]] = {
        "text": str,
        "integer": int,
        "real": float,
        "boolean": {"true": True, "false": False}.__getitem__,
        "time": datetime.fromisoformat,
        "date": date.fromisoformat,
    }
    found = [
        tuple(None if cell == "" else read[kind](cell) for kind, cell in zip(kinds, row.values(), strict=True))
        for row in cells(out)
    ]
    assert found == [tuple(row) for row in rows_of(filled, name)]
    assert out.read_bytes().startswith(",".join(column.name for column in view.columns).encode() + b"\r\n")


def test_the_range_is_half_open_and_knows_offsets(operator: Smilereel, filled: Ledger, tmp_path: Path) -> None:
    begins = {row[0]: row[2] for row in rows_of(filled, "lesson")}
    edge = begins["b-1"]  # 2026-11-18 10:00:00.250500 UTC

    def lessons(from_: str, to: str) -> list[str]:
        out = tmp_path / "lessons.csv"
        assert (
            operator("export", "lesson", "--from", from_, "--to", to, "--format", "csv", "--out", str(out), "--force").code == 0
        )
        return [row["lesson_id"] for row in cells(out)]

    just_after = (edge + timedelta(microseconds=1)).isoformat()
    assert lessons(edge.isoformat(), just_after) == ["b-1"]
    assert lessons("2026-11-18", edge.isoformat()) == []
    assert lessons(just_after, "2026-11-19T00:00Z") == []
    assert lessons("2026-11-18T12:00:00+03:00", "2026-11-18T13:00:00.250501+03:00") == ["b-1"]
    # c-1 began on the 22nd at 23:00 UTC, which was the 23rd in Moscow.
    assert lessons("2026-11-23T00:00+03:00", "2026-11-23") == ["c-1"]


def test_a_range_without_lessons_makes_a_file_with_the_column_names(operator: Smilereel, filled: Ledger, tmp_path: Path) -> None:
    for file_format in ("csv", "parquet"):
        out = tmp_path / f"rows.{file_format}"
        where = ("--from", "2020-01-01", "--to", "2020-01-02", "--format", file_format, "--out", str(out))
        said = operator("export", "frame_score", *where)
        assert (said.code, said.out) == (0, f"{out}: 0 rows of frame_score_v1\n")
    assert (tmp_path / "rows.csv").read_text().startswith("lesson_id,lesson_at,second,")
    assert parquet.read_table(tmp_path / "rows.parquet").num_rows == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("lesson", "--from", "2026-11-02", "--to", "2026-11-02"), "The range from 2026-11-02 to 2026-11-02 is empty: --to is"),
        (
            ("lesson", "--from", "2026-11-03", "--to", "2026-11-02"),
            "The range from 2026-11-03 to 2026-11-02 is reversed: --to is",
        ),
        (
            ("lesson", "--from", "2026-11-03T01:00:00+03:00", "--to", "2026-11-02T22:00:00Z"),
            "The range from 2026-11-03T01:00:00+03:00 to 2026-11-02T22:00:00Z is empty",
        ),
        (
            ("lesson", "--from", "2026-13-01", "--to", "2026-12-01"),
            "--from '2026-13-01' is no date and no time; write 2026-11-20",
        ),
        (("lesson", "--from", "2026-11-01", "--to", "tomorrow"), "--to 'tomorrow' is no date and no time"),
        (("lesson", "--from", "20261101", "--to", "2026-12-01"), "--from '20261101' is no date"),
        (("lesson", "--from", "2026-W45-1", "--to", "2026-12-01"), "--from '2026-W45-1' is no date"),
        (
            ("lesson", "--from", "2026-11-01T10:00:00", "--to", "2026-12-01"),
            "--from '2026-11-01T10:00:00' is no date and no time",
        ),
        (("lesson", "--from", "1764547200", "--to", "2026-12-01"), "--from '1764547200' is no date"),
        (("lesson", "--from", "2026-11-0١", "--to", "2026-12-01"), "--from '2026-11-0١' is no date"),
        (("lesson", "--from", "0001-01-01T00:00+05:00", "--to", "2026-12-01"), "--from '0001-01-01T00:00+05:00' is no date"),
        (("lesson", "--from", "2026-11-01' OR '1'='1", "--to", "2026-12-01"), "--from \"2026-11-01' OR '1'='1\" is no date"),
        (
            ("lessons", *NOVEMBER),
            "There is no view 'lessons'; choose from lesson, frame_score, disconnect, reel, pupil_presence.",
        ),
        (("lesson_v2", *NOVEMBER), "There is no view 'lesson_v2'"),
        (("lesson; DROP TABLE lesson", *NOVEMBER), "There is no view 'lesson; DROP TABLE lesson'"),
        (NOVEMBER, "Say which view to export: lesson, frame_score,"),
        (("lesson", "--to", "2026-12-01"), "An export needs --from."),
    ],
)
def test_what_is_asked_for_badly_is_refused(
    smilereel: Smilereel, tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    url = f"sqlite:///{tmp_path}/none.sqlite3"
    smilereel("export", *arguments, "--out", str(tmp_path / "rows"), at=url).complains(2, sentence)
    assert list(tmp_path.iterdir()) == [], "neither a file nor a database was made"


def test_an_export_needs_a_place(smilereel: Smilereel, tmp_path: Path) -> None:
    smilereel("export", "lesson", *NOVEMBER, at=f"sqlite:///{tmp_path}/none").complains(2, "An export needs --out.")


def test_a_file_that_is_there_stays(operator: Smilereel, filled: Ledger, tmp_path: Path) -> None:
    out = tmp_path / "rows.csv"
    out.write_text("precious")
    arguments = ("export", "lesson", *NOVEMBER, "--format", "csv", "--out", str(out))
    operator(*arguments).complains(2, f"{out} is there already; choose another --out, or give --force to replace it.")
    assert out.read_text() == "precious"
    assert operator(*arguments, "--force").code == 0
    assert len(cells(out)) == 9
    assert left_in(tmp_path) == {"rows.csv"}


def test_what_is_no_file_is_never_replaced(operator: Smilereel, filled: Ledger, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(tmp_path / "pipe")
    for name in ("folder", "link", "pipe"):
        out = tmp_path / name
        said = operator("export", "lesson", *NOVEMBER, "--out", str(out), "--force")
        said.complains(2, f"{out} is no ordinary file; choose another --out.")
    said = operator("export", "lesson", *NOVEMBER, "--out", str(tmp_path / "nowhere" / "rows"))
    said.complains(
        2, f"The export cannot be written to {tmp_path}/nowhere/rows: No such file or directory; choose another --out."
    )
    operator("export", "lesson", *NOVEMBER, "--out", str(tmp_path / ("r" * 300))).complains(2, "The export cannot be written to")
    assert left_in(tmp_path) == {"folder", "link", "pipe"}


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_an_export_that_breaks_off_leaves_what_was_there(filled: Ledger, tmp_path: Path, file_format: Any) -> None:
    def breaking() -> Iterator[list[Sequence[Any]]]:
        yield rows_of(filled, "lesson")
        raise KeyboardInterrupt

    out = tmp_path / "rows"
    out.write_text("yesterday's")
    with pytest.raises(KeyboardInterrupt):
        export(breaking(), LESSON, out, file_format, force=True)
    assert out.read_text() == "yesterday's"
    assert left_in(tmp_path) == {"rows"}


def test_a_file_that_comes_meanwhile_stays(filled: Ledger, tmp_path: Path) -> None:
    out = tmp_path / "rows"

    def slowly() -> Iterator[list[Sequence[Any]]]:
        yield rows_of(filled, "lesson")
        out.write_text("somebody else's")

    with pytest.raises(OutputRefused, match="is there already"):
        export(slowly(), LESSON, out, "csv")
    assert out.read_text() == "somebody else's"
    assert left_in(tmp_path) == {"rows"}


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    def full() -> Iterator[list[Sequence[Any]]]:
        yield []
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputRefused, match=r"rows: No space left on device; choose another --out\.$"):
        export(full(), LESSON, tmp_path / "rows", "csv")
    assert left_in(tmp_path) == set()


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "＝1", "'=1"]
PLAIN = ["7", "a=b", 'Ünï, "quoted"\nline', "x-1"]


def test_no_cell_is_a_formula(operator: Smilereel, ledger: Ledger, tmp_path: Path) -> None:
    for number, pupil_id in enumerate([*FORMULAS, *PLAIN]):
        tell(ledger, f"l-{number:02}", "p", on_day(17))
        with ledger.database.transaction() as session:  # as a release that took such ids has left them
            session.execute(update(LessonRow).where(LessonRow.lesson_id == f"l-{number:02}").values(pupil_id=pupil_id))
    out = tmp_path / "rows.csv"
    assert operator("export", "pupil_presence", *NOVEMBER, "--format", "csv", "--out", str(out)).code == 0
    found = [row["pupil_id"] for row in cells(out)]
    assert found == [*(f"'{formula}" for formula in FORMULAS[:-1]), FORMULAS[-1], *PLAIN]
    assert operator("export", "pupil_presence", *NOVEMBER, "--out", str(tmp_path / "rows.parquet")).code == 0
    assert parquet.read_table(tmp_path / "rows.parquet")["pupil_id"].to_pylist() == [*FORMULAS, *PLAIN]


def test_batches_are_small_and_miss_nothing(filled: Ledger) -> None:
    view, ever = find_view("frame_score"), TimeRange(on_day(1), on_day(30))
    batches = list(read_batches(filled.database, view, ever, batch_rows=100))
    assert {len(batch) for batch in batches[:-1]} == {100}
    assert 0 < len(batches[-1]) <= 100
    assert [row for batch in batches for row in batch] == rows_of(filled, "frame_score")
    assert sum(map(len, batches)) == 7 * 120


def test_no_more_than_a_batch_is_held(filled: Ledger, tmp_path: Path) -> None:
    """Sixteen times the rows, much the same memory; on a server the driver's own, which nobody traces, is held there by a cursor."""
    cursors: list[str] = []
    event.listen(filled.engine, "before_cursor_execute", lambda _c, cursor, *_: cursors.append(type(cursor).__name__))
    ever = TimeRange(on_day(1), on_day(30))

    def peak_bytes(n_rows: int) -> int:
        tracemalloc.start()
        batches = read_batches(filled.database, find_view("frame_score"), ever, batch_rows=500)
        assert export(batches, find_view("frame_score"), tmp_path / "rows", "csv", force=True) == n_rows
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    few = peak_bytes(840)
    with filled.database.transaction() as session:
        for number in range(15):
            more = text(
                "INSERT INTO lesson_second SELECT lesson_id, second + :more, student_on, teacher_on, faces, child_faces,"
                " adult_faces, p_smile, p_child, p_adult_face, p_parent_shoulder FROM lesson_second WHERE second < 120"
            )
            session.execute(more, {"more": 120 * (number + 1)})
    assert peak_bytes(16 * 840) < 2 * few
    if filled.engine.dialect.name == "postgresql":
        assert "ServerCursor" in cursors


def test_a_lesson_that_is_written_meanwhile_is_in_none_of_the_batches(filled: Ledger) -> None:
    view, ever = find_view("frame_score"), TimeRange(on_day(1), on_day(30))
    batches = read_batches(filled.database, view, ever, batch_rows=100)
    n_rows = len(next(batches))
    tell(filled, "z-1", "zoe", on_day(20))
    assert n_rows + sum(map(len, batches)) == 7 * 120
    assert len(rows_of(filled, "frame_score")) == 8 * 120


def test_a_database_that_is_away_or_empty(smilereel: Smilereel, tmp_path: Path) -> None:
    arguments = ("export", "lesson", *NOVEMBER, "--out", str(tmp_path / "rows"))
    away = smilereel(*arguments, at=f"postgresql://postgres@/ledger?host={tmp_path}")
    away.complains(1, "The ledger's database cannot be used (OperationalError); see that it runs and has room.")
    smilereel(*arguments, at=f"sqlite:///{tmp_path}/none").complains(1, "The ledger's database has no tables yet; run")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.postgresql
def test_a_server_without_views_and_a_user_without_rights(
    smilereel: Smilereel, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    arguments = ("export", "lesson", *NOVEMBER, "--format", "csv", "--out", str(tmp_path / "rows"))
    with fresh_database(postgres_server) as url:
        sentence = "The ledger's tables are missing or of an older version; run `smilereel migrate`."
        smilereel(*arguments, at=url).complains(1, sentence)
        ledger = open_ledger(url)
        ledger.create_schema()
        fill(ledger)
        with ledger.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as owner:
            owner.exec_driver_sql("CREATE ROLE nosy LOGIN")
            nosy = url.replace("//postgres@", "//nosy@")
            refused = smilereel(*arguments, at=nosy)
            refused.complains(2, "The database's user may not read lesson_v1; grant it SELECT as docs/analytics.md says.")
            assert list(tmp_path.iterdir()) == []
            # As the docs say: the schema of analysts is enough.
            owner.exec_driver_sql("ALTER ROLE nosy SET search_path = analytics; GRANT USAGE ON SCHEMA analytics TO nosy")
            owner.exec_driver_sql("GRANT SELECT ON ALL TABLES IN SCHEMA analytics TO nosy")
            assert smilereel(*arguments, at=nosy).code == 0
            assert len(cells(tmp_path / "rows")) == 9
            owner.exec_driver_sql("DROP OWNED BY nosy")
            owner.exec_driver_sql("DROP ROLE nosy")
        ledger.close()


def test_describe(smilereel: Smilereel, tmp_path: Path) -> None:
    said = smilereel("export", "--describe", at=f"sqlite:///{tmp_path}/none")
    assert said.code == 0
    for view in VIEWS:
        assert f"{view.name} ({view.versioned_name}): {view.comment}" in said.lines
        assert all(
            any(line.split()[:2] == [c.name, c.kind] and line.endswith(c.comment) for line in said.lines) for c in view.columns
        )
    one = smilereel("export", "reel", "--describe")
    assert len(one.lines) == 1 + len(find_view("reel").columns)
    assert list(tmp_path.iterdir()) == []


def test_times_are_read_as_they_are_written() -> None:
    assert parse_range("2026-11-20", "2026-11-20T10:00+03:00") == TimeRange(
        datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 20, 7, tzinfo=UTC)
    )
