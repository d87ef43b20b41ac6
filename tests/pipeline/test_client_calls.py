"""The backend's calls against running workers: from the hand-in to the reel, anew, cancelled, withdrawn."""

from __future__ import annotations

import asyncio
import csv
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from sqlalchemy import inspect, text

from shared import aclient
from shared.client import (
    Consent,
    LessonState,
    cancel,
    change_consent,
    enqueue_lesson,
    find_reel,
    lesson_status,
    reprocess,
)
from shared.errors import ConsentMissing, LessonNotEnded, LessonUnknown
from shared.ledger import open_ledger
from shared.settings import Settings
from tests.processes import wait_until
from workers.chaos.assembly import FAST, SMALL, Options, parts_of
from workers.chaos.lessons import document_of, render_films
from workers.chaos.plan import PlannedLesson

pytestmark = [pytest.mark.redis, pytest.mark.slow]


@pytest.fixture(scope="module")
def settings() -> Iterator[Settings]:
    """Workers of both kinds run."""
    with parts_of(Options(seed=1, lessons=10, seconds=10, workers={"cpu": 1, "gpu": 1}), {**FAST, **SMALL}) as (cluster, address):
        render_films(cluster.places.media, with_faces=False)
        cluster.start()
        yield Settings(
            redis_url=f"redis+socket://{cluster.places.socket}",
            database_url=f"sqlite:///{address}",
            store_url=f"file://{cluster.places.store}",
        )


def document(lesson_id: str) -> dict[str, object]:
    return document_of(PlannedLesson(lesson_id, "reel", 0.0, 1))


def ends_as(lesson_id: str, state: LessonState, settings: Settings) -> bool:
    def ended() -> bool:
        status = lesson_status(lesson_id, settings=settings)
        return status is not None and status.state.final

    assert wait_until(ended, 60)
    status = lesson_status(lesson_id, settings=settings)
    return status is not None and status.state is state


def test_from_the_hand_in_to_the_reel_and_anew(settings: Settings) -> None:
    job = enqueue_lesson(document("one"), settings=settings)
    assert (job.created, job.sent) == (True, True)
    assert find_reel("one", settings=settings) is None
    with pytest.raises(LessonNotEnded, match="wait for its end"):
        reprocess("one", settings=settings)
    assert ends_as("one", LessonState.DONE, settings)
    status = lesson_status("one", settings=settings)
    assert status is not None
    assert (status.percent, status.stage, status.attempts, status.reason) == (100, "publish_lesson", 0, None)
    reel = find_reel("one", settings=settings)
    assert reel is not None
    gif = Path(unquote(urlsplit(reel.address).path))
    assert gif.read_bytes()[:6] == b"GIF89a"
    assert gif.stat().st_size == reel.bytes
    assert Path(unquote(urlsplit(reel.poster_address).path)).read_bytes()[:2] == b"\xff\xd8"
    assert (reel.frames, reel.width, reel.expires_at) == (5, 96, None)
    assert find_reel("one", purpose="email", settings=settings) is None, "nobody agreed to an e-mail"

    assert reprocess("one", settings=settings).created is False
    assert find_reel("one", settings=settings) == reel, "the old one stays until there is a new one"
    assert ends_as("one", LessonState.DONE, settings)
    anew = find_reel("one", settings=settings)
    assert anew is not None
    assert anew.address != reel.address
    assert wait_until(lambda: not gif.exists(), 15), "the sweep takes the old one"


def test_cancelled_and_withdrawn(settings: Settings) -> None:
    enqueue_lesson(document("two"), settings=settings)
    assert cancel("two", settings=settings)
    assert not cancel("two", settings=settings)
    assert ends_as("two", LessonState.CANCELLED, settings)
    enqueue_lesson(document("three"), settings=settings)
    assert ends_as("three", LessonState.DONE, settings)
    reel = find_reel("three", settings=settings)
    assert reel is not None
    change_consent("three", Consent(), settings=settings)
    assert find_reel("three", settings=settings) is None
    with pytest.raises(ConsentMissing, match="withdrawn"):
        reprocess("three", settings=settings)
    folder = Path(unquote(urlsplit(reel.address).path)).parents[1]
    assert wait_until(lambda: not folder.exists(), 15), "its files go with the next sweep"


