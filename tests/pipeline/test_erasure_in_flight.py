"""Fifty lessons in work on real parts, and erasure at random moments: afterwards nothing of them is anywhere but marks and log entries."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import redis
from sqlalchemy import inspect, text

from shared.client import enqueue_lesson, erase_lesson, erase_pupil
from shared.errors import LessonErased, LessonUnknown
from shared.ledger import Ledger, open_ledger
from shared.marks import MARKS
from shared.settings import Settings
from tests.processes import wait_until
from workers.chaos.assembly import FAST, SMALL, Options, parts_of
from workers.chaos.cluster import Cluster
from workers.chaos.lessons import document_of, render_films
from workers.chaos.plan import PlannedLesson

pytestmark = [pytest.mark.redis, pytest.mark.slow]

LESSONS, PUPILS = 50, 5


def lesson_id(number: int) -> str:
    return f"secret-lesson-{number:02d}"


def document(number: int) -> dict[str, object]:
    planned = document_of(PlannedLesson(lesson_id(number), "reel", 0.0, number))
    return {
        **planned,
        "pupil_id": f"secret-pupil-{number % PUPILS}",
        "consent": dict.fromkeys(("process", "reel", "analytics"), True),
    }


def erase_at_random(settings: Settings, seed: int) -> None:
    """Hand in and erase, in an order of the seed: most lessons by themselves, those of one pupil together."""
    lot = random.Random(seed)
    waiting: list[int] = []
    for number in lot.sample(range(LESSONS), LESSONS):
        enqueue_lesson(document(number), settings=settings)
        waiting.append(number)
        time.sleep(lot.uniform(0, 0.25))
        while waiting and lot.random() < 0.5:
            erase(waiting.pop(lot.randrange(len(waiting))), settings)
    time.sleep(1)
    receipt = erase_pupil("secret-pupil-0", settings=settings)
    assert set(receipt.lesson_ids) == {lesson_id(number) for number in waiting if number % PUPILS == 0}
    for number in waiting:
        if number % PUPILS:
            erase(number, settings)


def erase(number: int, settings: Settings) -> None:
    receipt = erase_lesson(lesson_id(number), settings=settings)
    assert (receipt.lesson_ids, receipt.store_cleared) == ((lesson_id(number),), True)


def traces_in_database(ledger: Ledger) -> list[str]:
    """Rows that speak of a lesson or a pupil, except marks and log entries."""
    found = []
    with ledger.database.reading() as session:
        for table in inspect(ledger.engine).get_table_names():
            if table not in {"tombstone", "audit"}:
                found += [f"{table}: {row}" for row in session.execute(text(f"SELECT * FROM {table}")) if "secret-" in str(row)]
    return found


def traces_in_valkey(cluster: Cluster) -> list[str]:
    with redis.Redis(unix_socket_path=str(cluster.places.socket)) as client:
        return [key.decode() for key in client.scan_iter() if b"secret-" in key + content(client, key)]


def content(client: Any, key: bytes) -> bytes:
    """All that a key holds, whatever its kind; nothing where it has just gone."""
    read: dict[bytes, Callable[[], Iterable[bytes]]] = {
        b"string": lambda: [client.get(key) or b""],
        b"list": lambda: client.lrange(key, 0, -1),
        b"set": lambda: client.smembers(key),
        b"zset": lambda: client.zrange(key, 0, -1),
        b"hash": lambda: client.hgetall(key).values(),
        b"none": list,
    }
    return b"".join(read[client.type(key)]())


def traces_in_files(folder: Path) -> list[str]:
    """All but the marks, which outlive a ledger that is restored from a backup; they hold the id and a day."""
    return [
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if MARKS not in path.relative_to(folder).parts
        and ("secret-" in path.name or (path.is_file() and b"secret-" in path.read_bytes()))
    ]


def test_nothing_of_an_erased_lesson_is_found_anywhere(tmp_path: Path) -> None:
    lines = [f"{number}.jpg,smile,{lesson_id(number)}\n" for number in range(LESSONS)]
    (tmp_path / "smiles.csv").write_text("file,label,lesson_id\n" + "".join(lines) + "kept.jpg,smile,another\n")
    with parts_of(Options(seed=7, lessons=LESSONS, seconds=10), {**FAST, **SMALL, "labels_folder": tmp_path}) as (
        cluster,
        address,
    ):
        render_films(cluster.places.media, with_faces=False)
        cluster.start()
        settings = Settings(
            redis_url=f"redis+socket://{cluster.places.socket}",
            database_url=f"sqlite:///{address}",
            store_url=f"file://{cluster.places.store}",
        )
        erase_at_random(settings, seed=7)
        ledger = open_ledger(settings.database_url)

        def traces() -> list[str]:
            folders = (cluster.places.store, cluster.places.temporary, tmp_path)
            files = [found for folder in folders for found in traces_in_files(folder)]
            return traces_in_database(ledger) + traces_in_valkey(cluster) + files

        assert wait_until(lambda: not traces(), 60), traces()
        assert (tmp_path / "smiles.csv").read_text() == "file,label,lesson_id\nkept.jpg,smile,another\n"
        assert len(ledger.rights.are_erased([lesson_id(number) for number in range(LESSONS)])) == LESSONS
        assert sum(entry.action == "erase" for entry in ledger.audit.entries()) > 1
        with pytest.raises(LessonErased):
            enqueue_lesson(document(1), settings=settings)
        with pytest.raises(LessonUnknown):
            erase_lesson("nobody", settings=settings)
        ledger.close()
        assert not [one for one in cluster.workers if one.own_deaths]
