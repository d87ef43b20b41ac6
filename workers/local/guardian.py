"""Outlives a run (`smilereel chaos`, `smilereel up`) and takes down whatever it left, also after `kill -9`.

A script of its own, standard library only. stdin is a lifeline: lines `process ID` and `folder PATH` say what belongs to the run;
when it closes, all of that is removed.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path


def descendants(process_id: int) -> list[int]:
    """A process's living descendants, the eldest first."""
    found: list[int] = []
    for task in Path(f"/proc/{process_id}/task").glob("*"):
        with suppress(OSError):
            for child in (task / "children").read_text().split():
                found += [int(child), *descendants(int(child))]
    return found


def kill_tree(process_id: int) -> None:
    """SIGKILL to a process, its group and its descendants; they need not be there any more."""
    for one in [process_id, *descendants(process_id)]:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(one, signal.SIGKILL)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process_id, signal.SIGKILL)


def main() -> None:
    """Listen until the lifeline closes, then clear away."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    processes: set[int] = set()
    folders: set[str] = set()
    for line in sys.stdin:
        what, _, value = line.rstrip("\n").partition(" ")
        if what == "process":
            processes.add(int(value))
        elif what == "gone":
            processes.discard(int(value))
        elif what == "folder":
            folders.add(value)
    for process_id in processes:
        kill_tree(process_id)
    time.sleep(0.2)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
