"""The command that measures the models' speed runs and prints its figures; how high they are is for an idle machine to say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).resolve().parents[2]
RATES = {
    "detector_frames_per_second",
    "detector_untuned_frames_per_second",
    "crop_and_classify_faces_per_second",
    "crop_and_classify_untuned_faces_per_second",
    "classify_faces_per_second",
    "shoulder_frames_per_second",
}
RATIOS = {"detector_times_untuned", "crop_and_classify_times_untuned"}


@pytest.mark.slow
def test_every_figure_is_measured_on_pictures_with_faces() -> None:
    command = [sys.executable, "-m", "benchmarks.model_speed", "--seconds", "0.01", "--repeats", "2", "--json"]
    ended = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert ended.returncode in (0, 1), ended.stderr
    told = json.loads(ended.stdout)
    assert told.keys() >= RATES | RATIOS | {"processor", "avx512_bf16", "amx_bf16", "served_in", "torch"}
    assert all(told[key] > 0 for key in RATES | RATIOS)
    assert {name: len(rates) for name, rates in told["runs"].items()} == dict.fromkeys(told["runs"], 2)
    assert told["threads"] == 1
    # One thread cannot use more than one core; what the clocks' steps add is little.
    assert told["core_share"] < 1.1
    assert told["faces"] >= told["frames"] == 64
    # The untuned nets are the released ones, not some others.
    assert told["largest_score_difference"] < 0.05
    musts_reached = all(median(told["runs"][name]) >= must for name, must in told["musts"].items())
    assert told["musts"] == {"detector": 60, "crop_and_classify": 300}
    assert told["reached"] == musts_reached == (ended.returncode == 0)