def test_a_reel_waits_for_approval_where_that_is_asked_for(settings: Settings) -> None:
    enqueue_lesson(document("four"), settings=settings)
    assert ends_as("four", LessonState.DONE, settings)
    careful = settings.model_copy(update={"reel_approval": True})
    assert find_reel("four", settings=careful) is None
    ledger = open_ledger(settings.database_url)
    (version,) = ledger.told.reel_versions("four")
    assert not ledger.rights.approve_reel("four", "another", "ann")
    assert ledger.rights.approve_reel("four", version, "ann")
    assert not ledger.rights.approve_reel("four", version, "ann"), "once"
    assert ledger.audit.entries("four")[0].action == "approve"
    ledger.close()
    assert find_reel("four", settings=careful) is not None


def smiles_in(value: object, name: str = "") -> list[object]:
    """Everything under a name that speaks of smiles and is not empty."""
    if isinstance(value, dict):
        return [found for key, each in value.items() for found in smiles_in(each, str(key))]
    if isinstance(value, list):
        return [found for each in value for found in smiles_in(each, name)]
    return [value] if "smile" in name and value not in {None, ""} else []


@pytest.mark.parametrize("mood", [False, True])
def test_without_mood_analytics_no_smile_score_is_left_anywhere(settings: Settings, mood: bool) -> None:
    """Over every file of the store and every table; with them on, the same search finds scores."""
    lesson_id = f"mood-{mood}"
    agreed = dict.fromkeys(("process", "reel", "analytics"), True)
    with parts_of(
        Options(seed=2, lessons=2, seconds=5, workers={"cpu": 1, "gpu": 1}), {**FAST, **SMALL, "mood_analytics": mood}
    ) as (cluster, address):
        render_films(cluster.places.media, with_faces=False)
        cluster.start()
        own = settings.model_copy(
            update={
                "redis_url": f"redis+socket://{cluster.places.socket}",
                "database_url": f"sqlite:///{address}",
                "store_url": f"file://{cluster.places.store}",
            }
        )
        enqueue_lesson({**document(lesson_id), "consent": agreed}, settings=own)
        assert ends_as(lesson_id, LessonState.DONE, own)
        assert wait_until(lambda: not list(cluster.places.store.glob("work/*")), 15)
        found: list[object] = []
        for path in cluster.places.store.rglob("*"):
            if path.suffix == ".json":
                found += smiles_in(json.loads(path.read_text()))
            if path.suffix == ".csv":
                found += smiles_in(list(csv.DictReader(path.read_text().splitlines())))
        ledger = open_ledger(own.database_url)
        with ledger.database.reading() as session:
            for table in inspect(ledger.engine).get_table_names() + inspect(ledger.engine).get_view_names():
                found += smiles_in([dict(row) for row in session.execute(text(f"SELECT * FROM {table}")).mappings()])
            seconds = session.execute(text("SELECT count(*) FROM lesson_second")).scalar_one()
        ledger.close()
    assert seconds > 0, "presence stays"
    assert bool(found) is mood


def test_unknown_lessons(settings: Settings) -> None:
    for lesson_id in ("nobody", "'; DROP TABLE lesson; --", "../../etc/passwd", "<b>"):
        assert find_reel(lesson_id, settings=settings) is None
        assert lesson_status(lesson_id, settings=settings) is None
        for call in (cancel, reprocess):
            with pytest.raises(LessonUnknown):
                call(lesson_id, settings=settings)


def test_in_the_backends_own_transaction(settings: Settings) -> None:
    ledger = open_ledger(settings.database_url)
    with ledger.engine.connect() as connection:
        for lesson_id, end in (("kept", connection.commit), ("rolled-back", connection.rollback)):
            connection.execute(text("CREATE TABLE IF NOT EXISTS booking (lesson_id TEXT)"))
            connection.execute(text("INSERT INTO booking VALUES (:id)"), {"id": lesson_id})
            job = enqueue_lesson(document(lesson_id), connection=connection, settings=settings)
            assert (job.created, job.sent) == (True, False)
            end()
    assert lesson_status("rolled-back", settings=settings) is None
    assert ends_as("kept", LessonState.DONE, settings), "the reconciler sent it"
    ledger.close()


def test_the_twin_for_asyncio(settings: Settings) -> None:
    async def all_calls() -> None:
        await aclient.enqueue_lesson(document("six"), settings=settings)
        assert await aclient.cancel("six", settings=settings)
        status = await aclient.lesson_status("six", settings=settings)
        assert status is not None
        assert status.state is LessonState.CANCELLED
        await aclient.reprocess("six", settings=settings)
        await aclient.change_consent("six", Consent(), settings=settings)
        assert await aclient.find_reel("six", settings=settings) is None
        assert (await aclient.erase_lesson("six", settings=settings)).lesson_ids == ("six",)
        assert (await aclient.erase_pupil("nobody", settings=settings)).lesson_ids == ()

    asyncio.run(all_calls())
