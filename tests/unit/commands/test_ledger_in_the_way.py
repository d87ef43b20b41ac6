"""The operator's commands where the database is away, holds no tables or those of another version: one sentence, no traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from shared.database import open_database
from shared.ledger import LessonState, open_ledger
from shared.schema import SCHEMA_HEAD, ensure_schema, migrate, version_of
from tests.ledgers import put_into
from tests.unit.commands.conftest import Smilereel

LOOKING = [["lessons"], ["lessons", "--state", "done", "--json"], ["quarantine"], ["retry", "lesson-1"], ["retry", "--all"]]
MIGRATING = [["migrate"], ["migrate", "--check"], ["migrate", "--check", "--json"]]
NONE_YET = "The ledger's database has no tables yet; run `smilereel migrate`."


def at_version(url: str, version: str) -> None:
    """Tables that say they are of this version, and where it is an older one, are."""
    database = open_database(url)
    if version < SCHEMA_HEAD:
        with database.engine.begin() as connection:
            migrate(connection, version)
    else:
        ensure_schema(database)
        with database.engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :version"), {"version": version})
    database.close()


def test_without_tables(bare_url: str, smilereel: Smilereel) -> None:
    for call in LOOKING:
        smilereel(*call, at=bare_url).complains(1, NONE_YET)
    said = smilereel("migrate", "--check")
    assert (said.code, said.out, said.err) == (1, f"{NONE_YET}\n", "")
    said = smilereel("migrate", "--check", "--json")
    assert (said.code, json.loads(said.out)) == (1, {"from": None, "to": None, "head": SCHEMA_HEAD, "current": False})


def test_looking_makes_no_file(tmp_path: Path, smilereel: Smilereel) -> None:
    before = sorted(tmp_path.iterdir())
    for call in [*LOOKING, ["migrate", "--check"]]:
        assert smilereel(*call, at=f"sqlite:///{tmp_path}/mistyped.sqlite3").code == 1
    assert sorted(tmp_path.iterdir()) == before


def test_migrate_makes_what_the_others_need(bare_url: str, smilereel: Smilereel) -> None:
    said = smilereel("migrate", at=bare_url)
    assert (said.code, said.out, said.err) == (0, f"Made the ledger's tables, of version {SCHEMA_HEAD}.\n", "")
    assert smilereel("migrate", "--check").code == 0
    assert smilereel("lessons").out == "no lessons\n"


def test_tables_of_an_older_release(bare_url: str, smilereel: Smilereel) -> None:
    at_version(bare_url, "0001")
    behind = f"The ledger's tables are of version 0001 and have to be of {SCHEMA_HEAD}; run `smilereel migrate`."
    for call in LOOKING:
        smilereel(*call, at=bare_url).complains(1, behind)
    assert smilereel("migrate", "--check").out == f"{behind}\n"
    assert smilereel("migrate").out == f"Brought the ledger's tables from version 0001 to {SCHEMA_HEAD}.\n"
    assert smilereel("lessons").code == 0


def test_older_tables_without_the_extra(bare_url: str, smilereel: Smilereel, monkeypatch: pytest.MonkeyPatch) -> None:
    at_version(bare_url, "0001")
    monkeypatch.setitem(sys.modules, "alembic", None)
    said = smilereel("migrate", at=bare_url)
    said.complains(1, "The ledger's tables are of an older version: install smilereel with the extra 'migrate'")


def test_tables_of_a_newer_release_are_left_alone(bare_url: str, smilereel: Smilereel) -> None:
    ledger = open_ledger(bare_url)
    ledger.create_schema()
    put_into(ledger, LessonState.QUARANTINED)
    at_version(bare_url, "0999")
    newer = "The ledger's tables are of version 0999, newer than this release knows"
    for call in [*LOOKING, ["migrate"]]:
        smilereel(*call, at=bare_url).complains(1, newer)
    said = smilereel("migrate", "--check")
    assert (said.code, said.out.startswith(newer)) == (1, True)
    assert json.loads(smilereel("migrate", "--check", "--json").out)["current"] is False
    assert version_of(ledger.database) == "0999"
    assert ledger.require("lesson-1").state is LessonState.QUARANTINED
    ledger.close()


@pytest.mark.parametrize("call", [*LOOKING, *MIGRATING], ids=" ".join)
def test_a_database_that_is_away(call: list[str], tmp_path: Path, smilereel: Smilereel) -> None:
    (tmp_path / "folder").mkdir()
    for url in (f"postgresql://postgres:hunter2@/ledger?host={tmp_path}", f"sqlite:///{tmp_path}/folder"):
        said = smilereel(*call, at=url)
        said.complains(1, "The ledger's database cannot be used (")
        assert "see that it runs and has room" in said.err
        assert "hunter2" not in said.err


def test_migrating_below_a_folder_that_is_missing(tmp_path: Path, smilereel: Smilereel) -> None:
    said = smilereel("migrate", at=f"sqlite:///{tmp_path}/nowhere/ledger.sqlite3")
    said.complains(1, "The ledger's database cannot be used (unable to open database file)")


@pytest.mark.parametrize("call", [*LOOKING, *MIGRATING], ids=" ".join)
@pytest.mark.parametrize(
    "url", ["mysql://me:hunter2@host/ledger", "ledger.sqlite3", "sqlite://:hunter2", "postgresql://me:hunter2@host:x/y"]
)
def test_an_address_that_is_none(url: str, call: list[str], smilereel: Smilereel) -> None:
    said = smilereel(*call, at=url)
    said.complains(2, "SMILEREEL_DATABASE_URL ")
    assert "hunter2" not in said.err


def test_from_a_shell(tmp_path: Path) -> None:
    environment = {**os.environ, "SMILEREEL_DATABASE_URL": f"postgresql://postgres@/ledger?host={tmp_path}"}
    ended = subprocess.run(
        [sys.executable, "-m", "workers", "lessons"], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        "smilereel: The ledger's database cannot be used (OperationalError); see that it runs and has room.\n"
    )
