"""Looking at processes from outside: which of them belong to an embedded run."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path


def processes_of(marker: str) -> list[int]:
    """Ids of living processes whose command line or environment names `marker`, zombies left out."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            told = (folder / "cmdline").read_bytes() + b"\0" + (folder / "environ").read_bytes()
            state = (folder / "stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            continue
        if marker.encode() in told and state != "Z":
            found.append(int(folder.name))
    return found


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether the condition came true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


def resident_bytes(process_ids: list[int]) -> int:
    """Proportional memory of these processes together, shared pages counted once."""
    total = 0
    for process_id in process_ids:
        try:
            lines = Path(f"/proc/{process_id}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return total
