"""The ledger's tables from version to version, on both databases, with lessons in them."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from shared.database import Database, open_database
from shared.errors import LedgerAway, SchemaMissing
from shared.ledger import LessonState, event_id, open_ledger
from shared.lesson import Lesson
from shared.schema import MIGRATIONS, SCHEMA_HEAD, WORKS_WITH, check, ensure_schema, migrate, upgrade, version_of
from shared.settings import load_settings
from shared.tables import Base
from tests.builders import a_lesson
from workers.commands import migrate as command

OLD_STATES = ("accepted", "processing", "done", "no_reel", "refused", "failed")
TOLD_AT = datetime(2026, 11, 20, 12, 30, 1, 250_000, tzinfo=UTC)


@pytest.fixture
def bare(bare_url: str) -> Iterator[Database]:
    database = open_database(bare_url)
    yield database
    database.close()


def differences(database: Database) -> list[Any]:
    with database.engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata))


def described(database: Database) -> dict[str, Any]:
    """All that the database itself says of its tables; the order of columns is left to it."""
    tables = inspect(database.engine)
    return {
        name: {
            "columns": {c["name"]: (str(c["type"]), c["nullable"], c["default"]) for c in tables.get_columns(name)},
            "key": tables.get_pk_constraint(name)["constrained_columns"],
            "unique": [u["column_names"] for u in tables.get_unique_constraints(name)],
            "references": [(f["constrained_columns"], f["referred_table"], f["options"]) for f in tables.get_foreign_keys(name)],
            "indexes": sorted((i["name"] or "", tuple(i["column_names"]), bool(i["unique"])) for i in tables.get_indexes(name)),
        }
        for name in tables.get_table_names()
    }


def fill_the_first_tables(database: Database) -> None:
    """A ledger as the first release made it, without a word on its version: a lesson in each state, with a run and a reel."""
    with database.engine.begin() as connection:
        migrate(connection, "0001")
        connection.execute(text("DROP TABLE alembic_version"))
        for state in OLD_STATES:
            connection.execute(
                text(
                    "INSERT INTO lesson (lesson_id, content_sha256, document, state, work_version, n_segments, facts, created_at,"
                    " updated_at) VALUES (:id, :sha, :document, :state, 'v1', 2, '{}', :told, :told)"
                ),
                {
                    "id": state,
                    "sha": a_lesson(lesson_id=state).content_sha256(),
                    "document": json.dumps(a_lesson(lesson_id=state).model_dump(mode="json")),
                    "state": state,
                    "told": TOLD_AT if database.engine.dialect.name == "postgresql" else "2026-11-20 12:30:01.250000",
                },
            )
        connection.execute(text("INSERT INTO stage_run VALUES ('done', 'v1', 'detect_faces', 0, 1, true, 2.5, 64)"))
        connection.execute(
            text("INSERT INTO reel (lesson_id, work_version, frames, width, height, bytes, created_at)"
                 " SELECT lesson_id, work_version, 9, 320, 320, 500000, updated_at FROM lesson WHERE state = 'done'")
        )  # fmt: skip


def test_the_head_is_the_last_migration_and_versions_sort_by_name() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    revisions = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert revisions[0] == SCHEMA_HEAD
    assert revisions == sorted(revisions, reverse=True)
    assert all(len(revision) == 4 for revision in revisions)


def test_migrated_tables_are_those_that_are_made_at_once(bare: Database) -> None:
    with bare.engine.begin() as connection:
        migrate(connection, SCHEMA_HEAD)
    assert differences(bare) == []
    migrated = described(bare)
    with bare.engine.begin() as connection:
        connection.execute(text("DROP TABLE alembic_version"))
        Base.metadata.drop_all(connection)
    ensure_schema(bare)
    assert differences(bare) == []
    assert described(bare) == migrated
    check(bare)


def releases(database: Database) -> list[tuple[str, str]]:
    with database.reading() as session:
        found = session.execute(text("SELECT version, works_with FROM schema_release ORDER BY version"))
        return [(version, works_with) for version, works_with in found]


def test_new_and_migrated_tables_say_who_can_work_with_them(bare: Database) -> None:
    with bare.engine.begin() as connection:
        migrate(connection, SCHEMA_HEAD)
    assert releases(bare)[-1] == (SCHEMA_HEAD, WORKS_WITH), "the last migration and `shared/schema.py` have to agree"
    with bare.engine.begin() as connection:
        connection.execute(text("DROP TABLE alembic_version"))
        Base.metadata.drop_all(connection)
    ensure_schema(bare)
    assert releases(bare) == [(SCHEMA_HEAD, WORKS_WITH)]


def test_the_comparison_does_see_a_difference(bare: Database) -> None:
    with bare.engine.begin() as connection:
        migrate(connection, "0001")
    assert differences(bare)


def test_a_filled_ledger_of_the_first_release(bare: Database, bare_url: str) -> None:
    fill_the_first_tables(bare)
    assert version_of(bare) == "0001"
    with pytest.raises(SchemaMissing, match=r"of version 0001 and have to be of .* run `smilereel migrate`"):
        check(bare)
    assert upgrade(bare) == "0001"
    check(bare)
    assert differences(bare) == []
    assert upgrade(bare) == SCHEMA_HEAD, "nothing is left to do"

    ledger = open_ledger(bare_url)
    for old in OLD_STATES:
        record = ledger.require(old)
        assert record.state == ("quarantined" if old == "failed" else old)
        assert (record.generation, record.attempts, record.lease_until) == (0, 0, None)
        assert record.updated_at == TOLD_AT
    assert ledger.runs.progress("done", "v1")["detect_faces"].items == 64
    with ledger.database.reading() as session:
        events = {
            row.lesson_id: row
            for row in session.execute(text("SELECT event_id, lesson_id, round, state, work_version FROM event"))
        }
        told_at = session.execute(text("SELECT e.created_at, l.updated_at FROM event e JOIN lesson l USING (lesson_id)")).all()
        assert session.execute(text("SELECT count(*) FROM reel")).scalar_one() == 1
    assert set(events) == {"done", "no_reel", "refused", "failed"}
    for lesson_id, row in events.items():
        assert (row.event_id, row.round, row.work_version) == (event_id(lesson_id, 1), 1, "v1")
        assert row.state == ledger.require(lesson_id).state
    assert all(told == ended for told, ended in told_at)

    assert ledger.reopen("failed")
    assert ledger.finish("failed", LessonState.REFUSED, "again"), "the second round is told under an id of its own"
    assert sorted(ledger.sending.waiting(10)) == ["accepted"]
    assert ledger.sending.stalled() == ["processing"]
    ledger.close()


def test_a_migration_that_fails_changes_nothing(bare: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    fill_the_first_tables(bare)
    monkeypatch.setattr("alembic.operations.base.Operations.create_table", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        upgrade(bare)
    monkeypatch.undo()
    assert version_of(bare) == "0001"
    assert "round" not in {column["name"] for column in inspect(bare.engine).get_columns("lesson")}
    upgrade(bare)
    check(bare)


def _ensure(url: str, barrier: Any, outcomes: Any) -> None:
    database = open_database(url)
    barrier.wait(60)
    try:
        ensure_schema(database)
        check(database)
        outcomes.put("")
    except Exception as error:  # noqa: BLE001  (told to the parent)
        outcomes.put(repr(error))


@pytest.mark.parametrize("filled", [False, True])
def test_processes_that_upgrade_at_once_all_succeed(bare: Database, bare_url: str, filled: bool) -> None:
    if filled:
        fill_the_first_tables(bare)
    bare.close()
    context = multiprocessing.get_context("fork")
    barrier, outcomes = context.Barrier(4), context.Queue()
    processes = [context.Process(target=_ensure, args=(bare_url, barrier, outcomes)) for _ in range(4)]
    for process in processes:
        process.start()
    assert [outcomes.get(timeout=90) for _ in processes] == ["", "", "", ""]
    for process in processes:
        process.join(10)
    assert differences(bare) == []


def test_threads_that_upgrade_at_once_all_succeed(bare: Database) -> None:
    fill_the_first_tables(bare)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: upgrade(bare), range(4)))
    assert sorted(str(version) for version in found) == ["0001", SCHEMA_HEAD, SCHEMA_HEAD, SCHEMA_HEAD]


def test_a_newer_ledger_is_refused(bare: Database) -> None:
    ensure_schema(bare)
    with bare.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0999'"))
    for refuse in (ensure_schema, upgrade, check):
        with pytest.raises(SchemaMissing, match="of version 0999, newer than this release knows"):
            refuse(bare)
    assert version_of(bare) == "0999"


def test_without_tables_everything_says_so(bare: Database, bare_url: str) -> None:
    with pytest.raises(SchemaMissing, match="no tables yet; run `smilereel migrate`"):
        check(bare)
    ledger = open_ledger(bare_url)
    with pytest.raises(SchemaMissing, match="run `smilereel migrate`"):
        ledger.read("lesson-1")
    with pytest.raises(SchemaMissing, match="run `smilereel migrate`"):
        ledger.accept(a_lesson())
    ledger.close()


def test_older_tables_are_told_from_missing_ones(bare: Database, bare_url: str) -> None:
    fill_the_first_tables(bare)
    ledger = open_ledger(bare_url)
    lesson: Lesson = a_lesson(lesson_id="done")
    for ask in (lambda: ledger.read("done"), lambda: ledger.accept(lesson), ledger.sending.stalled):
        with pytest.raises(SchemaMissing, match="of an older version; run `smilereel migrate`"):
            ask()
    ledger.close()


def test_looking_at_a_file_that_is_not_there_makes_none(tmp_path: Path) -> None:
    assert version_of(open_database(f"sqlite:///{tmp_path}/none.sqlite3")) is None
    assert list(tmp_path.iterdir()) == []


def test_an_embedded_run_starts_without_alembic(tmp_path: Path) -> None:
    code = f"""
