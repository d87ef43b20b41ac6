"""docker-compose.yml as processes: real Valkey, PostgreSQL, S3 server, beat, Flower, web, metrics and workers, from the shipped file."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, ResponseError
from redis.retry import Retry

from shared.client import enqueue_lesson, find_reel, lesson_status
from tests.processes import processes_of, wait_until
from tests.services.up import Up, running
from workers.chaos.lessons import document_of, render_films
from workers.chaos.plan import PlannedLesson

pytestmark = [pytest.mark.redis, pytest.mark.postgresql, pytest.mark.s3, pytest.mark.slow]

SERVICES = {
    "redis-1",
    "postgres-1",
    "store-1",
    "migrate-1",
    "cpu-1",
    "gpu-on-cpu-1",
    "gpu-on-cpu-2",
    "beat-1",
    "flower-1",
    "web-1",
    "metrics-1",
}


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    folder = tmp_path_factory.mktemp("up")
    render_films(folder / "recordings", with_faces=False)
    with running(
        folder / "run", "--scale", "gpu=2", RECORDINGS_FOLDER=str(folder / "recordings"), SMILEREEL_MODELS="stand_in"
    ) as run:
        yield run


def test_every_service_of_the_file_runs_and_is_well(up: Up) -> None:
    instances = up.instances()
    assert set(instances) == SERVICES
    states = {name: each["state"] for name, each in instances.items()}
    assert states.pop("migrate-1") == "ended"
    assert set(states.values()) == {"healthy"}, states


def address_of(up: Up, what: str) -> tuple[str, int]:
    """Host and port that a client's setting leads to."""
    settings = up.client()
    url = {"redis": settings.redis_url, "database": settings.database_url, "store": settings.s3_endpoint}[what]
    host, port = url.split("://")[1].split("@")[-1].split("/")[0].split(":")
    return host, int(port)


@pytest.mark.parametrize("user", [None, "default", "worker", "operator", "backend", "flower"])
def test_redis_is_closed(up: Up, user: str | None) -> None:
    host, port = address_of(up, "redis")
    for password in (None, "wrong"):
        with (
            Redis(host=host, port=port, username=user, password=password, retry=Retry(NoBackoff(), 0)) as stranger,
            pytest.raises((AuthenticationError, ResponseError)),
        ):
            stranger.ping()


@pytest.mark.parametrize("password", ["", "wrong"])
@pytest.mark.parametrize("user", ["smilereel", "postgres"])
def test_postgresql_is_closed(up: Up, user: str, password: str) -> None:
    host, port = address_of(up, "database")
    with pytest.raises(psycopg.OperationalError, match=r"password|role"):
        psycopg.connect(host=host, port=port, user=user, password=password, dbname="smilereel", connect_timeout=5)
    socket_folder = up.root / "tmp" / "postgres-1" / "var-run-postgresql"
    with pytest.raises(psycopg.OperationalError, match=r"password|role"):
        psycopg.connect(host=str(socket_folder), port=port, user=user, password=password, dbname="smilereel", connect_timeout=5)


def test_the_store_is_closed(up: Up) -> None:
    endpoint = up.client().s3_endpoint
    for path in ("/", "/smilereel", "/smilereel/smilereel/x"):
        for method in ("GET", "PUT", "DELETE"):
            answer = httpx.request(method, endpoint + path)
            assert answer.status_code in {403, 405}, (method, path)


@pytest.mark.parametrize("path", ["/", "/workers", "/tasks", "/broker", "/api/workers", "/api/tasks", "/metrics", "/healthcheck"])
@pytest.mark.parametrize("auth", [None, ("flower", "wrong"), ("admin", "")])
def test_flower_is_closed(up: Up, path: str, auth: tuple[str, str] | None) -> None:
    assert httpx.get(f"http://127.0.0.1:{up.ports['FLOWER']}{path}", auth=auth).status_code == 401


@pytest.mark.parametrize("path", ["/", "/metrics", "/healthz", "/elsewhere"])
@pytest.mark.parametrize("auth", [None, ("metrics", "wrong")])
def test_our_metrics_are_closed(up: Up, path: str, auth: tuple[str, str] | None) -> None:
    assert httpx.get(f"http://127.0.0.1:{up.ports['METRICS']}{path}", auth=auth).status_code == 401


