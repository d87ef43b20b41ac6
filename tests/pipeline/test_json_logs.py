"""What real workers log in JSON: every line an object, the lesson's and its segments' ids in them, no name of a file."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

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

NAME = "masha-ivanova"


def test_a_lesson_and_one_that_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Only root is warned by Celery, as text and before there is a log.
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    write_video(tmp_path / f"{NAME}.mp4", seconds=8)
    recording = {"uri": f"{NAME}.mp4", "started_at": "2026-11-20T10:00:00Z"}
    wishes: dict[str, Any] = {"MODELS": "stand_in", "SEGMENT_SECONDS": 4, "LOG_FORMAT": "json"}
    with Valkey() as valkey:
        settings = Settings(redis_url=valkey.url, database_url=f"sqlite:///{tmp_path}/ledger.sqlite3")
        for lesson_id, uri in (("whole", recording["uri"]), ("broken", f"{NAME}-is-away.mp4")):
            document = lesson_document(lesson_id=lesson_id, student=[{**recording, "uri": uri}], teacher=[])
            assert enqueue_lesson(document, settings=settings).sent
        with (
            a_worker("workers.cpu.tasks", CPU_QUEUE, valkey.url, tmp_path, **wishes),
            a_worker("workers.gpu.tasks", GPU_QUEUE, valkey.url, tmp_path, **wishes),
            closing(open_ledger(settings.database_url)) as ledger,
        ):
            ended = wait_until(lambda: all(ledger.require(name).state.final for name in ("whole", "broken")), 120)
            assert ended, (tmp_path / "cpu.log").read_text()
            assert NAME in (ledger.require("broken").reason or ""), "the ledger has the sentence that the log must not have"
            assert ledger.require("whole").state is not LessonState.QUARANTINED
            assert wait_until(lambda: "publish_lesson" in (tmp_path / "cpu.log").read_text(), 10)
    lines = {queue: _lines(tmp_path / f"{queue}.log") for queue in (CPU_QUEUE, GPU_QUEUE)}
    for queue, told in lines.items():
        assert {line["service"] for line in told} == {queue}
        assert [line["event"] for line in told if line["event"].endswith(" ready.")], "what waits for a worker finds it"
    assert _segments(lines[CPU_QUEUE], "decode_segment") == _segments(lines[GPU_QUEUE], "classify_faces") == {0, 1}
    (refused,) = [line for line in lines[CPU_QUEUE] if line["level"] == "error" and line.get("lesson_id") == "broken"]
    assert refused["fault"][0]["says"] == "Lesson broken refused: RecordingUnreadable."


def _lines(file: Path) -> list[dict[str, Any]]:
    text = file.read_text()
    assert NAME not in text
    return [json.loads(line) for line in text.splitlines()]


def _segments(lines: list[dict[str, Any]], stage: str) -> set[int]:
    """Segments of the whole lesson of which Celery said that the stage succeeded."""
    done = [line for line in lines if line.get("stage") == stage and "succeeded" in line["event"]]
    assert all(line["task_id"] and line["generation"] and line["attempt"] for line in done)
    return {line["segment"] for line in done if line["lesson_id"] == "whole"}
