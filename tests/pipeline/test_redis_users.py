"""The users of docs/redis.md with a real Valkey and real workers: each role can do its work and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from shared.catalogue import CPU_QUEUE, GPU_QUEUE
from shared.client import enqueue_lesson
from shared.ledger import open_ledger
from shared.settings import Settings
from tests.builders import lesson_document
from tests.media import write_video
from tests.processes import wait_until
from tests.services.tls import certificate, tls_port
from tests.services.valkey import Valkey
from tests.services.workers import a_worker

pytestmark = [pytest.mark.redis, pytest.mark.slow]

DOCUMENT = Path(__file__).parents[2] / "docs" / "redis.md"


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    block = re.search(r"```acl\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert block is not None
    (tmp_path / "users.acl").write_text(block[1])
    with Valkey("--aclfile", str(tmp_path / "users.acl")) as started:
        yield started


def test_a_lesson_goes_through_and_nobody_oversteps(valkey: Valkey, tmp_path: Path) -> None:
    write_video(tmp_path / "student.mp4", seconds=12)
    common = {"MODELS": "stand_in", "SEGMENT_SECONDS": 5}
    worker_url = valkey.url_of("worker", "worker-password")
    settings = Settings(
        redis_url=valkey.url_of("backend", "backend-password"), database_url=f"sqlite:///{tmp_path}/ledger.sqlite3"
    )
    assert enqueue_lesson(lesson_document(teacher=[]), settings=settings).sent
    assert waiting(valkey) == 1
    in_bulk = enqueue_lesson(lesson_document(lesson_id="lesson-2", teacher=[]), settings=settings, bulk=True)
    assert not in_bulk.sent, "the workers themselves send it when it has a place"
    with (
        a_worker("workers.cpu.tasks", CPU_QUEUE, worker_url, tmp_path, **common),
        a_worker("workers.gpu.tasks", GPU_QUEUE, worker_url, tmp_path, **common),
    ):
        ledger = open_ledger(settings.database_url)
        ended = wait_until(lambda: all(ledger.require(f"lesson-{number}").state.final for number in (1, 2)), 120)
        ledger.close()
        assert ended, (tmp_path / "cpu.log").read_text()[-3000:]
    with valkey.client("operator", "operator-password") as operator:
        assert operator.acl_log() == [], "nobody was refused anything while working"


def waiting(valkey: Valkey) -> int:
    with valkey.client("operator", "operator-password") as operator:
        return int(operator.llen(CPU_QUEUE))


@pytest.mark.parametrize(
    ("user", "command"),
    [
        ("backend", ("LRANGE", "cpu", 0, -1)),
        ("backend", ("RPOP", "cpu")),
        ("backend", ("LPUSH", "gpu", "x")),
        ("backend", ("GET", "celery-task-meta-1")),
        ("backend", ("SUBSCRIBE", "celery")),
        ("metrics", ("LPUSH", "cpu", "x")),
        ("metrics", ("LRANGE", "cpu", 0, -1)),
        ("metrics", ("GET", "celery-task-meta-1")),
        ("flower", ("LPUSH", "cpu", "x")),
        ("flower", ("LPUSH", "gpu.bulk", "x")),
        ("flower", ("FLUSHALL",)),
        ("worker", ("FLUSHALL",)),
        ("worker", ("CONFIG", "GET", "*")),
        ("worker", ("ACL", "LIST")),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_what_a_role_may_not_do(valkey: Valkey, user: str, command: tuple[object, ...]) -> None:
    with valkey.client(user, f"{user}-password") as client, pytest.raises(redis.exceptions.NoPermissionError):
        client.execute_command(*command)


def test_without_a_password_nothing(valkey: Valkey) -> None:
    with valkey.client() as client, pytest.raises(redis.AuthenticationError):
        client.ping()


def test_tls_is_spoken_and_only_with_whom_the_authority_knows(tmp_path: Path) -> None:
    for name in ("ours", "others"):
        (tmp_path / name).mkdir()
    ours, others = (certificate(tmp_path / name, "IP:127.0.0.1") for name in ("ours", "others"))
    with Valkey() as valkey, tls_port(valkey.socket, ours) as port:

        def sent(lesson_id: str, address: str) -> bool:
            settings = Settings(redis_url=address, database_url=f"sqlite:///{tmp_path}/ledger.sqlite3")
            return enqueue_lesson(lesson_document(lesson_id=lesson_id), settings=settings).sent

        address = f"rediss://127.0.0.1:{port}/0?ssl_cert_reqs=required&ssl_ca_certs="
        assert sent("right", f"{address}{ours.authority}")
        assert not sent("stranger", f"{address}{others.authority}")
        assert not sent("plain", f"redis://127.0.0.1:{port}/0")
        with valkey.client() as client:
            assert client.llen(CPU_QUEUE) == 1
