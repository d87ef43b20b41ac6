"""A thousand ends, a receiver that fails a third of the time, hangs and is killed, two deliverers of which one is killed: nothing lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from shared.deliveries import Delivery
from shared.ledger import Ledger, event_id, open_ledger
from tests.builders import a_lesson
from tests.processes import wait_until
from tests.services.deliverer import THREADS, a_deliverer
from tests.services.postgres import fresh_database, postgres_server
from tests.services.receiver import ReceiverProcess
from tests.services.tls import certificate

__all__ = ["postgres_server"]

pytestmark = pytest.mark.slow

SECRET = "whsec_" + "c21pbGVyZWVsLXdlYmhvb2stdGVzdC1rZXkh"
# SQLite has fewer, to save time: it is for one host.
N_LESSONS = {"sqlite": 300, "postgresql": 1000}
# Of which so many are processed again and end twice.
N_AGAIN = 40
WAIT_SECONDS = 60


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/ledger.sqlite3"
        return
    with fresh_database(request.getfixturevalue("postgres_server")) as url:
        yield url


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    with closing(open_ledger(database_url)) as opened:
        opened.create_schema()
        yield opened


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[ReceiverProcess]:
    made = ReceiverProcess(tmp_path, certificate(tmp_path, "IP:127.0.0.1"), SECRET)
    yield made
    made.kill()


def end(ledger: Ledger, numbers: range) -> None:
    for number in numbers:
        ledger.accept(a_lesson(lesson_id=f"lesson-{number}"))
        assert ledger.cancel(f"lesson-{number}")


def again(ledger: Ledger, numbers: range) -> None:
    for number in numbers:
        assert ledger.reopen(f"lesson-{number}")
        assert ledger.cancel(f"lesson-{number}")


def test_each_end_is_told_and_none_under_two_ids(
    ledger: Ledger, database_url: str, receiver: ReceiverProcess, tmp_path: Path
) -> None:
    n_lessons = N_LESSONS[ledger.engine.dialect.name]
    end(ledger, range(n_lessons - 50))
    receiver.start()
    deliverers = [a_deliverer(database_url, receiver.port, tmp_path / "ca.pem", SECRET) for _ in range(2)]
    try:
        end(ledger, range(n_lessons - 50, n_lessons))
        again(ledger, range(N_AGAIN))
        assert wait_until(lambda: len(receiver.lines("ok")) >= 30, WAIT_SECONDS)
        deliverers[0].kill()
        deliverers[0].wait()
        assert wait_until(lambda: len(receiver.lines("ok")) >= 100, WAIT_SECONDS)
        receiver.kill()
        assert ledger.deliveries.count()[Delivery.PENDING] > n_lessons // 10, "all this happened in the middle"
        deliverers[0] = a_deliverer(database_url, receiver.port, tmp_path / "ca.pem", SECRET)
        receiver.start()
        assert [deliverer.wait(WAIT_SECONDS) for deliverer in deliverers] == [0, 0]
    finally:
        for deliverer in deliverers:
            deliverer.kill()
            deliverer.wait()
    ends = {(f"lesson-{number}", 1) for number in range(n_lessons)} | {(f"lesson-{number}", 2) for number in range(N_AGAIN)}
    assert ledger.deliveries.count() == {Delivery.DELIVERED: len(ends)}
    lines = receiver.lines()
    assert {(line["lesson_id"], line["round"], line["event_id"]) for line in lines} == {(*one, event_id(*one)) for one in ends}, (
        "every id that ever came, failed tries included"
    )
    good = receiver.lines("ok")
    assert len({line["event_id"] for line in good}) == len(ends), "each was received where it was also taken"
    counts = {verdict: len(receiver.lines(verdict)) for verdict in ("ok", "failed", "hung", "forged")}
    assert counts["forged"] == 0
    assert counts["failed"] > n_lessons // 4
    assert counts["hung"] > 0
    assert counts["ok"] <= len(ends) + 3 * THREADS, "twice only what was in hand when something was killed"
