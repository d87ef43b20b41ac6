"""One real PostgreSQL a test process, and databases in it: fresh ones, or one that is emptied between tests, which is much quicker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from shared.database import Database
from shared.tables import Base
from workers.local.postgres import PostgresServer

_numbers = count(1)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A running server; a test that stops it has to start it again."""
    with PostgresServer() as server:
        yield server


@contextmanager
def fresh_database(server: PostgresServer, template: str = "template0") -> Iterator[str]:
    """The URL of a database made from a template and dropped afterwards, whoever is still connected."""
    name = f"fresh_{next(_numbers)}"
    _run(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield server.url(name)
    finally:
        _run(server, f"DROP DATABASE {name} WITH (FORCE)")


def empty(database: Database) -> None:
    """Take every row out of the ledger's tables."""
    with database.engine.begin() as connection:
        # The audit log's own guard stands aside for this transaction.
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text(f"TRUNCATE {', '.join(table.name for table in Base.metadata.sorted_tables)} CASCADE"))


def _run(server: PostgresServer, statement: Any) -> None:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(statement)
