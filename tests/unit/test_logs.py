"""One JSON object a line: ids in it, and nothing that an exception or a task's argument says."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from celery import Task

from shared.errors import ModelError, RecordingUnreadable
from workers import logs
from workers.doors import StageFailed

NAME = "masha-ivanova.mp4"


@pytest.fixture(autouse=True)
def nobody_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(logs.NODE_VARIABLE, raising=False)
    structlog.contextvars.clear_contextvars()
    yield
    structlog.contextvars.clear_contextvars()


def line_of(message: str, *args: Any, name: str = "workers.doors", error: BaseException | None = None, **extra: Any) -> Any:
    """The object that a call of a logger becomes."""
    info = (type(error), error, error.__traceback__) if error else None
    record = logging.getLogger(name).makeRecord(name, logging.ERROR, __file__, 1, message, args, info, extra=extra)
    text = logs.json_formatter("tests").format(record)
    assert "\n" not in text
    return json.loads(text)


def raised(error: Exception, cause: Exception | None = None) -> Exception:
    try:
        secret_of_the_frame = NAME
        assert secret_of_the_frame
        raise error from cause  # noqa: TRY301
    except Exception as caught:  # noqa: BLE001
        return caught


def test_a_line_has_time_level_logger_and_whose_it_is() -> None:
    structlog.contextvars.bind_contextvars(lesson_id="lesson-1", segment=3, generation=2, attempt=1)
    line = line_of("segment %d skipped", 3)
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "error", "logger": "workers.doors", "event": "segment 3 skipped", "service": "tests",
        "lesson_id": "lesson-1", "segment": 3, "generation": 2, "attempt": 1,
    }  # fmt: skip


def test_further_lines_of_ours_are_a_field() -> None:
    line = line_of("lesson %s: decode failed: %s", "lesson-1", 'OSError\n  File "decode.py", line 7')
    assert line["event"] == "lesson lesson-1: decode failed: OSError"
    assert line["detail"] == '  File "decode.py", line 7'


@pytest.mark.parametrize("kind", [OSError, KeyError, RecordingUnreadable])
def test_what_an_exception_says_is_left_out(kind: type[Exception]) -> None:
    line = line_of("it stumbled", error=raised(kind(f"There is no {NAME}."), ValueError(NAME)))
    assert NAME not in json.dumps(line), "neither the message nor a local variable nor the cause"
    assert [fault["type"].rsplit(".")[-1] for fault in line["fault"]] == [kind.__name__, "ValueError"]
    assert line["fault"][0]["lines"] == [f"{__file__}:{raised.__code__.co_firstlineno + 4} raised"]


@pytest.mark.parametrize("error", [StageFailed("Lesson lesson-1 rests: OSError."), ModelError("The weights are altered.")])
def test_what_speaks_of_ids_alone_is_quoted(error: Exception) -> None:
    assert line_of("failed", error=raised(error))["fault"][0]["says"] == str(error)


def test_celerys_sentences_lose_arguments_results_and_exceptions() -> None:
    data = {
        "id": "0f-1", "name": "smilereel.cpu.crop_faces", "args": NAME, "kwargs": NAME, "exc": repr(OSError(NAME)), "runtime": 1.23456,
        "return_value": NAME, "description": "raised unexpected", "traceback": NAME, "eta": None,
    }  # fmt: skip
    for message, event in (
        ("Task %(name)s[%(id)s] received", "received"),
        ("Task %(name)s[%(id)s] succeeded in %(runtime)ss: %(return_value)s", "succeeded in 1.23456s"),
        ("Task %(name)s[%(id)s] %(description)s: %(exc)s\n%(traceback)s", "raised unexpected"),
        ("Task %(name)s[%(id)s] retry: %(exc)s", "retry"),
    ):
        line = line_of(message, data, name="celery.app.trace", data=data)
        assert line["event"] == f"Task smilereel.cpu.crop_faces[0f-1] {event}"
        assert (line["task"], line["task_id"], line["runtime_seconds"]) == ("smilereel.cpu.crop_faces", "0f-1", 1.235)
        assert NAME not in json.dumps(line)


def test_a_message_that_celery_cannot_use_is_not_repeated() -> None:
    line = line_of("Received and deleted unknown message.\n\nThe full contents: %s", NAME, name="celery.worker.consumer.consumer")
    assert (line["event"], "detail" in line) == ("Received and deleted unknown message.", False)


def test_a_task_is_bound_until_its_end() -> None:
    task = Task()
    task.name = "smilereel.gpu.detect_faces"
    structlog.contextvars.bind_contextvars(lesson_id="of another task")
    logs.begin_task(task_id="0f-1", task=task)
    line = line_of("begins")
    assert (line["task_id"], line["stage"], line.get("lesson_id")) == ("0f-1", "detect_faces", None)
    logs.end_task()
    assert "task_id" not in line_of("ended")


def test_auto_is_text_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for terminal in (True, False):
        monkeypatch.setattr(sys.stderr, "isatty", lambda answer=terminal: answer, raising=False)
        assert (logs.writes_json("auto"), logs.writes_json("json"), logs.writes_json("text")) == (not terminal, True, False)


def test_a_worker_hands_its_name_on_to_its_children() -> None:
    logs.name_worker(sender="gpu@attic")
    try:
        record = logging.makeLogRecord({"msg": "x", "levelname": "INFO"})
        line = json.loads(logs.json_formatter().format(record))
        assert (line["service"], line["node"]) == ("gpu", "gpu@attic")
    finally:
        del os.environ[logs.NODE_VARIABLE]
