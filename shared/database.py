"""The ledger's engine and its transactions: what differs between SQLite and PostgreSQL, and a database that is away, end here."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from sqlalchemy.orm import Session

from .errors import LedgerAway, SchemaMissing, ServiceError, SettingsInvalid

BUSY_SECONDS = 20
SWITCH_SECONDS = 5
CONNECT_SECONDS = 3
# A process that is frozen inside a transaction would hold its row's lock for as long as it likes.
IDLE_SECONDS = 15
# A lease that ends later than anyone could have given it comes from a clock that was set back since.
LONGEST_LEASE_SECONDS = 600.0
_INSERTS: dict[str, Any] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}
_READ_ONLY = "smilereel_read_only"
_FILE = "smilereel_file"
_NO_SUCH_TABLE, _NO_SUCH_COLUMN = "42P01", "42703"


class Database:
    """Transactions on the ledger's tables; safe to use from several threads and processes.

    Args:
        engine: made by `open_database`.
        clock: takes the place of the database's time, for tests.
    """

    def __init__(self, engine: Engine, clock: Callable[[], datetime] | None = None) -> None:
        self.engine = engine
        self._clock = clock
        self._reading = engine.execution_options(**{_READ_ONLY: True})

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Read and write; on SQLite the write lock is taken at once.

        Raises:
            LedgerAway: the database cannot be reached, is full or locked.
            SchemaMissing: it holds no tables of ours.
        """
        with explained(), Session(self.engine) as session, session.begin():
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Read only, beside whoever writes. Raises what `transaction` raises."""
        with explained(), Session(self._reading) as session:
            yield session

    def now(self, session: Session) -> datetime:
        """The database's time: leases of several hosts are compared with one clock. SQLite has the host's."""
        if self._clock is not None:
            return self._clock()
        if self.engine.dialect.name != "postgresql":
            return datetime.now(UTC)
        time: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
        return time.astimezone(UTC)

    def until(self, session: Session, seconds: float) -> datetime:
        """The end of a lease that begins now; none is longer than the longest."""
        return self.now(session) + timedelta(seconds=min(seconds, LONGEST_LEASE_SECONDS))

    def close(self) -> None:
        """Give the connections back; new ones are opened when they are needed."""
        self.engine.dispose()


def open_database(url: str, *, clock: Callable[[], datetime] | None = None, **engine_options: Any) -> Database:
    """The database at an SQLAlchemy URL. On SQLite: WAL, a busy timeout, and transactions that take the write lock at once.

    Nothing is connected yet. Engine options are SQLAlchemy's.

    Raises:
        SettingsInvalid: the URL cannot be understood or names a database that nobody supports here.
    """
    url = _with_driver(url)
    # A statement's values may name files, and errors end in logs.
    options: dict[str, Any] = {"pool_pre_ping": True, "hide_parameters": True, **engine_options}
    if url.startswith("postgresql"):
        options["connect_args"] = {"connect_timeout": CONNECT_SECONDS, "application_name": "smilereel"}
    elif not url.startswith("sqlite"):
        raise SettingsInvalid("SMILEREEL_DATABASE_URL must begin with sqlite:// or postgresql://.")
    try:
        engine = create_engine(url, **options)
    except (ArgumentError, ValueError):
        raise SettingsInvalid("SMILEREEL_DATABASE_URL is no database URL, like postgresql://user@host/smilereel.") from None
    except ModuleNotFoundError:
        raise SettingsInvalid("A ledger on PostgreSQL needs psycopg: install smilereel with the extra 'postgresql'.") from None
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "checkout", _check_file)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        event.listen(engine, "connect", _prepare_postgresql)
    return Database(engine, clock)


def insert_of(dialect_name: str) -> Any:
    """SQLAlchemy's `insert` that knows ON CONFLICT for this dialect.

    Raises:
        SettingsInvalid: the database is one that nobody supports here.
    """
    if dialect_name not in _INSERTS:
        raise SettingsInvalid("The connection handed in is neither to PostgreSQL nor to SQLite; the ledger lies on one of them.")
    return _INSERTS[dialect_name]


def _with_driver(url: str) -> str:
    for short in ("postgresql://", "postgres://"):
        if url.startswith(short):
            return "postgresql+psycopg://" + url.removeprefix(short)
    return url


def _prepare_postgresql(connection: Any, _record: Any) -> None:
    # Set by a statement: a connection pooler in between may refuse start-up options.
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = '{BUSY_SECONDS}s'")
        cursor.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'")
        cursor.execute("SET timezone = 'UTC'")
    connection.commit()


def _prepare_sqlite(connection: Any, record: Any) -> None:
    # The driver's own deferred BEGIN makes a read-then-write transaction fail when another process writes in between.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")
    _switch_to_wal(cursor)
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    # What was erased must not lie about in the file's free pages.
    cursor.execute("PRAGMA secure_delete=ON")
    path = cursor.execute("PRAGMA database_list").fetchone()[2]
    cursor.close()
    record.info[_FILE] = path, _identity(path)


def _switch_to_wal(cursor: Any) -> None:
    """Done once in a file's life; who asks while another switches is refused at once, without the busy timeout's wait."""
    deadline = time.monotonic() + SWITCH_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _check_file(_connection: Any, record: Any, _proxy: Any) -> None:
    # An open connection would go on writing into a file that was moved or deleted, and nobody would ever read it.
    path, identity = record.info[_FILE]
    if _identity(path) != identity:
        raise DisconnectionError("the file of the database is gone")


def _identity(path: str) -> tuple[int, int] | None:
    """What makes the file itself and no other of its name; None where there is none, as for a database in memory."""
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if path else None


def _begin_sqlite(connection: Connection) -> None:
    reading = connection.get_execution_options().get(_READ_ONLY)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


@contextmanager
def explained() -> Iterator[None]:
    """Turns what the driver raises into `LedgerAway` and `SchemaMissing`; a fault of ours stays as it is."""
    try:
        yield
    except NoConnectionFree as error:
        raise LedgerAway("All connections to the ledger's database are in use; try again.") from error
    except DBAPIError as error:
        if _names_what_is_missing(error):
            raise SchemaMissing("The ledger's tables are missing or of an older version; run `smilereel migrate`.") from error
        if getattr(error.orig, "sqlite_errorcode", None) in {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}:
            raise ServiceError(
                "The ledger's file is no SQLite database, or is damaged; check SMILEREEL_DATABASE_URL, or restore a backup."
            ) from error
        if not (_passes(error) or error.connection_invalidated):
            raise
        raise LedgerAway(f"The ledger's database cannot be used ({_kind(error)}); see that it runs and has room.") from error


def _names_what_is_missing(error: DBAPIError) -> bool:
    if not isinstance(error, OperationalError | ProgrammingError):
        return False
    text = str(error.orig)
    missing = any(words in text for words in ("no such table", "no such column", "has no column named"))
    return missing or getattr(error.orig, "sqlstate", None) in {_NO_SUCH_TABLE, _NO_SUCH_COLUMN}


def _passes(error: DBAPIError) -> bool:
    # SQLite calls a statement that it does not understand an operational error too.
    if getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR:
        return False
    return isinstance(error, OperationalError | InterfaceError)


def _kind(error: DBAPIError) -> str:
    """SQLite's own words; of PostgreSQL the class alone, since its words may name hosts and users."""
    return str(error.orig) if isinstance(error.orig, sqlite3.Error) else type(error.orig).__name__


def plain_text(text: str | None, most_characters: int) -> str | None:
    """The text as both databases can keep it: clipped, without NUL and half characters."""
    if text is None:
        return None
    return text.encode("utf-8", "replace").decode().replace("\0", "")[:most_characters]
