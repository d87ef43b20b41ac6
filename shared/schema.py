"""Which version the ledger's tables are of, and bringing them to the newest. Called by embedded runs, workers and `smilereel migrate`.

Tables of a later release are worked with if they say that this release can: a rolling upgrade migrates first, and a rollback leaves them.

A new database gets the newest tables at once; one with lessons in it goes through the migrations beside this file, with Alembic.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Column, Connection, MetaData, PrimaryKeyConstraint, String, Table, func, insert, inspect, select, text

from . import told_tables  # noqa: F401  (its tables belong to the metadata)
from .audit import protect
from .database import Database, explained
from .errors import SchemaMissing
from .tables import Base, SchemaReleaseRow
from .views import drop_views, make_views

SCHEMA_HEAD = "0004"
# The oldest head whose code can work with the tables of SCHEMA_HEAD; each migration writes the same into `schema_release`.
WORKS_WITH = "0004"
MIGRATIONS = Path(__file__).with_name("migrations")
# Tables that were made before there were migrations say no version.
_FIRST = "0001"
# Alembic's own table, as it makes it itself.
_VERSIONS = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
# Any number, but the same in every release.
_LOCK = 5_311_007_001
_WAIT_SECONDS = 120
_alembic_is_not_thread_safe = threading.Lock()

log = logging.getLogger(__name__)


def version_of(database: Database) -> str | None:
    """The version of the database's tables, like "0002"; None where it has none. An SQLite file that is not there is not made.

    Raises:
        LedgerAway: the database cannot be reached.
    """
    url = database.engine.url
    if url.get_backend_name() == "sqlite" and url.database not in {None, "", ":memory:"} and not Path(str(url.database)).exists():
        return None
    with database.reading() as session:
        return _version(session.connection())


def check(database: Database) -> None:
    """Look whether this release can work with the tables: they are its own, or of a later one that says so.

    Raises:
        SchemaMissing: they are not; says what to do.
        LedgerAway: the database cannot be reached.
    """
    found = version_of(database)
    if found is None:
        raise SchemaMissing("The ledger's database has no tables yet; run `smilereel migrate`.")
    if found > SCHEMA_HEAD:
        with database.reading() as session:
            _refuse_newer(session.connection(), found)
    elif found != SCHEMA_HEAD:
        raise SchemaMissing(
            f"The ledger's tables are of version {found} and have to be of {SCHEMA_HEAD}; run `smilereel migrate`."
        )


def ensure_schema(database: Database) -> None:
    """Bring the tables up to date if they are not; one cheap read if they are. Raises what `upgrade` raises."""
    if version_of(database) != SCHEMA_HEAD:
        upgrade(database)


def upgrade(database: Database) -> str | None:
    """Bring the tables up to date, in one transaction; of several processes one does it and the others wait. The version it was.

    Raises:
        SchemaMissing: the tables are of a newer release, or older ones need Alembic and it is not installed.
        LedgerAway: the database cannot be reached.
    """
    with _alone(database) as connection:
        found = _version(connection)
        if found is not None and found > SCHEMA_HEAD:
            _refuse_newer(connection, found)
            return found
        if found != SCHEMA_HEAD:
            drop_views(connection)
        if found is None:
            Base.metadata.create_all(connection)
            connection.execute(insert(SchemaReleaseRow).values(version=SCHEMA_HEAD, works_with=WORKS_WITH))
            _stamp(connection, SCHEMA_HEAD)
        elif found != SCHEMA_HEAD:
            if not inspect(connection).has_table(_VERSIONS.name):
                _stamp(connection, found)
            migrate(connection, SCHEMA_HEAD)
        if found != SCHEMA_HEAD:
            protect(connection)
            make_views(connection)
        return found


def migrate(connection: Connection, version: str) -> None:
    """Run the migrations up to this version inside the connection's transaction.

    Raises:
        SchemaMissing: Alembic is not installed.
    """
    try:
        from alembic import command
        from alembic.config import Config
    except ModuleNotFoundError:
        raise SchemaMissing(
            "The ledger's tables are of an older version: install smilereel with the extra 'migrate', then run `smilereel migrate`."
        ) from None
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    with _alembic_is_not_thread_safe:
        command.upgrade(config, version)


@contextmanager
def _alone(database: Database) -> Iterator[Connection]:
    """A transaction beside which nobody else's can change the tables."""
    with explained(), database.engine.connect() as connection:
        sqlite = connection.dialect.name == "sqlite"
        if sqlite:
            # A table that is made anew is dropped in between, and what refers to it must not go with it.
            _pragma(connection, "foreign_keys=OFF")
        try:
            with connection.begin():
                if not sqlite:
                    connection.execute(text(f"SET LOCAL lock_timeout = '{_WAIT_SECONDS}s'"))
                    connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
                yield connection
        finally:
            if sqlite and not connection.invalidated:
                _pragma(connection, "foreign_keys=ON")


def _pragma(connection: Connection, setting: str) -> None:
    # Past SQLAlchemy, which would begin a transaction, and inside one this says nothing.
    cursor = connection.connection.cursor()
    cursor.execute(f"PRAGMA {setting}")
    cursor.close()


def _version(connection: Connection) -> str | None:
    tables = inspect(connection)
    if tables.has_table(_VERSIONS.name):
        found: str | None = connection.execute(select(_VERSIONS.c.version_num)).scalar_one_or_none()
        if found is not None:
            return found
    return _FIRST if tables.has_table("lesson") else None


def _stamp(connection: Connection, version: str) -> None:
    _VERSIONS.create(connection, checkfirst=True)
    connection.execute(insert(_VERSIONS).values(version_num=version))


def _refuse_newer(connection: Connection, found: str) -> None:
    """Raises SchemaMissing unless these tables say that they can be worked with by a release as old as this one."""
    works_with = None
    if inspect(connection).has_table(SchemaReleaseRow.__tablename__):
        query = select(SchemaReleaseRow.works_with).where(SchemaReleaseRow.version == found)
        works_with = connection.execute(query).scalar_one_or_none()
    if works_with is None or works_with > SCHEMA_HEAD:
        raise SchemaMissing(
            f"The ledger's tables are of version {found}, newer than this release knows ({SCHEMA_HEAD}); install a newer smilereel."
        )
    log.warning(
        "the ledger's tables are of version %s, newer than this release's %s, which can work with them", found, SCHEMA_HEAD
    )
