"""The ledger on both databases: a test that asks for `ledger` runs on each."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.ledger import Ledger, open_ledger
from tests.services.postgres import empty, fresh_database, postgres_server
from workers.local.postgres import PostgresServer

__all__ = ["postgres_server"]

BACKENDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def advance(self, seconds: float) -> None:
        """Forwards, or backwards with fewer than none."""
        self.time += timedelta(seconds=seconds)


@pytest.fixture(scope="session")
def emptied_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A database on PostgreSQL with the ledger's tables, for tests that follow each other."""
    with fresh_database(postgres_server) as url:
        made = open_ledger(url)
        made.create_schema()
        made.close()
        yield url


@pytest.fixture(params=BACKENDS)
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty ledger lies."""
    if request.param == "postgresql":
        url: str = request.getfixturevalue("emptied_url")
        made = open_ledger(url)
        empty(made.database)
    else:
        url = f"sqlite:///{tmp_path}/ledger.sqlite3"
        made = open_ledger(url)
        made.create_schema()
    made.close()
    return url


@pytest.fixture(params=BACKENDS)
def bare_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/bare.sqlite3"
        return
    with fresh_database(request.getfixturevalue("postgres_server")) as url:
        yield url


@pytest.fixture
def bare_server_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A database without tables on a server."""
    with fresh_database(postgres_server) as url:
        yield url


@pytest.fixture
def clock() -> Clock:
    """The ledger's time."""
    return Clock()


@pytest.fixture
def ledger(ledger_url: str, clock: Clock) -> Iterator[Ledger]:
    """An empty ledger whose time stands still until the test moves it."""
    opened = open_ledger(ledger_url, clock=clock)
    yield opened
    opened.close()


@pytest.fixture
def live_ledger(ledger_url: str) -> Iterator[Ledger]:
    """An empty ledger with the database's own time."""
    opened = open_ledger(ledger_url)
    yield opened
    opened.close()
