"""`smilereel metrics` as a process: what it refuses before it listens, and that it answers with everything away."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shared.settings import load_settings
from tests.processes import wait_until
from tests.unit.watching.conftest import read_page, value
from workers.__main__ import main


@pytest.fixture(autouse=True)
def fresh_settings() -> Iterator[None]:
    load_settings.cache_clear()
    yield
    load_settings.cache_clear()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@pytest.fixture
def away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment in which there is neither Redis nor a database."""
    monkeypatch.setenv("SMILEREEL_REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("SMILEREEL_DATABASE_URL", f"postgresql://nobody@/nothing?host={tmp_path}")
    return tmp_path


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.0.2.1"])
def test_others_need_a_password(away: Path, capsys: pytest.CaptureFixture[str], address: str) -> None:
    assert main(["metrics", "--address", address]) == 2
    assert capsys.readouterr().err == (
        f"smilereel: Others on the network reach {address}: name a file with a password in SMILEREEL_METRICS_PASSWORD_FILE.\n"
    )


def test_a_password_file_that_cannot_be_used(
    away: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SMILEREEL_METRICS_PASSWORD_FILE", str(away / "missing"))
    assert main(["metrics"]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_a_port_in_use(away: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["metrics", "--port", str(taken.getsockname()[1])]) == 2
    assert "Nothing can listen on port" in capsys.readouterr().err


@contextmanager
def an_endpoint(port: int, password_file: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "SMILEREEL_METRICS_PASSWORD_FILE": str(password_file), "SMILEREEL_LOG_FORMAT": "json"}
    command = [sys.executable, "-m", "workers", "metrics", "--address", "127.0.0.1", "--port", str(port)]
    with log.open("wb") as file:
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_it_answers_with_everything_away(away: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port, password_file, log = free_port(), away / "password", away / "log"
    password_file.write_text("opensesame\n")
    monkeypatch.setenv("SMILEREEL_METRICS_PASSWORD_FILE", str(password_file))
    check = ["metrics", "--check", "--port", str(port)]
    assert main(check) == 1, "nobody is there yet"
    with an_endpoint(port, password_file, log) as process:
        assert wait_until(lambda: main(check) == 0, 30), log.read_text()
        for path in ("metrics", "healthz", "anything"):
            with pytest.raises(urllib.error.HTTPError, match="401"):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=10)
        known = {"Authorization": "Basic " + b64encode(b"metrics:opensesame").decode()}
        asked = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers=known)
        with urllib.request.urlopen(asked, timeout=20) as answer:
            page = read_page(answer.read().decode())
        assert (value(page, "smilereel_redis_up"), value(page, "smilereel_database_up")) == (0, 0)
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 128 + signal.SIGTERM
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert {line["service"] for line in lines} == {"metrics"}
    events = [line["event"] for line in lines]
    assert f"listening on port {port} of 127.0.0.1" in events
    assert "Redis cannot be used: ConnectionError" in events
    assert "opensesame" not in log.read_text()
