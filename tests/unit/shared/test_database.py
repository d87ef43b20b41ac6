"""A database that is away, frozen, moved or held up by somebody: one sentence, and everything goes on by itself when it is back."""

from __future__ import annotations

import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from shared import database as module
from shared.database import open_database
from shared.errors import LedgerAway, SchemaMissing, ServiceError, SettingsInvalid
from shared.ledger import Ledger, LessonState, open_ledger
from shared.tables import LessonRow
from tests.builders import a_lesson
from tests.ledgers import put_into
from workers.local.postgres import PostgresServer

ONE_SENTENCE = re.compile(r"^The ledger's database cannot be used \([^()]+\); see that it runs and has room\.$")


@pytest.fixture
def on_postgresql(postgres_server: PostgresServer, emptied_url: str) -> Iterator[Ledger]:
    ledger = open_ledger(emptied_url)
    with ledger.database.transaction() as session:
        session.execute(text("DELETE FROM lesson"))
    yield ledger
    postgres_server.thaw()
    postgres_server.start()
    ledger.close()


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Iterator[Ledger]:
    (tmp_path / "there").mkdir()
    ledger = open_ledger(f"sqlite:///{tmp_path}/there/ledger.sqlite3")
    ledger.create_schema()
    yield ledger
    ledger.close()


def calls(ledger: Ledger) -> list[Callable[[], object]]:
    """One of each kind: a write that reads first, a read, a bulk write, a duty."""
    return [
        lambda: ledger.accept(a_lesson(lesson_id="lesson-2")),
        lambda: ledger.read("lesson-1"),
        lambda: ledger.finish("lesson-1", LessonState.REFUSED, "why"),
        lambda: ledger.sending.take("lesson-1", lease_seconds=60, most_attempts=3),
        ledger.sending.everything_lost,
        lambda: ledger.runs.started("lesson-1", "v1", "decode_segment", 0),
        lambda: ledger.duties.hold("reconciler", "a", 10),
    ]


def all_are_refused(ledger: Ledger) -> None:
    for call in calls(ledger):
        started = time.monotonic()
        with pytest.raises(LedgerAway, match=ONE_SENTENCE):
            call()
        assert time.monotonic() - started < 5, "nobody waits for what is known to be away"


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_postgresql_goes_away_and_comes_back(on_postgresql: Ledger, postgres_server: PostgresServer, how: str) -> None:
    ledger = on_postgresql
    put_into(ledger, LessonState.PROCESSING)
    with ledger.database.reading(), ledger.database.reading():
        pass  # several connections lie in the pool
    getattr(postgres_server, how)()
    assert postgres_server.pid is None
    all_are_refused(ledger)
    postgres_server.start()
    assert ledger.require("lesson-1").state is LessonState.PROCESSING, "what was written is still there"
    for call in calls(ledger):
        call()


def test_a_restart_between_two_calls_is_not_even_noticed(on_postgresql: Ledger, postgres_server: PostgresServer) -> None:
    put_into(on_postgresql, LessonState.PROCESSING)
    postgres_server.kill()
    postgres_server.start()
    assert on_postgresql.require("lesson-1").state is LessonState.PROCESSING


def test_postgresql_goes_away_inside_a_transaction(on_postgresql: Ledger, postgres_server: PostgresServer) -> None:
    put_into(on_postgresql, LessonState.PROCESSING)

    def half_a_transaction() -> None:
        with on_postgresql.database.transaction() as session:
            session.get_one(LessonRow, "lesson-1").state = "done"
            session.flush()
            postgres_server.kill()

    with pytest.raises(LedgerAway, match=ONE_SENTENCE):
        half_a_transaction()
    postgres_server.start()
    assert on_postgresql.require("lesson-1").state is LessonState.PROCESSING, "half a transaction is none"


def test_a_frozen_postgresql_is_given_up_soon(on_postgresql: Ledger, postgres_server: PostgresServer) -> None:
    on_postgresql.close()
    postgres_server.freeze()
    started = time.monotonic()
    with pytest.raises(LedgerAway, match=ONE_SENTENCE):
        on_postgresql.read("lesson-1")
    assert time.monotonic() - started < module.CONNECT_SECONDS + 5
    postgres_server.thaw()
    assert on_postgresql.read("lesson-1") is None


