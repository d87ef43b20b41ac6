"""`smilereel up` of a copy of docker-compose.yml, as a process of its own, on ports that are free."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared.settings import PREFIX, Settings
from tests.processes import wait_until
from workers.up.interpolate import read_env_file
from workers.up.places import root_of

COMPOSE_FILE = Path(__file__).parents[2] / "docker-compose.yml"
WELL_SECONDS = 150


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@dataclass
class Up:
    """A run in a folder of its own."""

    folder: Path
    ports: dict[str, int] = field(default_factory=lambda: {name: free_port() for name in ("WEB", "FLOWER", "METRICS")})
    variables: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def file(self) -> Path:
        return self.folder / "docker-compose.yml"

    @property
    def root(self) -> Path:
        return root_of(self.file)

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def command(self, *options: str) -> list[str]:
        return [sys.executable, "-m", "workers", "up", "--file", str(self.file), *options]

    def environment(self) -> dict[str, str]:
        ports = {f"{name}_PORT": str(port) for name, port in self.ports.items()}
        mine = {name: value for name, value in os.environ.items() if not name.startswith((PREFIX, "CELERY_"))}
        return {**mine, **ports, **self.variables}

    def start(self, *options: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(COMPOSE_FILE, self.file)
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(self.command(*options), env=self.environment(), stdout=log, stderr=log)

    def is_well(self) -> bool:
        assert self.process is not None
        return "all well after" in self.log or self.process.poll() is not None

    def order(self, *options: str) -> list[dict[str, Any]]:
        """What another terminal would do."""
        done = subprocess.run(self.command(*options), env=self.environment(), capture_output=True, text=True, check=True)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def instances(self) -> dict[str, dict[str, Any]]:
        return {each["name"]: each for each in self.order("--ps")}

    def client(self) -> Settings:
        """A lesson backend's settings, from the file that the run writes for it."""
        given = read_env_file((self.root / "client.env").read_text())
        return Settings.model_validate({name.removeprefix(PREFIX).lower(): value for name, value in given.items()})

    def secret(self, name: str) -> str:
        return (self.root / "secrets" / name).read_text().strip()

    def end(self, seconds: float = 90) -> int:
        """Ctrl-C; the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(seconds)


@contextmanager
def running(folder: Path, *options: str, **variables: str) -> Iterator[Up]:
    """A run that is well; ended with the block, and killed with all it started if it does not end."""
    up = Up(folder, variables=variables)
    up.start(*options)
    assert up.process is not None
    try:
        assert wait_until(up.is_well, WELL_SECONDS), up.log[-4000:]
        assert up.process.poll() is None, up.log[-4000:]
        yield up
    finally:
        if up.process.poll() is None:
            up.end()
        up.process.kill()
