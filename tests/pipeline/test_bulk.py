"""A night's bulk and a fresh lesson, with real workers: the fresh one passes, and each stays on its own queues."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from shared.catalogue import LESSON_HEADER, QUEUES
from shared.client import enqueue_lesson, reprocess
from shared.ledger import open_ledger
from shared.settings import Settings
from tests.builders import lesson_document
from tests.media import write_video
from tests.processes import wait_until
from tests.services.valkey import Valkey
from tests.services.workers import a_worker

pytestmark = [pytest.mark.redis, pytest.mark.slow]

N_BULK = 30
WISHES = {
    "MODELS": "stand_in",
    "SEGMENT_SECONDS": 5,
    "RECONCILE_SECONDS": 0.2,
    "LESSONS_IN_WORK": 8,
    "DECODE_THREADS": 1,
    "REEL_SIDE": 64,
    "REEL_FRAMES": 3,
}


@contextmanager
def messages_seen(valkey: Valkey) -> Iterator[list[tuple[str, str, str]]]:
    """Each message that anybody puts into a queue, as (queue, task, lesson)."""
    seen: list[tuple[str, str, str]] = []
    client = redis.Redis(unix_socket_path=str(valkey.socket), socket_timeout=None)

    def listen() -> None:
        try:
            with client.monitor() as monitor:  # type: ignore[no-untyped-call]
                for command in monitor.listen():
                    name, _, rest = command["command"].partition(" ")
                    queue, _, message = rest.partition(" ")
                    if name.upper() in {"LPUSH", "RPUSH"} and queue in QUEUES:
                        headers = json.loads(message.encode().decode("unicode_escape"))["headers"]
                        seen.append((queue, headers["task"], headers.get(LESSON_HEADER, "")))
        except (redis.ConnectionError, ValueError):
            return  # Valkey has ended.

    threading.Thread(target=listen, daemon=True).start()
    yield seen
    client.close()


def test_a_fresh_lesson_passes_a_nights_bulk(tmp_path: Path) -> None:
    write_video(tmp_path / "student.mp4", seconds=12)
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite3")
    ledger.create_schema()
    with Valkey() as valkey, messages_seen(valkey) as seen:
        settings = Settings(redis_url=valkey.url, database_url=f"sqlite:///{tmp_path}/ledger.sqlite3")

        def hand_in(name: str, *, bulk: bool) -> bool:
            document = lesson_document(lesson_id=name, teacher=[], subject="anyone")
            return enqueue_lesson(document, bulk=bulk, settings=settings).sent

        def n_ended() -> int:
            return sum(record.state.final for record in ledger.find() if record.bulk)

        assert not any(hand_in(f"bulk-{n}", bulk=True) for n in range(N_BULK)), "the reconciler sends them"
        with (
            a_worker("tests.services.failing_once", "cpu", valkey.url, tmp_path, **WISHES),
            a_worker("workers.gpu.tasks", "gpu", valkey.url, tmp_path, **WISHES),
        ):
            assert wait_until(lambda: n_ended() >= 2, 60), (tmp_path / "cpu.log").read_text()[-3000:]
            assert 0 < ledger.sending.places_by_kind()[1] <= 6, "two places are kept free"
            before = n_ended()
            assert hand_in("fresh", bulk=False)
            assert wait_until(lambda: ledger.require("fresh").state.final, 60), "the fresh lesson ends"
            passed_by = n_ended() - before
            left = N_BULK - n_ended()
            assert wait_until(lambda: n_ended() == N_BULK, 120), (tmp_path / "cpu.log").read_text()[-3000:]
            assert reprocess("fresh", bulk=True, settings=settings).sent is False
            assert wait_until(lambda: ledger.require("fresh").state.final and ledger.require("fresh").revision == 2, 30)
        states = {str(record.state) for record in ledger.find()}
        ledger.close()
    assert states == {"done"}
    # It shares the workers with the six that were in work, and with none of those behind them.
    assert passed_by <= 8, (passed_by, left)
    assert left >= N_BULK // 2
    n_fresh = [lesson for _, _, lesson in seen].index("fresh")
    anew = max(n for n, (queue, _, lesson) in enumerate(seen) if lesson == "fresh" and "bulk" not in queue)
    assert n_fresh < anew
    of_bulk = {(queue, task) for queue, task, lesson in seen if lesson.startswith("bulk")}
    of_fresh = {(queue, task) for queue, task, lesson in seen[: anew + 1] if lesson == "fresh"}
    assert len(of_bulk) == len(of_fresh) == 8, "every stage, on one queue each"
    assert all(queue == f"{task.split('.')[1]}.bulk" for queue, task in of_bulk)
    assert all(queue == task.split(".")[1] for queue, task in of_fresh)
    tries = [lesson for _, task, lesson in seen if task.endswith("decode_segment") and lesson.startswith("bulk")]
    assert len(tries) > 3 * N_BULK, "one was tried again, and stayed where it was"
