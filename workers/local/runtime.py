"""Starts and stops the embedded run's real parts: Valkey on a unix socket, a CPU worker and a GPU-queue worker as processes."""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from pydantic import SecretStr

from shared.errors import ServiceError, WorkerLost
from shared.settings import PREFIX, Settings

from .parts import QUEUES, last_words, valkey_command, worker_command

SUPERVISOR = Path(__file__).with_name("supervisor.py")
STOP_SECONDS = 12.0


class EmbeddedRuntime:
    """A context manager: inside it the parts run, after it none of them is left.

    Args:
        settings: with the ledger's and the store's place; `redis_url` is replaced by the socket's.
        log_folder: an existing folder that receives the processes' logs.
        working_folder: the processes' current directory, writable.

    Raises:
        ServiceError: Valkey's binary is not installed, or a part does not start.
    """

    def __init__(self, settings: Settings, log_folder: Path, working_folder: Path) -> None:
        # A socket's path may have no more than about 100 characters, so it cannot lie under the output folder.
        self._runtime = Path(tempfile.mkdtemp(prefix="smilereel-"))
        self.socket = self._runtime / "valkey.sock"
        self.settings = settings.model_copy(update={"redis_url": f"redis+socket://{self.socket}"})
        self._log_folder = log_folder
        self._working_folder = working_folder
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._listener: threading.Thread | None = None
        self._events: queue.Queue[dict[str, Any]] = queue.Queue()

    def __enter__(self) -> EmbeddedRuntime:
        self._supervisor = subprocess.Popen(
            [sys.executable, str(SUPERVISOR)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            cwd=self._working_folder,
        )
        try:
            assert self._supervisor.stdin is not None  # noqa: S101  (for the type checker)
            self._supervisor.stdin.write(json.dumps(self._specification()).encode() + b"\n")
            self._supervisor.stdin.flush()
            self._listener = threading.Thread(target=self._listen, daemon=True)
            self._listener.start()
            self._wait_for_socket()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end_supervisor()
        # The supervisor sweeps, unless it was killed or never got its specification.
        shutil.rmtree(self._runtime, ignore_errors=True)

    def _end_supervisor(self) -> None:
        supervisor = self._supervisor
        if supervisor is None or supervisor.stdin is None or supervisor.stdin.closed:
            return
        supervisor.stdin.close()
        try:
            supervisor.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            supervisor.kill()
            supervisor.wait()
        if self._listener is not None:
            self._listener.join(1)
        if supervisor.stdout is not None:
            supervisor.stdout.close()

    def check(self) -> None:
        """Look whether all parts still run.

        Raises:
            WorkerLost: one has ended; names its log.
        """
        while not self._events.empty():
            event = self._events.get_nowait()
            if "ended" in event:
                log = self._log_folder / f"{event['ended']}.log"
                why = f" ({words})" if (words := last_words(log)) else ""
                raise WorkerLost(f"The process {event['ended']} ended with code {event['code']}{why}; its log is {log}.")
        if self._supervisor is not None and self._supervisor.poll() is not None:
            raise WorkerLost("The supervisor of the embedded run has ended; start the command again.")

    def _listen(self) -> None:
        assert self._supervisor is not None  # noqa: S101
        assert self._supervisor.stdout is not None  # noqa: S101
        for line in self._supervisor.stdout:
            self._events.put(json.loads(line))

    def _wait_for_socket(self) -> None:
        deadline = time.monotonic() + 20
        while not self.socket.exists():
            self.check()
            if time.monotonic() > deadline:
                raise ServiceError(f"Valkey did not start within 20 seconds; its log is {self._log_folder / 'valkey.log'}.")
            time.sleep(0.02)

    def _specification(self) -> dict[str, Any]:
        workers = {room: worker_command(room, room) for room in QUEUES}
        commands = {"valkey": valkey_command(self.socket, self._runtime), **workers}
        # What the parts leave in the temporary folder goes with the runtime folder.
        environment = {**_environment(self.settings), "TMPDIR": str(self._runtime)}
        processes = [
            {
                "name": name,
                "command": command,
                "env": environment,
                "cwd": str(self._working_folder.resolve()),
                "log": str((self._log_folder / f"{name}.log").resolve()),
            }
            for name, command in commands.items()
        ]
        return {"runtime": str(self._runtime), "processes": processes}


def _environment(settings: Settings) -> dict[str, str]:
    """The processes' whole environment, with every setting in it, so that nothing else is read by accident."""
    # Celery lets CELERY_BROKER_URL win over the app's own broker: a run could meet another one there.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("CELERY_", PREFIX))}
    values = {f"{PREFIX}{name}".upper(): _text(value) for name, value in settings.model_dump().items() if value is not None}
    # Waiting threads that spin would starve the other room's process.
    tuning = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "PYTHONUNBUFFERED": "1"}
    as_root = {"C_FORCE_ROOT": "1"} if os.geteuid() == 0 else {}
    return {**inherited, **tuning, **values, **as_root}


def _text(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, tuple):
        return json.dumps([_text(each) for each in value])
    return str(value).lower() if isinstance(value, bool) else str(value)
