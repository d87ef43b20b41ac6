"""Keeps the embedded run's processes and takes every one of them down with it, whichever way the command ends.

Run as a script of its own with the standard library only. The first line of stdin is a JSON specification; then stdin stays open as
a lifeline: when the command ends, also by `kill -9`, the pipe closes and the supervisor stops its processes and removes the runtime
folder with the socket. Answers on stdout, one JSON object a line: `{"ready": true}`, `{"ended": name, "code": n}`.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1
# Whatever runs is memoised and begun again by the next run, so nobody has to wait for it.
GRACE_SECONDS = 1.5
POLL_SECONDS = 0.2


def _die_with_supervisor() -> None:
    # Should the supervisor itself be killed, Linux tells its children.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def start(process: dict[str, Any]) -> subprocess.Popen[bytes]:
    """Start one process in a session of its own, so that no key pressed in the terminal reaches it."""
    with Path(process["log"]).open("ab") as log:
        return subprocess.Popen(
            process["command"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=process["env"],
            cwd=process["cwd"],
            start_new_session=True,
            preexec_fn=_die_with_supervisor,  # noqa: PLW1509  (no threads here)
        )


def stop(running: dict[str, subprocess.Popen[bytes]]) -> None:
    """Ask the processes' groups to end, the newest first, and kill what has not ended within the grace period."""
    for step in (signal.SIGTERM, signal.SIGKILL):
        for process in reversed(list(running.values())):
            _signal_group(process.pid, step)
        deadline = time.monotonic() + GRACE_SECONDS
        while time.monotonic() < deadline and any(process.poll() is None for process in running.values()):
            time.sleep(0.02)
    # A worker that ended by itself may have left a child of its pool behind.
    for process in running.values():
        _signal_group(process.pid, signal.SIGKILL)


def _signal_group(group: int, step: signal.Signals) -> None:
    try:
        os.killpg(group, step)
    except (ProcessLookupError, PermissionError):
        return


def watch(running: dict[str, subprocess.Popen[bytes]]) -> None:
    """Tell of each process that ends, until the lifeline closes."""
    told: set[str] = set()
    while True:
        readable, _, _ = select.select([sys.stdin], [], [], POLL_SECONDS)
        if readable and not os.read(sys.stdin.fileno(), 4096):
            return
        for name, process in running.items():
            if name not in told and process.poll() is not None:
                told.add(name)
                _tell({"ended": name, "code": process.returncode})


def _tell(message: dict[str, Any]) -> None:
    try:
        print(json.dumps(message), flush=True)  # noqa: T201  (its voice is stdout)
    except BrokenPipeError:
        return


def main() -> None:
    """Read the specification, start, watch, stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    runtime: Path | None = None
    running: dict[str, subprocess.Popen[bytes]] = {}
    try:
        # Read without a buffer, or the lifeline's end would hide in it.
        line = b""
        while not line.endswith(b"\n"):
            part = os.read(sys.stdin.fileno(), 65536)
            if not part:
                return
            line += part
        specification = json.loads(line)
        runtime = Path(specification["runtime"])
        for process in specification["processes"]:
            running[process["name"]] = start(process)
        _tell({"ready": True})
        watch(running)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        stop(running)
        if runtime is not None:
            shutil.rmtree(runtime, ignore_errors=True)


if __name__ == "__main__":
    main()
