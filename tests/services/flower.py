"""A real `smilereel flower` for a test, as a process of its own; asked over HTTP."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from tests.processes import wait_until

PASSWORD = "a-password-of-tests-only"


@dataclass
class Answer:
    status: int
    text: str
    headers: Message


@dataclass
class RunningFlower:
    """Where it listens, and its process."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def ask(self, path: str, method: str = "GET", authorization: str | None = "right", body: str | None = None) -> Answer:
        """One request; "right" stands for the credentials that hold, None for none at all."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if body is not None else {}
        if authorization is not None:
            headers["Authorization"] = basic("flower", PASSWORD) if authorization == "right" else authorization
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            return Answer(response.status, response.read().decode(errors="replace"), response.headers)
        finally:
            connection.close()

    def end(self) -> int:
        """SIGTERM; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(10)


def basic(user: str, password: str) -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def password_file(folder: Path, password: str = PASSWORD) -> Path:
    path = folder / "flower-password"
    path.write_text(f"{password}\n")
    path.chmod(0o600)
    return path


def environment_of(folder: Path, redis_url: str) -> dict[str, str]:
    return {
        **os.environ,
        "SMILEREEL_REDIS_URL": redis_url,
        "SMILEREEL_FLOWER_PASSWORD_FILE": str(password_file(folder)),
    }


@contextmanager
def a_flower(folder: Path, redis_url: str, *options: str, **environment: Any) -> Iterator[RunningFlower]:
    """Flower that answers; its log lies in the folder; killed at the end."""
    port = free_port()
    path = folder / "flower.log"
    with path.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "workers", "flower", "--port", str(port), *options],
            env={**environment_of(folder, redis_url), **environment},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    flower = RunningFlower(port, process, path)
    prefix = options[options.index("--url-prefix") + 1].rstrip("/") if "--url-prefix" in options else ""

    def answers() -> bool:
        assert process.poll() is None, path.read_text()
        with suppress(OSError):
            return flower.ask(f"{prefix}/healthcheck").status == 200
        return False

    try:
        assert wait_until(answers, 40), path.read_text()
        yield flower
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
