"""However an embedded run is ended, no process and no socket is left behind, and the next run goes on from there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
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


def start(arguments: list[str], runtime_parent: Path, cwd: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "TMPDIR": str(runtime_parent)}
    command = [sys.executable, "-m", "workers", *arguments]
    return subprocess.Popen(command, env=environment, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def others(runtime_parent: Path, parent: int) -> list[int]:
    return [process for process in processes_of(str(runtime_parent)) if process != parent]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda how: how.name)
def test_ended_in_the_middle(how: signal.Signals, tmp_path: Path, runtime_parent: Path) -> None:
    write_video(tmp_path / "me.mp4", seconds=12)
    out = tmp_path / "out put"
    arguments = ["run", "--student", str(tmp_path / "me.mp4"), "--out", str(out)]
    parent = start(arguments, runtime_parent, tmp_path)
    # The supervisor, Valkey and both workers.
    assert wait_until(lambda: len(others(runtime_parent, parent.pid)) >= 4, 30)
    parent.send_signal(how)
    parent.wait(20)
    assert wait_until(lambda: not processes_of(str(runtime_parent)), 15), "a process was left behind"
    assert wait_until(lambda: not list(runtime_parent.iterdir()), 5), "a socket was left behind"
    assert not (out / "lesson.json").exists(), "nothing half-made"
    expected = {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}
    assert parent.returncode == expected[how]


def test_the_supervisor_is_killed(tmp_path: Path, runtime_parent: Path) -> None:
    write_video(tmp_path / "me.mp4", seconds=12)
    parent = start(["run", "--student", str(tmp_path / "me.mp4"), "--out", str(tmp_path / "out")], runtime_parent, tmp_path)
    assert wait_until(lambda: len(others(runtime_parent, parent.pid)) >= 4, 30)
    (supervisor,) = [p for p in processes_of("supervisor.py") if p in others(runtime_parent, parent.pid)]
    os.kill(supervisor, signal.SIGKILL)
    _, errors = parent.communicate(timeout=30)
    assert parent.returncode == 1
    assert b"supervisor" in errors
    assert wait_until(lambda: not processes_of(str(runtime_parent)), 15)
