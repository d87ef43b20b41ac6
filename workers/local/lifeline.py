"""Nothing of a run outlives it: a process that dies with the one that started it, and a guardian that clears away what is left."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from workers.local import guardian

_PR_SET_PDEATHSIG = 1


def die_with_run() -> None:
    """Run in a new process before its program: should the run be killed, Linux kills this one too."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def start_guardian(folders: Sequence[Path]) -> subprocess.Popen[bytes]:
    """The process that clears away after a run, whichever way that ends; lines on its stdin tell it what belongs to the run.

    Args:
        folders: to be removed then.
    """
    script = [sys.executable, guardian.__file__]
    process = subprocess.Popen(script, stdin=subprocess.PIPE, start_new_session=True, cwd="/")
    tell_guardian(process, *(f"folder {folder}" for folder in folders))
    return process


def tell_guardian(guard: subprocess.Popen[bytes], *lines: str) -> None:
    """`process ID`, `gone ID` or `folder PATH`."""
    assert guard.stdin is not None  # noqa: S101  (opened with a pipe)
    guard.stdin.write("".join(f"{line}\n" for line in lines).encode())
    guard.stdin.flush()
