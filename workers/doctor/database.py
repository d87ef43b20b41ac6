"""The ledger's database: reachable, of this release's tables, on a disk that SQLite may use. Asked by the doctor and `preflight.py`."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import NullPool, text
from sqlalchemy.exc import DBAPIError

from shared.database import Database, explained, open_database
from shared.errors import LedgerAway, SchemaMissing, ServiceError
from shared.schema import check, version_of

from .clocks import judge_clock
from .findings import Finding, away, failure, ok, warning
from .places import NETWORK, SHARED, file_system_of
from .roles import WORKERS

# What libpq says before there is a connection; it gives no code there.
REFUSALS = {
    "password": "the user or the password",
    "no pg_hba.conf entry": "this host or user",
    "does not exist": "the user or the database, which it does not know",
    "permission denied": "the user",
    "certificate": "the connection, or its certificate is not to be trusted",
}
OLDEST_POSTGRESQL = 13


def check_database(url: str, role: str | None) -> Iterator[Finding]:
    """Look at it, and change nothing.

    Args:
        url: as in the settings.
        role: whose; None: nobody's in particular.
    """
    try:
        database = open_database(url, poolclass=NullPool)
    except ServiceError as error:
        yield failure("database.connection", error.message, "correct SMILEREEL_DATABASE_URL.")
        return
    sqlite = database.engine.dialect.name == "sqlite"
    try:
        if sqlite:
            faults = list(_file(database))
            yield from faults
            if any(fault.refuses for fault in faults):
                return
        yield from _tables(database, sqlite=sqlite)
        if not sqlite:
            yield from _server(database, role)
    except LedgerAway as error:
        yield _connection(error)
    except DBAPIError as error:
        kind = type(error.orig).__name__
        yield failure("database.rights", f"The database's user may not read the ledger ({kind})", "grant it the tables' rights.")
    except ServiceError as error:
        yield failure("database.connection", error.message, "")
    finally:
        database.close()


def _connection(error: LedgerAway) -> Finding:
    said = str(getattr(error.__cause__, "orig", "")).lower()
    for words, whom in REFUSALS.items():
        if words in said:
            advice = "correct SMILEREEL_DATABASE_URL, or the file that SMILEREEL_DATABASE_PASSWORD_FILE names."
            return failure("database.connection", f"The database refuses {whom}", advice)
    return away("database.connection", error.message, "")


def _tables(database: Database, *, sqlite: bool) -> Iterator[Finding]:
    found = version_of(database)
    yield ok("database.connection", f"The ledger lies in {'SQLite' if sqlite else 'PostgreSQL'} and answers.")
    if sqlite and found is None:
        yield warning("database.schema", "The ledger has no tables yet", "nothing has to be done: the first lesson makes them.")
        return
    try:
        check(database)
    except SchemaMissing as behind:
        sentence, _, advice = behind.message.partition("; ")
        yield failure("database.schema", sentence, advice)
    else:
        yield ok("database.schema", f"The ledger's tables are of version {found}.")


def _file(database: Database) -> Iterator[Finding]:
    place = database.engine.url.database
    if not place or place == ":memory:":
        yield failure("database.file", "The ledger lies in memory, where no other process finds it", "name a file.")
        return
    path = Path(place)
    where = path if path.exists() else path.parent
    if not where.exists():
        yield failure(
            "database.file", "The folder of the ledger's file is not there", "make it, or correct SMILEREEL_DATABASE_URL."
        )
    elif not os.access(where, os.W_OK) or not os.access(path.parent, os.W_OK):
        yield failure("database.file", "The ledger's file or its folder cannot be written", "give this user the right to.")
    system = file_system_of(where) if where.exists() else ""
    if system in NETWORK:
        sentence = f"The ledger's file lies on a network file system ({system}), where SQLite's locks do not hold"
        # Whoever has it run so has to move it, but not in this minute.
        yield warning("database.file", sentence, "move it to a local disk, or use PostgreSQL for several hosts.")
    elif system in SHARED:
        sentence = f"The ledger's file lies on a file system that is shared with another system ({system})"
        yield warning("database.file", sentence, "keep every worker on one side of it, or use PostgreSQL.")


def _server(database: Database, role: str | None) -> Iterator[Finding]:
    asked = (
        "SELECT current_setting('server_version_num')::int / 10000, pg_is_in_recovery(),"
        " coalesce(has_table_privilege(to_regclass('lesson'), 'SELECT, UPDATE'), true),"
        " extract(epoch FROM clock_timestamp())"
    )
    with explained(), database.reading() as session:
        session.execute(text("SELECT 1"))
        before = time.time()
        version, standby, may_write, seconds = session.execute(text(asked)).one()
        after = time.time()
    if version < OLDEST_POSTGRESQL:
        sentence = f"PostgreSQL {version} is older than what is maintained"
        yield warning("database.version", sentence, "install a newer one.")
    else:
        yield ok("database.version", f"It is PostgreSQL {version}.")
    if standby:
        yield failure("database.rights", "This PostgreSQL is a standby and takes no writes", "name the primary.")
    elif role in WORKERS and not may_write:
        yield failure("database.rights", "The database's user may not write the ledger", "grant it the tables' rights.")
    yield judge_clock("database", float(seconds), before, after)
