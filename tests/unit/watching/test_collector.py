"""One scrape after the other, with a real ledger and a real Valkey."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from sqlalchemy import text

from shared.catalogue import GPU_BULK_QUEUE, QUEUES
from shared.ledger import Ledger, LessonState, open_ledger
from shared.settings import Settings
from tests.builders import a_lesson
from tests.ledgers import put_into
from tests.processes import wait_until
from tests.services.valkey import Valkey
from tests.unit.watching.conftest import Page, read_page, value
from workers.local.postgres import PostgresServer
from workers.roster import Roster, WorkerEntry
from workers.watching.collector import SmilereelCollector, registry_of

pytestmark = pytest.mark.redis


class Scraper:
    """A collector and its page; it reads anew at each scrape."""

    def __init__(self, settings: Settings, patience_seconds: float = 10.0) -> None:
        self.collector = SmilereelCollector(settings, keep_seconds=0.0, patience_seconds=patience_seconds)
        self.registry = registry_of(self.collector)

    def page(self) -> Page:
        return read_page(generate_latest(self.registry).decode())


@pytest.fixture
def settings(valkey: Valkey, tmp_path: Path) -> Settings:
    with valkey.client() as client:
        client.flushall()
    return Settings(redis_url=valkey.url, database_url=f"sqlite:///{tmp_path}/ledger.sqlite3", detector_batch=8)


@pytest.fixture
def ledger(settings: Settings) -> Iterator[Ledger]:
    with closing(open_ledger(settings.database_url)) as opened:
        opened.create_schema()
        yield opened


@pytest.fixture
def scraper(settings: Settings) -> Iterator[Scraper]:
    made = Scraper(settings)
    yield made
    made.collector.close()


def test_lessons_and_their_ends(ledger: Ledger, scraper: Scraper) -> None:
    put_into(ledger, LessonState.DONE, "before")
    page = scraper.page()
    assert value(page, "smilereel_database_up") == 1
    assert value(page, "smilereel_lessons", state="done") == 1
    assert value(page, "smilereel_lessons", state="quarantined") == 0
    assert value(page, "smilereel_lessons_ended_total", state="done") == 0, "what ended before the endpoint began is not counted"
    assert value(page, "smilereel_segment_repeats", stage="detect_faces") == 0
    assert value(page, "smilereel_schema_version") == value(page, "smilereel_schema_expected_version")
    put_into(ledger, LessonState.PROCESSING, "measured")
    for segment, frames in enumerate((60, 4)):
        ledger.runs.started("measured", "v1", "detect_faces", segment)
        ledger.runs.finished("measured", "v1", "detect_faces", segment, seconds=0.2 + segment, items=frames)
    assert ledger.finish("measured", LessonState.DONE, None)
    put_into(ledger, LessonState.QUARANTINED, "aside")
    for _ in range(2):
        page = scraper.page()
        assert value(page, "smilereel_lessons_ended_total", state="done") == 1, "each end is counted once"
        assert value(page, "smilereel_lessons_ended_total", state="quarantined") == 1
        assert value(page, "smilereel_lessons", state="quarantined") == 1
        assert value(page, "smilereel_lesson_seconds_count") == 2
        stage = {"stage": "detect_faces"}
        assert value(page, "smilereel_stage_seconds_count", **stage) == 2
        assert value(page, "smilereel_stage_seconds_sum", **stage) == pytest.approx(1.4)
        assert value(page, "smilereel_stage_seconds_bucket", le="0.25", **stage) == 1
        assert value(page, "smilereel_stage_seconds_bucket", le="+Inf", **stage) == 2
        assert value(page, "smilereel_stage_items_total", **stage) == 64
        assert value(page, "smilereel_gpu_batch_places_total", **stage) == 72, "the second segment fills half a batch"
        assert value(page, "smilereel_gpu_batch_size", **stage) == 8


def test_more_ends_than_one_look_takes(ledger: Ledger, scraper: Scraper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.watching.ends.MOST_ENDS", 4)
    scraper.page()
    for number in range(10):
        put_into(ledger, LessonState.DONE, f"lesson-{number}")
    assert [value(scraper.page(), "smilereel_lessons_ended_total", state="done") for _ in range(4)] == [4, 8, 10, 10]


def test_queues_and_what_is_taken(ledger: Ledger, scraper: Scraper, valkey: Valkey) -> None:
    with valkey.client() as client:
        client.lpush(GPU_BULK_QUEUE, "a", "b")
        client.hset("unacked", mapping={"tag-1": "x", "tag-2": "y"})
        client.zadd("unacked_index", {"tag-1": time.time() - 90, "tag-2": time.time()})
    page = scraper.page()
    assert {queue: value(page, "smilereel_queue_messages", queue=queue) for queue in QUEUES} == {
        queue: 2 if queue == GPU_BULK_QUEUE else 0 for queue in QUEUES
    }
    assert value(page, "smilereel_unacked_messages") == 2
    assert value(page, "smilereel_unacked_oldest_seconds") == pytest.approx(90, abs=5)
    assert (value(page, "smilereel_redis_memory_bytes") or 0) > 100_000
    assert value(page, "smilereel_redis_writes_its_log") == 0, "this one keeps nothing"


def test_workers_by_kind_and_never_by_name(ledger: Ledger, scraper: Scraper, valkey: Valkey) -> None:
    with valkey.client() as client:
        roster = Roster(client)
        seen = partial(WorkerEntry, release="0.2.0", seen_at=roster.now())
        roster.write(seen("cpu@kitchen", "cpu", concurrency=4))
        for host, seconds in (("attic", 4.0), ("cellar", 9.0)):
            gpu = seen(f"gpu@{host}", "gpu", device="cuda", weights="w1", model_load_seconds=seconds, draining=host == "attic")
            roster.write(gpu)
    text_page = generate_latest(scraper.registry).decode()
    page, gpus = read_page(text_page), {"room": "gpu", "release": "0.2.0", "device": "cuda", "weights": "w1"}
    assert value(page, "smilereel_workers", **gpus) == 2
    assert value(page, "smilereel_workers_draining", **gpus) == 1
    assert value(page, "smilereel_model_load_seconds", **gpus) == 9
    cpus = {"room": "cpu", "release": "0.2.0", "device": "none", "weights": "none"}
    assert value(page, "smilereel_worker_processes", **cpus) == 4
    assert value(page, "smilereel_model_load_seconds", **cpus) is None
    assert not [name for name in ("kitchen", "attic", "cellar") if name in text_page]


def test_nothing_of_a_lesson_is_a_label(ledger: Ledger, scraper: Scraper) -> None:
    ledger.accept(a_lesson(lesson_id="lesson-of-masha", pupil_id="pupil-ivanova"))
    put_into(ledger, LessonState.PROCESSING, "another-of-masha")
    ledger.duties.hold("reconciler", "holder-of-it", 60)
    ledger.duties.note("reconciler", work_bytes=4096, epoch="e")
    page = generate_latest(scraper.registry).decode()
    assert not [name for name in ("masha", "ivanova", "student.mp4", "holder-of-it") if name in page]
    assert value(read_page(page), "smilereel_store_work_bytes") == 4096
    assert (value(read_page(page), "smilereel_duty_lease_seconds", duty="reconciler") or 0) > 50


def test_a_ledger_that_is_away_and_comes_back(settings: Settings, scraper: Scraper, ledger: Ledger, tmp_path: Path) -> None:
    assert value(scraper.page(), "smilereel_database_up") == 1
    file = tmp_path / "ledger.sqlite3"
    ledger.close()
    file.rename(tmp_path / "elsewhere")
    file.mkdir()
    page = scraper.page()
    assert (value(page, "smilereel_database_up"), value(page, "smilereel_redis_up")) == (0, 1)
    assert value(page, "smilereel_lessons", state="done") is None, "no number is better than an old one"
    file.rmdir()
    (tmp_path / "elsewhere").rename(file)
    assert value(scraper.page(), "smilereel_database_up") == 1


@pytest.mark.postgresql
def test_a_server_that_is_frozen_killed_and_started_again(valkey: Valkey) -> None:
    with PostgresServer() as server:
        settings = Settings(redis_url=valkey.url, database_url=server.url())
        with closing(open_ledger(settings.database_url)) as made:
            made.create_schema()
        scraper = Scraper(settings, patience_seconds=1.0)

        def up() -> float | None:
            return value(scraper.page(), "smilereel_database_up")

        assert wait_until(lambda: up() == 1, 10)
        server.freeze()
        started = time.monotonic()
        assert up() == 0
        assert time.monotonic() - started < 5, "nobody waits for one that says nothing"
        server.thaw()
        assert wait_until(lambda: up() == 1, 20)
        server.kill()
        assert up() == 0
        server.start()
        assert wait_until(lambda: up() == 1, 20)
        scraper.collector.close()


def test_without_tables_no_file_is_made(settings: Settings, scraper: Scraper, tmp_path: Path) -> None:
    page = scraper.page()
    assert (value(page, "smilereel_database_up"), value(page, "smilereel_schema_version")) == (1, 0)
    assert value(page, "smilereel_lessons", state="done") is None
    assert not list(tmp_path.iterdir())


def test_tables_of_another_release(ledger: Ledger, scraper: Scraper) -> None:
    with ledger.database.transaction() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '0003'"))
        session.execute(text("DROP INDEX ix_lesson_waiting"))
        session.execute(text("ALTER TABLE lesson DROP COLUMN bulk"))
    page = scraper.page()
    assert (value(page, "smilereel_database_up"), value(page, "smilereel_schema_version")) == (1, 3)
    assert (value(page, "smilereel_schema_expected_version") or 0) > 3
    assert value(page, "smilereel_lessons", state="done") is None


def test_redis_away(ledger: Ledger, tmp_path: Path) -> None:
    settings = Settings(redis_url=f"redis+socket://{tmp_path}/nobody.sock", database_url=f"sqlite:///{tmp_path}/ledger.sqlite3")
    scraper = Scraper(settings)
    page = scraper.page()
    scraper.collector.close()
    assert (value(page, "smilereel_redis_up"), value(page, "smilereel_database_up")) == (0, 1)
    assert value(page, "smilereel_queue_messages", queue="cpu") is None
