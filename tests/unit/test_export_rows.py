"""The benchmark of exports, on few rows: it runs, counts right, and its figures say that memory is flat."""

from __future__ import annotations

import json
import subprocess
import sys


def test_the_benchmark_on_few_rows() -> None:
    command = [sys.executable, "-m", "benchmarks.export_rows", "--rows", "60000", "--format", "csv", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    figures = json.loads(done.stdout)
    few, all_rows = figures["runs"]
    assert (few["rows"], all_rows["rows"]) == (6000, 60_000)
    assert all_rows["peak_mb"] < few["peak_mb"] + 60
