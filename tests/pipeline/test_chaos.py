"""A short fault run, as CI makes it: real processes, faults of a seed, nothing lost, doubled or left over, no process left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import processes_of, wait_until

pytestmark = [pytest.mark.redis, pytest.mark.slow]

FIGURES = ["seed", "lessons", "faults", "done", "no_reel", "quarantined", "lost", "double", "orphans", "seconds"]


@pytest.fixture
def folder() -> Iterator[Path]:
    """With a short name: a socket's path may have no more than about 100 characters."""
    made = Path(tempfile.mkdtemp(prefix="sc-"))
    yield made
    shutil.rmtree(made)


def command(*options: str) -> list[str]:
    return [sys.executable, "-m", "workers", "chaos", "--json", "--workers", "cpu=1,gpu=1", *options]


def run(folder: Path, *options: str) -> tuple[int, dict[str, int], str]:
    """The exit code, the last line of stdout and all of stderr."""
    environment = {**os.environ, "TMPDIR": str(folder)}
    done = subprocess.run(command(*options), capture_output=True, text=True, check=False, env=environment, timeout=300)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1]), done.stderr


def test_a_short_run_loses_and_doubles_nothing(folder: Path) -> None:
    code, figures, told = run(folder, "--lessons", "6", "--seed", "3", "--seconds", "15")
    assert list(figures) == FIGURES
    assert all(isinstance(value, int) for value in figures.values())
    assert (figures["lost"], figures["double"], figures["orphans"]) == (0, 0, 0), told
    assert code == 0
    assert figures["lessons"] == 6
    assert figures["faults"] >= 4
    assert figures["quarantined"] == 1
    assert figures["done"] + figures["no_reel"] == 5
    assert not list(folder.iterdir())
    assert not processes_of(str(folder))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_stopped_leaves_nothing_behind(folder: Path, number: signal.Signals) -> None:
    environment = {**os.environ, "TMPDIR": str(folder)}
    with subprocess.Popen(
        command("--lessons", "3", "--seconds", "30"), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        assert b'"plan"' in process.stderr.readline()
        time.sleep(1)
        process.send_signal(number)
        process.stderr.read()
        process.wait(60)
    assert wait_until(lambda: not list(folder.iterdir()) and not processes_of(str(folder)), 30)
