"""What a fault run's processes are and how each is called: the parts that `cluster.py` starts, kills and starts again."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from workers.local import guardian


@dataclass
class Part:
    """One process: what it is, and how it is doing."""

    name: str
    role: str
    command: list[str]
    process: subprocess.Popen[bytes] | None = None
    start_at: float = 0.0
    lasts: bool = True
    stopped: bool = False
    killed: bool = False
    own_deaths: int = 0
    starts: int = 0

    @property
    def pid(self) -> int | None:
        """Its process id; None while it does not run."""
        return self.process.pid if self.process is not None and self.process.poll() is None else None


def processes_of(parts: Sequence[Part]) -> list[int]:
    """All processes of these parts."""
    running = [part.pid for part in parts if part.pid is not None]
    return [one for process_id in running for one in (process_id, *guardian.descendants(process_id))]


def command_line(process_id: int) -> str:
    """What a process was called with; a tracker, which nobody is interested in, where it is gone already."""
    with suppress(OSError):
        return Path(f"/proc/{process_id}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return "semaphore_tracker"
