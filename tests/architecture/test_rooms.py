"""A worker's room imports nothing of the other room, seen in a fresh process; and the command line starts light."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


def modules_after(code: str) -> set[str]:
    script = f"import json, sys\n{code}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_cpu_room_loads_neither_the_gpu_room_nor_torch() -> None:
    modules = modules_after("import workers.cpu.tasks")
    assert "workers.cpu.decode" in modules
    assert not {m for m in modules if m.startswith(("workers.gpu", "workers.training", "workers.local", "torch", "fastai"))}


def test_the_gpu_room_loads_neither_the_cpu_room_nor_a_decoder() -> None:
    modules = modules_after("import workers.gpu.tasks, workers.gpu.loading, workers.gpu.detect, workers.gpu.classify")
    assert "workers.gpu.detect" in modules
    assert not {m for m in modules if m.startswith(("workers.cpu", "workers.training", "workers.local", "fastai")) or m == "av"}


def test_the_gpu_workers_parent_process_stays_without_torch() -> None:
    assert "torch" not in modules_after("import workers.gpu.tasks")


@pytest.mark.parametrize("heavy", ["torch", "cv2", "numpy", "av", "celery", "sqlalchemy", "fastai"])
def test_help_imports_nothing_heavy(heavy: str) -> None:
    assert heavy not in modules_after("from workers.__main__ import build_parser; build_parser().format_help()")