@pytest.mark.parametrize("path", ["/", "/quarantine", "/audit", "/connection", "/lessons/lesson-1"])
def test_the_page_is_closed(up: Up, path: str) -> None:
    answer = httpx.get(f"http://127.0.0.1:{up.ports['WEB']}{path}")
    assert answer.status_code in {303, 404}
    assert answer.headers.get("location", "/login").startswith("/login")


def test_with_their_passwords_the_doors_open(up: Up) -> None:
    flower = httpx.get(f"http://127.0.0.1:{up.ports['FLOWER']}/api/workers", auth=("flower", up.secret("flower")))
    metrics = httpx.get(f"http://127.0.0.1:{up.ports['METRICS']}/metrics", auth=("metrics", up.secret("metrics")))
    assert (flower.status_code, metrics.status_code) == (200, 200)
    assert "smilereel_database_up 1" in metrics.text


def test_lessons_end_while_workers_come_go_and_are_killed(up: Up) -> None:
    settings = up.client()
    names = [f"lesson-{number}" for number in range(8)]
    for name in names:
        assert enqueue_lesson(document_of(PlannedLesson(name, "reel", 0.0, 1)), settings=settings).sent
    victim = up.instances()["gpu-on-cpu-1"]
    os.killpg(int(victim["pid"]), signal.SIGKILL)
    assert up.order("--scale", "cpu=2") == []
    assert up.order("--scale", "gpu-on-cpu=1") == []

    def all_ended() -> bool:
        return all((status := lesson_status(name, settings=settings)) is not None and status.state.final for name in names)

    assert wait_until(all_ended, 120), up.log[-3000:]
    assert [name for name in names if find_reel(name, settings=settings) is None] == []
    assert wait_until(lambda: up.instances()["gpu-on-cpu-2"]["state"] == "stopped", 30)
    assert wait_until(lambda: up.instances()["cpu-2"]["state"] == "healthy", 60)
    assert up.instances()["gpu-on-cpu-1"]["starts"] == 2


def test_an_order_that_cannot_be_carried_out_says_why(up: Up) -> None:
    for wish, sentence in (("redis=2", "redis cannot run 2 times."), ("cpus=2", "There is no service cpus; there are ")):
        done = subprocess.run(up.command("--scale", wish), env=up.environment(), capture_output=True, text=True, check=False)
        assert (done.returncode, sentence in done.stderr) == (2, True), done.stderr
    done = subprocess.run(up.command(), env=up.environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("smilereel: This compose file is up already")


def test_ctrl_c_leaves_nothing_behind(up: Up) -> None:
    root = up.root
    told = " ".join(Path(f"/proc/{process_id}/cmdline").read_text() for process_id in processes_of(str(root)))
    grpc_ports = re.findall(r"port\.grpc=(\d+)", told)
    assert len(grpc_ports) == 4
    assert up.end() == 0
    assert wait_until(lambda: processes_of(str(root)) == [], 5)
    assert not root.exists()
    assert [path for port in grpc_ports for path in Path("/tmp").glob(f"seaweedfs-*-grpc-{port}.sock")] == []
    assert not (up.folder / "secrets").exists()


def test_a_port_in_use_is_named_before_anything_starts(tmp_path: Path) -> None:
    up = Up(tmp_path)
    with socket.create_server(("127.0.0.1", up.ports["FLOWER"])):
        up.start()
        assert up.process is not None
        assert up.process.wait(60) == 2
    assert f"Port {up.ports['FLOWER']} (FLOWER_PORT) is in use or is none; end what listens there" in up.log
    assert up.log.count("\n") == 1
    assert not up.root.exists()


def test_a_service_that_does_not_start_ends_the_run_with_its_last_words(tmp_path: Path) -> None:
    up = Up(tmp_path, variables={"POSTGRES_BUFFERS": "never"})
    up.start()
    assert up.process is not None
    assert up.process.wait(120) == 1
    last = up.log.strip().splitlines()[-1]
    assert last.startswith("smilereel: postgres-1 does not start (1): ")
    assert "shared_buffers" in last
    assert not up.root.exists()
