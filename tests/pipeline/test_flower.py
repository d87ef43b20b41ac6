"""Flower as it is run: a real one, a real Valkey with the users of docs/redis.md, real workers."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from flower.urls import handlers
from tornado.routing import URLSpec

from shared.catalogue import CPU_QUEUE, DECODE_SEGMENT, GPU_QUEUE, SWEEP
from shared.client import enqueue_lesson
from shared.ledger import open_ledger
from shared.settings import Settings
from tests.builders import lesson_document
from tests.media import write_video
from tests.processes import wait_until
from tests.services.flower import PASSWORD, RunningFlower, a_flower, basic, environment_of
from tests.services.valkey import Valkey
from tests.services.workers import a_worker

pytestmark = pytest.mark.redis

DOCUMENT = Path(__file__).parents[2] / "docs" / "redis.md"
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS")
WRONG = {
    "wrong password": basic("flower", "another-password-123"),
    "longer": basic("flower", PASSWORD + "x"),
    "other user": basic("admin", PASSWORD),
    "no user": basic("", PASSWORD),
    "only a scheme": "Basic",
    "no base64": "Basic %%%",
    "not ASCII": "Basic " + "w7w6w7w=",
    "another scheme": f"Bearer {PASSWORD}",
}


def pattern_of(handler: object) -> str:
    return handler.regex.pattern if isinstance(handler, URLSpec) else handler[0]  # type: ignore[index]


def every_path() -> list[str]:
    """One path for each pattern of Flower's, and those that Tornado adds by itself."""
    filled = [
        pattern.rstrip("$").replace("(.+)", "x").replace("(.*)", "css/flower.css").replace("/?", "").replace(".*", "/nowhere")
        for pattern in map(pattern_of, handlers)
    ]
    return [*filled, "/favicon.ico", "/robots.txt", "//", "/static/../../etc/passwd"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("flower")


@pytest.fixture(scope="module")
def valkey(folder: Path) -> Iterator[Valkey]:
    block = re.search(r"```acl\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert block is not None
    (folder / "users.acl").write_text(block[1])
    with Valkey("--aclfile", str(folder / "users.acl")) as started:
        yield started


@pytest.fixture(scope="module")
def flower(folder: Path, valkey: Valkey) -> Iterator[RunningFlower]:
    with a_flower(folder, valkey.url_of("flower", "flower-password")) as started:
        yield started


@pytest.mark.parametrize("method", METHODS)
def test_without_a_password_there_is_nothing(flower: RunningFlower, method: str) -> None:
    assert len(every_path()) > 30
    for path in every_path():
        answer = flower.ask(path, method, authorization=None)
        assert answer.status == 401, path
        assert answer.headers["WWW-Authenticate"].startswith("Basic ")
        assert "flower" not in answer.text.lower()


def test_with_a_wrong_one_neither_and_that_slowly(flower: RunningFlower) -> None:
    def ask(case: tuple[str, str]) -> tuple[int, float]:
        begun = time.monotonic()
        return flower.ask(case[0], authorization=case[1]).status, time.monotonic() - begun

    paths = every_path()
    cases = [*product(paths, [WRONG["wrong password"]]), *product(["/", "/metrics", "/healthcheck"], WRONG.values())]
    with ThreadPoolExecutor(len(cases)) as pool:
        answers = list(pool.map(ask, cases))
    assert {status for status, _ in answers} == {401}
    assert min(seconds for _, seconds in answers) >= 1.0


def test_with_the_right_one_every_page_works(flower: RunningFlower) -> None:
    found = {path: flower.ask(path).status for path in every_path()}
    assert not {path for path, status in found.items() if status == 401 or status >= 500}
    shown = [
        "/",
        "/workers",
        "/tasks",
        "/broker",
        "/api/workers",
        "/api/tasks",
        "/metrics",
        "/healthcheck",
        "/static/css/flower.css",
    ]
    assert {found[path] for path in shown} == {200}
    lengths = json.loads(flower.ask("/api/queues/length").text)["active_queues"]
    assert {queue["name"] for queue in lengths} >= {"cpu", "gpu", "cpu.bulk", "gpu.bulk"}
    page = flower.ask("/tasks")
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert page.headers["Cache-Control"] == "no-store"
    assert "Server" not in page.headers


def test_nothing_can_be_done_from_here(flower: RunningFlower) -> None:
    deeds = [path for path in every_path() if path.startswith(("/api/worker/", "/api/task/"))]
    answers = {path: flower.ask(path, "POST", body="").status for path in deeds}
    reading = {"/api/task/types", "/api/task/info/css/flower.css", "/api/task/result/x"}
    assert {path for path, status in answers.items() if status != 403} == reading
    assert {answers[path] for path in reading} == {405}
    assert flower.ask("/api/task/result/x").status == 403


def test_the_health_check(flower: RunningFlower, folder: Path) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "workers", "flower", "--port", str(flower.port), "--check"]
    environment = environment_of(folder, "redis://nowhere.invalid")
    well = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert well.returncode == 0
    imported = {line.rsplit("|", 1)[1].strip().split(".")[0] for line in well.stderr.splitlines() if "|" in line}
    assert not imported & {"celery", "flower", "tornado", "sqlalchemy", "torch"}
    other = folder / "other"
    other.write_text("another-password-123")
    other.chmod(0o600)
    ill = subprocess.run(
        command, env={**environment, "SMILEREEL_FLOWER_PASSWORD_FILE": str(other)}, capture_output=True, text=True, check=False
    )
    assert ill.returncode == 1
    assert "answers with 401 instead of 200" in ill.stderr


def test_redis_comes_and_goes(tmp_path: Path) -> None:
    valkey = Valkey()
    try:
        with a_flower(tmp_path, valkey.url) as flower:
            assert flower.ask("/broker").status == 200, "it starts without"
            for uuid in ("before", "after"):
                valkey.start()
                assert wait_until(partial(is_seen, flower, valkey.url, uuid), 20)
                valkey.kill()
                assert flower.ask("/tasks").status == 200
            begun = time.monotonic()
            assert flower.end() == 0
            assert time.monotonic() - begun < 3
    finally:
        valkey.kill()


def is_seen(flower: RunningFlower, url: str, uuid: str) -> bool:
    """Send an event like a worker's; whether Flower shows the task."""
    app = Celery(broker=url)
    with app.connection() as connection, app.events.Dispatcher(connection, hostname="cpu@host") as dispatcher:
        dispatcher.send("task-received", uuid=uuid, name=DECODE_SEGMENT, args="({'lesson_id': 'lesson-9'},)", kwargs="{}")
    return flower.ask(f"/api/task/info/{uuid}").status == 200


def test_behind_a_proxys_prefix(tmp_path: Path, valkey: Valkey) -> None:
    with a_flower(tmp_path, valkey.url_of("flower", "flower-password"), "--url-prefix", "/watch/", "--behind-proxy") as flower:
        page = flower.ask("/watch/tasks")
        assert page.status == 200
        assert 'href="/tasks' not in page.text
        style = re.search(r'href="(/watch/static/css/flower\.css[^"]*)"', page.text)
        assert style is not None
        assert flower.ask(style[1]).status == 200
        assert flower.ask("/tasks").status == 404
        assert {flower.ask(path, authorization=None).status for path in ("/watch/tasks", "/tasks", style[1])} == {401}


def refreshed(flower: RunningFlower) -> dict[str, Any]:
    workers: dict[str, Any] = json.loads(flower.ask("/api/workers?refresh=1").text)
    return workers


@pytest.mark.slow
def test_a_lesson_is_readable_and_survives_a_restart(tmp_path: Path, valkey: Valkey) -> None:
    """Also with no more than Flower's own user in Redis, and without a password on any page."""
    write_video(tmp_path / "student.mp4", seconds=12)
    common = {"MODELS": "stand_in", "SEGMENT_SECONDS": 5, "SWEEP_SECONDS": 0.5}
    url, history = valkey.url_of("flower", "flower-password"), ("--db", str(tmp_path / "history"))
    worker_url = valkey.url_of("worker", "worker-password")
    with valkey.client("operator", "operator-password") as operator:
        operator.acl_log_reset()
    settings = Settings(
        redis_url=valkey.url_of("backend", "backend-password"), database_url=f"sqlite:///{tmp_path}/ledger.sqlite3"
    )
    with (
        a_flower(tmp_path, url, *history) as flower,
        a_worker("workers.cpu.tasks", CPU_QUEUE, worker_url, tmp_path, **common),
        a_worker("workers.gpu.tasks", GPU_QUEUE, worker_url, tmp_path, **common) as gpu,
    ):
        assert enqueue_lesson(lesson_document(teacher=[]), settings=settings).sent
        ledger = open_ledger(settings.database_url)
        assert wait_until(lambda: ledger.require("lesson-1").state.final, 120), (tmp_path / "cpu.log").read_text()[-3000:]
        ledger.close()
        assert wait_until(lambda: len(succeeded(flower)) == 16, 20), succeeded(flower)
        told = succeeded(flower)
        assert wait_until(lambda: {name.split("@")[0] for name in refreshed(flower)} == {"cpu", "gpu"}, 20)
        workers = refreshed(flower)
        shown = flower.ask("/api/workers").text + "".join(flower.ask(f"/worker/{name}").text for name in workers)
        shown += flower.ask("/broker").text + flower.ask("/metrics").text + (tmp_path / "flower.log").read_text()
        assert flower.ask(f"/api/worker/shutdown/{next(iter(workers))}", "POST", body="").status == 403
        assert gpu.poll() is None
        begun = time.monotonic()
        assert flower.end() == 0
        assert time.monotonic() - begun < 3
    assert not re.search(r"(flower|worker|backend|operator)-password|student\.mp4|a-password-of", shown)
    assert (DECODE_SEGMENT, "lesson-1 · segment 2 · seconds 8-12") in told, told
    assert all(lesson.startswith("lesson-1") for _, lesson in told)
    assert not any(name == SWEEP for name, _ in told)
    with valkey.client("operator", "operator-password") as operator:
        assert operator.acl_log() == [], "nobody was refused anything"
    with a_flower(tmp_path, url, *history) as flower:
        assert succeeded(flower) == told
        assert {path.stat().st_mode & 0o077 for path in tmp_path.glob("history*")} == {0}


def succeeded(flower: RunningFlower) -> dict[tuple[str, str], str]:
    """Task and its lesson or segment, and what came out."""
    tasks = json.loads(flower.ask("/api/tasks?limit=1000").text).values()
    return {(task["name"], task["args"]): task["result"] for task in tasks if task["state"] == "SUCCESS"}
