"""A real Valkey for a test: started on a socket of its own, killed and started again at will, gone at the end."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from workers.local.parts import valkey_command


class Valkey:
    """A context manager; without a disk, so that a restart forgets everything."""

    def __init__(self, *options: str) -> None:
        self._options = options
        # A socket's path may have no more than about 100 characters.
        self._folder = Path(tempfile.mkdtemp(prefix="valkey-"))
        self.socket = self._folder / "valkey.sock"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis+socket://{self.socket}"

    def url_of(self, user: str, password: str) -> str:
        """The address for one of the users."""
        return f"redis+socket://{user}:{password}@{self.socket}"

    def client(self, user: str | None = None, password: str | None = None) -> redis.Redis:
        """A client of its own for the test."""
        return redis.Redis(unix_socket_path=str(self.socket), username=user, password=password)

    def start(self) -> None:
        command = [*valkey_command(self.socket, self._folder), *self._options]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=self._folder)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                # Without redis-py's own tries: it would take seconds to believe that a password is asked for.
                with redis.Redis(unix_socket_path=str(self.socket), retry=Retry(NoBackoff(), 0)) as client:
                    client.ping()
                return
            except redis.AuthenticationError:
                return  # It runs, and asks who is there.
            except redis.ConnectionError:
                time.sleep(0.02)
        raise AssertionError("Valkey did not start")

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> Valkey:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)