def test_who_freezes_inside_a_transaction_holds_nobody_up(
    on_postgresql: Ledger, emptied_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_into(on_postgresql, LessonState.PROCESSING)
    monkeypatch.setattr(module, "IDLE_SECONDS", 1)
    frozen = open_database(emptied_url)
    waited = []

    def freeze() -> None:
        with frozen.transaction() as session:
            session.get(LessonRow, "lesson-1", with_for_update=True)
            started = time.monotonic()
            assert on_postgresql.finish("lesson-1", LessonState.DONE, None)
            waited.append(time.monotonic() - started)

    with pytest.raises(LedgerAway, match=ONE_SENTENCE):
        freeze()
    assert 0.5 < waited[0] < 10
    frozen.close()


def test_a_lock_that_is_never_given_back_is_waited_for_so_long(
    on_postgresql: Ledger, emptied_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_into(on_postgresql, LessonState.PROCESSING)
    monkeypatch.setattr(module, "BUSY_SECONDS", 1)
    other = open_ledger(emptied_url)
    with on_postgresql.database.transaction() as session:
        session.get(LessonRow, "lesson-1", with_for_update=True)
        with pytest.raises(LedgerAway, match="LockNotAvailable"):
            other.reopen("lesson-1")
        assert other.sending.take("lesson-1", lease_seconds=1, most_attempts=3) is None, "what somebody holds is passed over"
    other.close()


def test_an_unknown_database_is_away_and_not_without_tables(postgres_server: PostgresServer) -> None:
    with pytest.raises(LedgerAway, match=ONE_SENTENCE):
        open_ledger(postgres_server.url("nobody_made_it")).read("lesson-1")


def test_the_folder_of_an_sqlite_file_goes_away_and_comes_back(on_sqlite: Ledger, tmp_path: Path) -> None:
    put_into(on_sqlite, LessonState.PROCESSING)
    (tmp_path / "there").rename(tmp_path / "elsewhere")
    all_are_refused(on_sqlite)
    (tmp_path / "elsewhere").rename(tmp_path / "there")
    assert on_sqlite.require("lesson-1").state is LessonState.PROCESSING
    for call in calls(on_sqlite):
        call()


def test_a_deleted_sqlite_file_is_not_written_to_any_more(on_sqlite: Ledger, tmp_path: Path) -> None:
    on_sqlite.accept(a_lesson())
    for path in (tmp_path / "there").iterdir():
        path.unlink()
    with pytest.raises(SchemaMissing, match="run `smilereel migrate`"):
        on_sqlite.accept(a_lesson(lesson_id="lesson-2"))


def test_an_sqlite_file_that_another_holds_is_waited_for(on_sqlite: Ledger, tmp_path: Path) -> None:
    on_sqlite.accept(a_lesson())
    other = sqlite3.connect(tmp_path / "there" / "ledger.sqlite3", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    threading.Timer(0.3, lambda: other.execute("COMMIT")).start()
    assert on_sqlite.read("lesson-1") is not None, "readers wait for nobody"
    assert on_sqlite.admit("lesson-1", 0, places=1, lease_seconds=60)
    other.close()


def test_an_sqlite_file_that_another_never_gives_back(on_sqlite: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_sqlite.accept(a_lesson())
    on_sqlite.close()
    monkeypatch.setattr(module, "BUSY_SECONDS", 0)
    other = sqlite3.connect(tmp_path / "there" / "ledger.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerAway, match=r"\(database is locked\)"):
        on_sqlite.admit("lesson-1", 0, places=1, lease_seconds=60)
    other.close()
    assert on_sqlite.admit("lesson-1", 0, places=1, lease_seconds=60)


def test_all_connections_in_use(on_sqlite: Ledger, tmp_path: Path) -> None:
    small = open_database(f"sqlite:///{tmp_path}/there/ledger.sqlite3", pool_size=1, max_overflow=0, pool_timeout=0.1)
    with small.reading() as session:
        session.execute(text("SELECT 1"))
        with pytest.raises(LedgerAway, match="All connections"), small.reading() as other:
            other.execute(text("SELECT 1"))
    small.close()


def test_a_statement_that_is_wrong_is_no_database_that_is_away(ledger: Ledger) -> None:
    with pytest.raises(Exception, match=r"(?i)syntax") as caught, ledger.database.reading() as session:
        session.execute(text("SELEKT 1"))
    assert not isinstance(caught.value, LedgerAway | SchemaMissing)


@pytest.mark.parametrize(
    "url",
    ["mysql://host/ledger", "ledger.sqlite3", "postgresql://host:port/ledger", "sqlite+nothing:///x", "postgresql+x://h/l", ""],
)
def test_a_url_that_cannot_be_used(url: str) -> None:
    with pytest.raises(SettingsInvalid, match="SMILEREEL_DATABASE_URL"):
        open_database(url)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_every_spelling_of_postgresql_means_psycopg(scheme: str) -> None:
    assert open_database(f"{scheme}://user@host/ledger").engine.url.drivername == "postgresql+psycopg"


def test_times_come_back_as_they_went_in_and_in_utc(ledger: Ledger) -> None:
    ledger.accept(a_lesson())
    offset = ledger.require("lesson-1").created_at.utcoffset()
    assert offset is not None
    assert offset.total_seconds() == 0


def test_a_file_that_is_no_database_is_called_so(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite3").write_bytes(b"a letter, not a database" * 500)
    with pytest.raises(ServiceError, match="no SQLite database, or is damaged"):
        open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite3").read("lesson-1")