import sys
from shared.ledger import open_ledger
for _ in range(2):
    open_ledger("sqlite:///{tmp_path}/l.sqlite3").create_schema()
assert not [name for name in sys.modules if name.startswith(("alembic", "mako", "psycopg"))]
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_the_extra_an_older_ledger_says_what_to_install(bare: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    fill_the_first_tables(bare)
    monkeypatch.setitem(sys.modules, "alembic", None)
    with pytest.raises(SchemaMissing, match="with the extra 'migrate'"):
        ensure_schema(bare)
    assert version_of(bare) == "0001"


@pytest.fixture
def settings_of(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    load_settings.cache_clear()
    yield monkeypatch
    load_settings.cache_clear()


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    code = command.main(parser.parse_args(arguments))
    return code, capsys.readouterr().out.strip()


def test_the_command(bare: Database, bare_url: str, settings_of: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    settings_of.setenv("SMILEREEL_DATABASE_URL", bare_url)
    assert run(capsys, "--check") == (1, "The ledger's database has no tables yet; run `smilereel migrate`.")
    fill_the_first_tables(bare)
    code, said = run(capsys, "--check", "--json")
    assert (code, json.loads(said)) == (1, {"from": "0001", "to": "0001", "head": SCHEMA_HEAD, "current": False})
    assert run(capsys) == (0, f"Brought the ledger's tables from version 0001 to {SCHEMA_HEAD}.")
    assert run(capsys) == (0, f"The ledger's tables are up to date, of version {SCHEMA_HEAD}.")
    assert run(capsys, "--check")[0] == 0
    code, said = run(capsys, "--json")
    assert (code, json.loads(said)) == (0, {"from": SCHEMA_HEAD, "to": SCHEMA_HEAD, "head": SCHEMA_HEAD, "current": True})


def test_the_command_with_a_database_that_is_away(
    tmp_path: Path, settings_of: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for url in (f"postgresql://postgres@/ledger?host={tmp_path}", f"sqlite:///{tmp_path}/nowhere/ledger.sqlite3"):
        load_settings.cache_clear()
        settings_of.setenv("SMILEREEL_DATABASE_URL", url)
        with pytest.raises(LedgerAway, match=r"The ledger's database cannot be used \(.+\); see that it runs and has room\.$"):
            run(capsys)
