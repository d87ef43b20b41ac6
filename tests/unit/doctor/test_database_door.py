"""Knocking at PostgreSQL over TCP with a password that nobody can know: let in by `trust`, and by `scram-sha-256` not."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from tests.processes import wait_until
from tests.services.postgres import postgres_server
from workers.doctor.open_doors import check_database_door
from workers.local.postgres import PostgresServer

__all__ = ["postgres_server"]

pytestmark = [pytest.mark.postgresql]


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for side in (source, target):
        with suppress(OSError):
            side.shutdown(socket.SHUT_RDWR)


@contextmanager
def tcp_port(behind: Path) -> Iterator[int]:
    """A port of 127.0.0.1 that hands on what it hears to a unix socket."""
    opened: list[socket.socket] = []
    copying: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    front, _ = server.accept()
                    back = socket.socket(socket.AF_UNIX)
                    opened.extend((front, back))
                    back.connect(str(behind))
                    for pair in ((front, back), (back, front)):
                        copying.append(threading.Thread(target=_copy, args=pair, daemon=True))
                        copying[-1].start()

        serving = threading.Thread(target=serve, daemon=True)
        serving.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        serving.join(5)
    for thread in copying:
        thread.join(5)
    for each in opened:
        each.close()


def test_a_database_that_takes_any_password(postgres_server: PostgresServer) -> None:
    rules = postgres_server.folder / "data" / "pg_hba.conf"
    before = rules.read_text()
    with tcp_port(postgres_server.folder / ".s.PGSQL.5432") as port, psycopg.connect(postgres_server.url()) as connection:
        connection.autocommit = True
        url = f"postgresql://visitor:right@127.0.0.1:{port}/postgres"

        def knock() -> tuple[str, str]:
            (finding,) = check_database_door(url)
            return finding.verdict.value, finding.sentence

        connection.execute("CREATE ROLE visitor LOGIN PASSWORD 'right'")
        try:
            assert knock() == ("warning", "PostgreSQL takes any password (on this machine)")
            rules.write_text(f"local all visitor scram-sha-256\n{before}")
            connection.execute("SELECT pg_reload_conf()")
            assert wait_until(lambda: knock() == ("ok", "PostgreSQL lets nobody in with a wrong password."), 10)
        finally:
            rules.write_text(before)
            connection.execute("SELECT pg_reload_conf()")
            connection.execute("DROP ROLE visitor")
    (finding,) = check_database_door(postgres_server.url())
    assert "over a socket" in finding.sentence
    assert list(check_database_door("sqlite:///x")) == []
