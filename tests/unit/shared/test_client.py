"""The backend's calls: light, quick when Redis is away, and honest about consent."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shared.client import enqueue_lesson, lesson_status
from shared.errors import ConsentMissing, LessonConflict, LessonInvalid, SchemaMissing
from shared.ledger import LessonState, open_ledger
from shared.sender import plan_sender
from shared.sending import Sent
from shared.settings import Settings
from tests.builders import lesson_document


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(redis_url="redis://127.0.0.1:1/0", database_url=f"sqlite:///{tmp_path}/ledger.sqlite3")


def test_redis_being_away_neither_fails_nor_blocks(settings: Settings) -> None:
    with plan_sender(settings.redis_url) as send:  # imports the transport, which a backend pays once a process
        assert not send(Sent("lesson-0", 1))
    started = time.monotonic()
    job = enqueue_lesson(lesson_document(), settings=settings)
    assert time.monotonic() - started < 1.0
    assert (job.created, job.sent, job.state) == (True, False, LessonState.ACCEPTED)
    again = enqueue_lesson(lesson_document(), settings=settings)
    assert (again.created, again.lesson_id) == (False, job.lesson_id)
    status = lesson_status("lesson-1", settings=settings)
    assert status is not None
    assert (status.state, status.stage, status.percent) == (LessonState.ACCEPTED, None, 0)
    assert lesson_status("nobody", settings=settings) is None


@pytest.mark.postgresql
def test_the_tables_of_a_server_are_made_by_nobody_but_migrate(settings: Settings, bare_server_url: str) -> None:
    settings = settings.model_copy(update={"database_url": bare_server_url})
    for _ in range(2):
        with pytest.raises(SchemaMissing, match="run `smilereel migrate`"):
            enqueue_lesson(lesson_document(), settings=settings)
    ledger = open_ledger(bare_server_url)
    ledger.create_schema()
    ledger.close()
    assert enqueue_lesson(lesson_document(), settings=settings).created


def test_what_is_refused_at_the_door(settings: Settings) -> None:
    with pytest.raises(ConsentMissing, match=r"consent\.process"):
        enqueue_lesson(lesson_document(consent={"reel": True}), settings=settings)
    with pytest.raises(LessonInvalid):
        enqueue_lesson(lesson_document(extra=1), settings=settings)
    enqueue_lesson(lesson_document(), settings=settings)
    with pytest.raises(LessonConflict):
        enqueue_lesson(lesson_document(pupil_id="p"), settings=settings)


def test_the_client_imports_nothing_heavy() -> None:
    code = "import json, sys, shared.client; print(json.dumps(sorted(sys.modules)))"
    modules = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    heavy = {"torch", "cv2", "fastai", "numpy", "av", "imageio", "PIL", "workers"}
    assert heavy.isdisjoint({name.split(".")[0] for name in modules})
