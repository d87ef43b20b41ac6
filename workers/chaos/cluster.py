"""A fault run's real parts as processes, and the loop that starts again what died, as `restart: always` would. Called by `run.py`."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from shared.errors import ServiceError
from workers import interruption
from workers.chaos.parts import Part, command_line
from workers.chaos.places import Places
from workers.local import guardian
from workers.local.lifeline import die_with_run, tell_guardian
from workers.local.parts import tasks_of, valkey_command, worker_command
from workers.local.postgres import PostgresServer

RESTART_SECONDS = 1.0
START_SECONDS = 90.0
STOP_SECONDS = 12.0
_HOOKS = "workers.chaos.hooks"


class Cluster:
    """The parts of one run. Not safe for threads: processes must be started by the thread that lives as long as they do.

    Args:
        places: folders of the run.
        environment: of all parts, settings included; this process's own is not handed on where it names settings.
        workers: how many of each room.
        server: PostgreSQL, if that is the database.
    """

    def __init__(
        self,
        places: Places,
        environment: Mapping[str, str],
        workers: Mapping[str, int],
        server: PostgresServer | None,
        guard: subprocess.Popen[bytes],
    ) -> None:
        self.places, self.server = places, server
        self._guard = guard
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("SMILEREEL_", "SMILECHAOS_", "CELERY_"))}
        self._environment = {**inherited, **environment, "TMPDIR": str(places.temporary)}
        # With a log of its writes on disk, as in real use.
        valkey = valkey_command(places.socket, places.valkey, appendonly="yes", appendfsync="everysec")
        self.valkey = Part("valkey", "valkey", valkey)
        named = [(room, f"{room}{n}") for room, count in workers.items() for n in range(count)]
        self.workers = [Part(name, room, worker_command(room, name, modules=[tasks_of(room), _HOOKS])) for room, name in named]
        self.clients: list[Part] = []
        self._server_back_at: float | None = None

    @property
    def parts(self) -> list[Part]:
        return [self.valkey, *self.workers, *self.clients]

    def start(self) -> None:
        """Start everything but the clients, and wait until all workers take lessons.

        Raises:
            ServiceError: a part does not start.
        """
        self._spawn(self.valkey)
        self._wait_for(self.places.socket.exists, "Valkey")
        for part in self.workers:
            self._spawn(part)
        for part in self.workers:
            self._wait_for(partial(self.is_ready, part), part.name)

    def _wait_for(self, condition: Callable[[], bool], name: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not condition():
            interruption.check()
            if time.monotonic() > deadline:
                raise ServiceError(f"{name} did not start within {START_SECONDS:.0f} seconds; its log is in {self.places.logs}.")
            time.sleep(0.02)

    def log_of(self, part: Part) -> Path:
        """What a part says."""
        return self.places.logs / f"{part.name}.log"

    def is_ready(self, part: Part) -> bool:
        """Whether a worker runs and took up its work since it was started last."""
        return part.pid is not None and self.log_of(part).read_bytes().count(b" ready.\n") >= part.starts

    def start_clients(self, lessons: Sequence[Mapping[str, Any]], began: float, count: int = 2) -> None:
        """Clients that hand in the same lessons at the same seconds."""
        specification = self.places.root / "lessons.json"
        specification.write_text(json.dumps({"began_monotonic": began, "lessons": list(lessons)}))
        for number in range(count):
            command = [sys.executable, "-m", "workers.chaos.client", str(specification), str(self.receipts(number))]
            part = Part(f"client{number}", "client", command, lasts=False)
            self.clients.append(part)
            self._spawn(part)

    def receipts(self, number: int) -> Path:
        """Where a client writes down what was accepted."""
        return self.places.root / f"receipts-{number}.jsonl"

    def keep_running(self) -> None:
        """Start again what died; call it several times a second."""
        now = time.monotonic()
        for part in self.parts:
            if part.pid is not None or not part.lasts:
                continue
            if not part.start_at:
                part.own_deaths += not part.killed
                part.killed, part.stopped, part.start_at = False, False, now + RESTART_SECONDS
            elif now >= part.start_at:
                self._spawn(part)
        if self.server is not None and self.server.pid is None:
            if self._server_back_at is None:
                self._server_back_at = now + RESTART_SECONDS
            elif now >= self._server_back_at:
                self.start_server()

    def start_server(self) -> None:
        """Start PostgreSQL, if it is the database and does not run."""
        if self.server is not None:
            self.server.start()
            self._server_back_at = None
            tell_guardian(self._guard, f"process {self.server.pid}")

    def kill(self, part: Part) -> None:
        """SIGKILL to a part with all its children; it comes back."""
        if part.pid is not None:
            part.killed = True
            guardian.kill_tree(part.pid)
            assert part.process is not None  # noqa: S101  (its pid was there)
            part.process.wait()

    def signal_all(self, part: Part, number: signal.Signals) -> None:
        """A signal to a part and its children."""
        if part.pid is not None:
            for one in [part.pid, *guardian.descendants(part.pid)]:
                with suppress(ProcessLookupError):
                    os.kill(one, number)

    def children(self, part: Part) -> list[int]:
        """The children of a worker's pool."""
        found = guardian.descendants(part.pid) if part.pid is not None else []
        return [child for child in found if "semaphore_tracker" not in command_line(child)]

    def stop_workers(self) -> list[str]:
        """Ask workers and clients to end; the names of those that had to be killed."""
        waiting = [*self.workers, *self.clients]
        for part in waiting:
            part.lasts = False
            with suppress(ProcessLookupError):
                if part.pid is not None:
                    os.kill(part.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline and any(part.pid is not None for part in waiting):
            time.sleep(0.05)
        stubborn = [part.name for part in waiting if part.pid is not None]
        for part in waiting:
            self.kill(part)
        return stubborn

    def end(self) -> None:
        """Nothing of the run is left after it."""
        for part in self.parts:
            part.lasts = False
            if part.process is not None:
                guardian.kill_tree(part.process.pid)
                part.process.wait()
        if self.server is not None:
            self.server.thaw()
            self.server.remove()

    def _spawn(self, part: Part) -> None:
        if part is self.valkey:
            self.places.socket.unlink(missing_ok=True)
        with self.log_of(part).open("ab") as log:
            part.process = subprocess.Popen(
                part.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                cwd=self.places.root,
                start_new_session=True,
                preexec_fn=die_with_run,  # noqa: PLW1509  (calls the kernel alone)
            )
        part.start_at, part.starts = 0.0, part.starts + 1
        tell_guardian(self._guard, f"process {part.process.pid}")

    def empty_valkey(self) -> None:
        """Take away what Valkey has on its disk."""
        for entry in self.places.valkey.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
