"""A segment that hangs: a real worker ends it at its time limit, gives it up after its attempts, and the lesson ends without it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from shared.catalogue import CPU_QUEUE, GPU_QUEUE
from shared.client import enqueue_lesson
from shared.ledger import LessonState, open_ledger
from shared.settings import Settings
from tests.builders import lesson_document
from tests.media import write_video
from tests.processes import wait_until
from tests.services.valkey import Valkey
from tests.services.workers import a_worker

pytestmark = [pytest.mark.redis, pytest.mark.slow]

WISHES = {"MODELS": "stand_in", "SEGMENT_SECONDS": 6, "LEASE_SECONDS": 2, "RECONCILE_SECONDS": 0.3}
SAID = {
    "soft": "segment 0 skipped at decode_segment: decode_segment failed: SoftTimeLimitExceeded",
    "hard": "segment 0 skipped at decode_segment: decode_segment ended 1 times without a result",
}


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    with Valkey() as started:
        yield started


@pytest.mark.parametrize(("hangs", "attempts"), [("soft", 2), ("hard", 1)])
def test_a_hanging_segment_is_given_up(
    valkey: Valkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hangs: str, attempts: int
) -> None:
    monkeypatch.setenv("HANGING_STAGE", hangs)
    write_video(tmp_path / "student.mp4", seconds=12)
    settings = Settings(redis_url=valkey.url, database_url=f"sqlite:///{tmp_path}/ledger.sqlite3", lease_seconds=2)
    assert enqueue_lesson(lesson_document(teacher=[]), settings=settings).sent
    wishes = {**WISHES, "SEGMENT_ATTEMPTS": attempts}
    with (
        a_worker("tests.services.hanging_stage", CPU_QUEUE, valkey.url, tmp_path, **wishes) as worker,
        a_worker("workers.gpu.tasks", GPU_QUEUE, valkey.url, tmp_path, **wishes),
        closing(open_ledger(settings.database_url)) as ledger,
    ):
        ended = wait_until(lambda: ledger.require("lesson-1").state.final, 90)
        told = (tmp_path / "cpu.log").read_text()
        assert ended, told
        assert worker.poll() is None
        record = ledger.require("lesson-1")
        assert record.state is LessonState.NO_REEL, (record.reason, told)
        decoding = ledger.runs.progress("lesson-1", record.work_version or "")["decode_segment"]
    assert (decoding.finished, decoding.skipped) == (1, 1), "the other one was looked at"
    assert SAID[hangs] in told
    assert ("Hard time limit" in told) is (hangs == "hard")
