"""However an embedded run is ended, no process and no socket is left behind, and the next run goes on from there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.media import write_video
from tests.processes import processes_of, wait_until

pytestmark = [pytest.mark.redis, pytest.mark.slow]


@pytest.fixture
def runtime_parent() -> Iterator[Path]:
    """Where the runtime folders lie: short, as a socket's path must be."""
    with tempfile.TemporaryDirectory(prefix="sr-") as folder:
        yield Path(folder)


@contextmanager
def started(recording: Path, out: Path, runtime_parent: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A run in the middle of its work: the supervisor, Valkey and both workers are there."""
    environment = {**os.environ, "TMPDIR": str(runtime_parent)}
    command = [sys.executable, "-m", "workers", "run", "--student", str(recording), "--out", str(out)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as parent:
        assert wait_until(lambda: len(others(runtime_parent, parent.pid)) >= 4, 30)
        assert wait_until(lambda: len(supervisors(runtime_parent, parent.pid)) == 1, 10)
        yield parent


def supervisors(runtime_parent: Path, parent: int) -> list[int]:
    named = set(processes_of("local/supervisor.py"))
    return [process for process in others(runtime_parent, parent) if process in named]


def others(runtime_parent: Path, parent: int) -> list[int]:
    return [process for process in processes_of(str(runtime_parent)) if process != parent]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda how: how.name)
def test_ended_in_the_middle(how: signal.Signals, tmp_path: Path, runtime_parent: Path) -> None:
    recording = write_video(tmp_path / "me.mp4", seconds=12)
    out = tmp_path / "out put"
    with started(recording, out, runtime_parent) as parent:
        parent.send_signal(how)
        parent.wait(20)
        assert wait_until(lambda: not processes_of(str(runtime_parent)), 15), "a process was left behind"
        assert wait_until(lambda: not list(runtime_parent.iterdir()), 5), "a socket was left behind"
        assert not (out / "lesson.json").exists(), "nothing half-made"
        assert parent.returncode == {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}[how]


def test_the_supervisor_is_killed(tmp_path: Path, runtime_parent: Path) -> None:
    recording = write_video(tmp_path / "me.mp4", seconds=12)
    with started(recording, tmp_path / "out", runtime_parent) as parent:
        (supervisor,) = supervisors(runtime_parent, parent.pid)
        os.kill(supervisor, signal.SIGKILL)
        _, errors = parent.communicate(timeout=30)
        last = errors.decode().strip().splitlines()[-1]
        assert parent.returncode == 1, errors
        assert last.startswith("smilereel: "), errors
        assert "start the command again" in last or "its log is" in last, errors
        assert wait_until(lambda: not processes_of(str(runtime_parent)), 15)
        assert not list(runtime_parent.iterdir()), "a socket was left behind"
