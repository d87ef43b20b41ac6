"""The analysts' views on both databases: what is in them, who is not, who may read them, and that they stay what they are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import inspect, text

from shared.database import Database, open_database
from shared.errors import SchemaMissing
from shared.ledger import Ledger, open_ledger
from shared.schema import ensure_schema
from shared.view_catalogue import VIEWS, View
from shared.views import ANALYTICS_SCHEMA, drop_views, make_views
from tests.analysts import FRACTION, N_SECONDS, fill, on_day
from tests.builders import a_lesson
from workers.export import TimeRange, read_batches

DOCS = Path(__file__).parents[3] / "docs" / "analytics.md"
EVER = TimeRange(on_day(1), on_day(30))
SHOWN = ["a-1", "a-2", "b-1", "b-2", "c-1", "c-2", "c-3", "refused", "waits"]

# The promise of version 1. A column may be added at the end of none of them: what has to change is a version 2.
PROMISED = {
    "lesson_v1": "lesson_id text, pupil_id text?, lesson_at time, week_starts_on date, state text, no_reel_reason text?,"
    " has_reel boolean, handed_in_at time, starts_at time?, ends_at time?, lesson_seconds integer?, student_on_seconds integer?,"
    " teacher_on_seconds integer?, student_disconnects integer?, teacher_disconnects integer?, work_version text?",
    "frame_score_v1": "lesson_id text, lesson_at time, second integer, at time, student_on boolean, teacher_on boolean?,"
    " faces integer?, child_faces integer?, adult_faces integer?, p_smile real?, p_child real?, p_adult_face real?,"
    " p_parent_shoulder real?",
    "disconnect_v1": "lesson_id text, lesson_at time, side text, starts_at time, ends_at time, seconds real",
    "reel_v1": "lesson_id text, lesson_at time, work_version text, frames integer, width integer, height integer, bytes integer,"
    " made_at time, approved_at time?",
    "pupil_presence_v1": "pupil_id text?, lesson_id text, lesson_at time, week_starts_on date, lesson_minutes real,"
    " student_on_minutes real, teacher_on_minutes real?, seen_minutes real, child_minutes real, child_alone_minutes real,"
    " adult_face_minutes real, parent_shoulder_minutes real, nobody_minutes real",
}
POSTGRESQL_TYPES = {
    "text": "text",
    "integer": "integer",
    "real": "double precision",
    "boolean": "boolean",
    "time": "timestamp with time zone",
    "date": "date",
}
PYTHON_TYPES = {"text": str, "integer": int, "real": float, "boolean": bool, "time": datetime, "date": date}


def rows_of(database: Database, view: View) -> list[dict[str, Any]]:
    names = [column.name for column in view.columns]
    return [dict(zip(names, row, strict=True)) for batch in read_batches(database, view, EVER) for row in batch]


def view_named(name: str) -> View:
    return next(view for view in VIEWS if view.name == name)


def promised(view: View) -> str:
    return ", ".join(f"{column.name} {column.kind}{'?' if column.nullable else ''}" for column in view.columns)


def test_names_order_and_types_are_what_was_promised(ledger: Ledger) -> None:
    assert {view.versioned_name: promised(view) for view in VIEWS} == PROMISED
    tables = inspect(ledger.engine)
    assert set(tables.get_view_names()) == set(PROMISED)
    for view in VIEWS:
        found = tables.get_columns(view.versioned_name)
        assert [column["name"] for column in found] == [column.name for column in view.columns]


def test_the_server_has_the_promised_types_and_comments(bare_server_url: str) -> None:
    database = open_database(bare_server_url)
    ensure_schema(database)
    query = text(
        "SELECT column_name, data_type, col_description(CAST(:name AS regclass), ordinal_position)"
        " FROM information_schema.columns WHERE table_schema = :schema AND table_name = :table ORDER BY ordinal_position"
    )
    with database.engine.connect() as connection:
        for view in VIEWS:
            expected = [(column.name, POSTGRESQL_TYPES[column.kind], column.comment) for column in view.columns]
            for schema, name in (("public", view.versioned_name), ("analytics", view.versioned_name), ("analytics", view.name)):
                where = {"name": f"{schema}.{name}", "schema": schema, "table": name}
                assert [tuple(row) for row in connection.execute(query, where)] == expected, where
                comment = connection.execute(text("SELECT obj_description(CAST(:name AS regclass))"), where).scalar_one()
                assert comment == f"smilereel: {view.comment}"
    database.close()


def test_values_have_the_promised_types_and_are_there(ledger: Ledger) -> None:
    fill(ledger)
    for view in VIEWS:
        rows = rows_of(ledger.database, view)
        assert rows
        for column in view.columns:
            values = [row[column.name] for row in rows]
            # Nobody approved a reel.
            assert column.name == "approved_at" or any(value is not None for value in values), column.name
            assert column.nullable or None not in values, column.name
            assert {type(value) for value in values if value is not None} <= {PYTHON_TYPES[column.kind]}, column.name
        keys = [tuple(row[name] for name in view.key) for row in rows]
        assert len(set(keys)) == len(keys)
        assert keys == sorted(keys)


def test_a_lesson(ledger: Ledger) -> None:
    fill(ledger)
    lessons = {row["lesson_id"]: row for row in rows_of(ledger.database, view_named("lesson"))}
    assert list(lessons) == SHOWN
    b_2 = lessons["b-2"]
    assert (b_2["pupil_id"], b_2["state"], b_2["no_reel_reason"], b_2["has_reel"]) == ("ben", "no_reel", "no_face", False)
    assert (b_2["lesson_at"], b_2["starts_at"]) == (on_day(25), on_day(25))
    assert b_2["ends_at"] == on_day(25) + timedelta(seconds=N_SECONDS)
    assert (b_2["lesson_seconds"], b_2["student_on_seconds"], b_2["teacher_on_seconds"]) == (120, 84, 120)
    assert (b_2["student_disconnects"], b_2["teacher_disconnects"], b_2["work_version"]) == (2, 0, "v1")
    assert lessons["a-1"]["has_reel"] is True
    assert (lessons["c-2"]["teacher_on_seconds"], lessons["c-2"]["teacher_disconnects"]) == (None, None)
    waits = lessons["waits"]
    assert [waits[name] for name in ("state", "starts_at", "lesson_seconds", "student_disconnects")] == [
        "accepted",
        None,
        None,
        None,
    ]
    assert waits["lesson_at"] == waits["handed_in_at"] == datetime.fromisoformat("2026-11-20T12:00:00+00:00")
    # Its reason names a file, and a file may be named after a pupil.
    assert (lessons["refused"]["state"], lessons["refused"]["no_reel_reason"]) == ("refused", None)


@pytest.mark.parametrize(
    ("starts_at", "monday"),
    [
        ("2026-11-22T23:59:59.999999Z", "2026-11-16"),
        ("2026-11-23T00:00:00Z", "2026-11-23"),
        ("2027-01-01T12:00:00Z", "2026-12-28"),
    ],
)
def test_a_week_begins_on_monday_midnight_utc(ledger: Ledger, clock: Any, starts_at: str, monday: str) -> None:
    clock.time = datetime.fromisoformat(starts_at)
    ledger.accept(a_lesson(consent={"process": True, "analytics": True}))
    with ledger.database.reading() as session:
        if ledger.engine.dialect.name == "postgresql":
            session.execute(text("SET LOCAL timezone = 'Asia/Vladivostok'"))
        assert str(session.execute(text("SELECT week_starts_on FROM lesson_v1")).scalar_one()) == monday


def test_a_second(ledger: Ledger) -> None:
    fill(ledger)
    seconds = [row for row in rows_of(ledger.database, view_named("frame_score")) if row["lesson_id"] == "b-2"]
    assert [row["second"] for row in seconds] == list(range(N_SECONDS))
    assert [row["at"] for row in seconds] == [on_day(25) + timedelta(seconds=second) for second in range(N_SECONDS)]
    assert seconds[0]["at"].microsecond == FRACTION.microseconds
    looked_at = ("faces", "child_faces", "adult_faces", "p_smile", "p_child", "p_adult_face", "p_parent_shoulder")
    assert [seconds[10][name] for name in looked_at] == [0, 0, 0, None, None, None, 0.05]
    assert [seconds[70][name] for name in looked_at] == [None] * 7
    assert [seconds[95][name] for name in looked_at] == pytest.approx([1, 1, 0, 0.3, 0.9, 0.1, 0.05])
    assert (seconds[70]["student_on"], seconds[70]["teacher_on"], seconds[95]["student_on"]) == (False, True, True)


def test_disconnects_reels_and_presence(ledger: Ledger) -> None:
    fill(ledger)
    assert [
        (row["lesson_id"], row["side"], (row["starts_at"] - row["lesson_at"]).total_seconds(), row["seconds"])
        for row in rows_of(ledger.database, view_named("disconnect"))
    ] == [
        ("b-1", "student", 40, 36),
        ("b-2", "student", 60, 24),
        ("b-2", "student", 100, 12),
        ("c-1", "teacher", 10, 10),
        ("c-3", "teacher", 30, 40),
    ]
    assert ledger.rights.approve_reel("a-2", next(iter(ledger.told.reel_versions("a-2"))), "somebody@school")
    reels = {row["lesson_id"]: row for row in rows_of(ledger.database, view_named("reel"))}
    assert sorted(reels) == ["a-1", "a-2", "c-1"]
    assert [reels["a-1"][name] for name in ("frames", "width", "height", "bytes")] == [9, 320, 320, 517_000]
    assert (reels["a-1"]["approved_at"], reels["a-2"]["approved_at"]) == (None, reels["a-2"]["made_at"])
    minutes = {row["lesson_id"]: row for row in rows_of(ledger.database, view_named("pupil_presence"))}
    assert sorted(minutes) == SHOWN[:7]
    assert {name: value for name, value in minutes["b-2"].items() if name.endswith("minutes")} == pytest.approx(
        {
            "lesson_minutes": 2.0,
            "student_on_minutes": 1.4,
            "teacher_on_minutes": 2.0,
            "seen_minutes": 1.4,
            "child_minutes": 0.3,
            "child_alone_minutes": 0.3,
            "adult_face_minutes": 0.0,
            "parent_shoulder_minutes": 0.0,
            "nobody_minutes": 1.1,
        }
    )
    assert (minutes["a-1"]["parent_shoulder_minutes"], minutes["c-2"]["adult_face_minutes"]) == (1.0, 2.0)


def test_a_gap_of_milliseconds(ledger: Ledger) -> None:
    fill(ledger)
    with ledger.database.transaction() as session:
        session.execute(text("UPDATE camera_gap SET ends_at = :at WHERE lesson_id = 'b-1'"), {"at": _stored(ledger, 40.123)})
    found = next(row for row in rows_of(ledger.database, view_named("disconnect")) if row["lesson_id"] == "b-1")
    assert found["seconds"] == 0.123


def _stored(ledger: Ledger, second: float) -> Any:
    at = on_day(18) + timedelta(seconds=second)
    return at if ledger.engine.dialect.name == "postgresql" else at.strftime("%Y-%m-%d %H:%M:%S.%f")


@pytest.mark.parametrize("purpose", ["process", "analytics"])
def test_consent_that_is_withdrawn_empties_every_view_at_once(ledger: Ledger, purpose: str) -> None:
    fill(ledger)
    agreed = a_lesson(consent={"process": True, "reel": True, "analytics": True, purpose: False}).consent
    for lesson_id in SHOWN:
        ledger.rights.change_consent(lesson_id, agreed, "backend")
    for view in VIEWS:
        assert rows_of(ledger.database, view) == []


@pytest.mark.parametrize("purpose", ["process", "analytics"])
def test_the_views_themselves_ask_for_consent(ledger: Ledger, purpose: str) -> None:
    """Whatever rows are still there, as before a purge or after a change by hand."""
    fill(ledger)
    with ledger.database.transaction() as session:
        session.execute(text(f"UPDATE lesson SET consent_{purpose} = false"))
    for view in VIEWS:
        assert rows_of(ledger.database, view) == []


def test_a_reel_without_consent_for_reels_is_in_no_view(ledger: Ledger) -> None:
    fill(ledger)
    with ledger.database.transaction() as session:
        session.execute(text("UPDATE lesson SET consent_reel = false"))
    assert rows_of(ledger.database, view_named("reel")) == []
    assert not any(row["has_reel"] for row in rows_of(ledger.database, view_named("lesson")))


def test_an_erased_lesson_is_in_no_view(ledger: Ledger) -> None:
    fill(ledger)
    ledger.rights.erase("b-2", "backend")
    for view in VIEWS:
        assert "b-2" not in {row["lesson_id"] for row in rows_of(ledger.database, view)}


def test_without_mood_analytics_the_column_is_there_and_empty(ledger: Ledger) -> None:
    fill(ledger, mood_analytics=False)
    assert {row["p_smile"] for row in rows_of(ledger.database, view_named("frame_score"))} == {None}


def test_nothing_leads_to_a_document_a_recording_or_a_file(ledger: Ledger) -> None:
    fill(ledger)
    told = repr([rows_of(ledger.database, view) for view in VIEWS])
    assert "anna" in told
    for secret in (".mp4", "uri", "ben-at-home", "decoded", "dora", "emil", "silent", "withdrawn"):
        assert secret not in told
    for view in VIEWS:
        names = [column.name for column in view.columns]
        assert ("pupil_id" in names) == (view.name in {"lesson", "pupil_presence"})


def test_views_are_made_again_over_themselves(ledger: Ledger) -> None:
    with ledger.engine.begin() as connection:
        make_views(connection)
        make_views(connection)
        drop_views(connection)
        assert inspect(connection).get_view_names() == []
        drop_views(connection)
        make_views(connection)
    assert set(inspect(ledger.engine).get_view_names()) == set(PROMISED)


def documented_columns(views: Sequence[View] = VIEWS) -> str:
    """The tables that stand in the docs."""
    lines: list[str] = []
    for view in views:
        lines += [f"### `{view.versioned_name}`", "", view.comment, "", "| Column | Type | |", "|--|--|--|"]
        lines += [
            f"| `{column.name}` | {column.kind}{' ○' if column.nullable else ''} | {column.comment} |" for column in view.columns
        ]
        lines += [""]
    return "\n".join(lines)


def test_the_docs_say_what_the_catalogue_says() -> None:
    found = re.search(r"<!-- columns -->\n+(.*?)<!-- /columns -->", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    assert found.group(1).strip() == documented_columns().strip()


@contextmanager
def analyst(url: str) -> Iterator[psycopg.Connection[Any]]:
    """A user with the rights that the docs grant, and nothing else."""
    grants = re.search(r"```sql\n(CREATE ROLE analyst.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert grants is not None
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute(grants.group(1))
        try:
            with psycopg.connect(url.replace("//postgres@", "//analyst@"), autocommit=True) as connection:
                yield connection
        finally:
            owner.execute("DROP OWNED BY analyst; DROP ROLE analyst")


def test_an_analyst_reads_the_views_and_no_table(bare_server_url: str) -> None:
    ledger = open_ledger(bare_server_url)
    ledger.create_schema()
    fill(ledger)
    with analyst(bare_server_url) as connection:
        for _ in range(2):
            for view in VIEWS:
                n_rows = len(rows_of(ledger.database, view))
                for name in (view.name, view.versioned_name):
                    found = connection.execute(f"SELECT count(*) FROM {name}").fetchone()
                    assert found == (n_rows,)
            for forbidden in (
                "SELECT * FROM public.lesson",
                "SELECT * FROM public.lesson_second",
                "SELECT * FROM public.audit",
                "DELETE FROM disconnect",
                "CREATE VIEW analytics.mine AS SELECT 1",
            ):
                with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ObjectNotInPrerequisiteState)):
                    connection.execute(forbidden)
            # As an upgrade does; what was granted holds on.
            with ledger.engine.begin() as upgrading:
                make_views(upgrading)
    ledger.close()


def test_a_readers_condition_is_not_tried_on_what_consent_leaves_out(bare_server_url: str) -> None:
    ledger = open_ledger(bare_server_url)
    ledger.create_schema()
    fill(ledger)
    with psycopg.connect(bare_server_url, autocommit=True) as connection:
        connection.execute(
            "CREATE FUNCTION leak(words text) RETURNS boolean LANGUAGE plpgsql COST 0.0001"
            " AS $$ BEGIN RAISE NOTICE '%', words; RETURN true; END $$"
        )
        heard: list[str] = []
        connection.add_notice_handler(lambda notice: heard.append(notice.message_primary or ""))
        for name in ("disconnect_v1", "pupil_presence_v1", "analytics.disconnect", "analytics.pupil_presence"):
            connection.execute(f"SELECT count(*) FROM {name} WHERE leak(lesson_id)")
        assert set(heard) == set(SHOWN[:7])
    ledger.close()


def test_what_somebody_else_has_in_the_schema_is_left_alone(bare_server_url: str) -> None:
    database = open_database(bare_server_url)
    with database.engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA analytics"))
        connection.execute(text("CREATE TABLE analytics.lesson (mine integer)"))
        connection.execute(text("CREATE VIEW analytics.reel AS SELECT mine FROM analytics.lesson"))
    ensure_schema(database)
    tables = inspect(database.engine)
    assert tables.get_table_names(schema=ANALYTICS_SCHEMA) == ["lesson"]
    assert [column["name"] for column in tables.get_columns("reel", schema=ANALYTICS_SCHEMA)] == ["mine"]
    with database.engine.begin() as connection:
        drop_views(connection)
        assert inspect(connection).get_view_names(schema=ANALYTICS_SCHEMA) == ["reel"]
        make_views(connection)
    expected = {view.versioned_name for view in VIEWS} | {view.name for view in VIEWS} - {"lesson"}
    assert set(inspect(database.engine).get_view_names(schema=ANALYTICS_SCHEMA)) == expected
    database.close()


def test_views_on_ours_stop_an_upgrade_with_a_sentence(bare_server_url: str) -> None:
    database = open_database(bare_server_url)
    ensure_schema(database)
    with database.engine.begin() as connection:
        connection.execute(text("CREATE VIEW mine AS SELECT count(*) FROM analytics.lesson"))
    with (
        pytest.raises(SchemaMissing, match=r"built on smilereel's.* drop them, run `smilereel migrate`"),
        database.engine.begin() as c,
    ):
        drop_views(c)
    assert set(inspect(database.engine).get_view_names()) == {*PROMISED, "mine"}
    database.close()


def test_a_user_without_the_right_to_make_schemas_gets_the_other_views(bare_server_url: str) -> None:
    with psycopg.connect(bare_server_url, autocommit=True) as connection:
        connection.execute("CREATE ROLE humble LOGIN; GRANT CREATE ON SCHEMA public TO humble")
    database = open_database(bare_server_url.replace("//postgres@", "//humble@"))
    try:
        ensure_schema(database)
        tables = inspect(database.engine)
        assert set(tables.get_view_names()) == set(PROMISED)
        assert ANALYTICS_SCHEMA not in tables.get_schema_names()
    finally:
        database.close()
        with psycopg.connect(bare_server_url, autocommit=True) as connection:
            connection.execute("DROP OWNED BY humble; DROP ROLE humble")
