"""`smilereel simulate` from its command line to its last line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shared.ledger import open_ledger
from tests.unit.capacity.builders import a_fit
from tests.unit.capacity.test_fitting import fill
from workers.__main__ import main
from workers.capacity.limits import Load

SMALL = ["--lessons-per-night", "20", "--cpu", "1", "--gpu", "1", "--lesson-minutes", "3"]


def answered(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["simulate", *arguments, "--json"]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def test_a_small_night(capsys: pytest.CaptureFixture[str]) -> None:
    told = answered(capsys, *SMALL)
    assert (told["lessons"], told["ended"], told["ends_by_morning"], told["played_part"]) == (20, 20, True, 1)
    assert told["searched"] == []
    assert set(told["lesson_seconds"]["fresh"]) == {"p50", "p95", "p99"}
    assert told["amounts"]["frame_score_rows"] == 20 * 180
    assert told["breaks_first"] == max(told["loads"], key=lambda load: load["share"])["name"]


def test_workers_are_searched_where_none_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    told = answered(capsys, "--lessons-per-night", "300", "--lesson-minutes", "20")
    assert told["searched"] == ["cpu", "gpu"]
    assert told["ends_by_morning"]


def test_too_few_workers_are_an_answer(capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--lessons-per-night", "300", "--cpu", "1", "--gpu", "1", "--hours", "0.1", "--arrival-hours", "0.1"]
    assert main(["simulate", *few]) == 0
    assert "NOT all end by the morning" in capsys.readouterr().out


def test_the_text_names_what_matters(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", *SMALL, "--bulk", "0.5"]) == 0
    out = capsys.readouterr().out
    for words in (
        "bottleneck",
        "a fresh lesson takes",
        "a bulk lesson takes",
        "cost",
        "Redis commands",
        "frame_score_rows",
        "assumed",
    ):
        assert words in out


def test_a_part_is_compared_with_the_whole(capsys: pytest.CaptureFixture[str]) -> None:
    night = ["--lessons-per-night", "400", "--cpu", "8", "--gpu", "8", "--lesson-minutes", "5", "--check-part", "4"]
    told = answered(capsys, *night)
    assert told["part"]["last_end_hours"] == pytest.approx(told["whole"]["last_end_hours"], rel=0.1)
    assert main(["simulate", *night]) == 0
    assert "whole and 1/4 of it" in capsys.readouterr().out


def test_a_fit_is_made_and_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url, out = f"sqlite:///{tmp_path}/ledger.sqlite3", tmp_path / "fit.json"
    ledger = open_ledger(url)
    ledger.create_schema()
    fill(ledger, 4)
    ledger.close()
    (tmp_path / "base.json").write_text(a_fit().model_dump_json())
    assert main(["simulate", "--fit", url, "--out", str(out), "--with", str(tmp_path / "base.json")]) == 0
    capsys.readouterr()
    slow = answered(capsys, *SMALL, "--with", str(out))
    # 0.5 s and 0.1 s a frame: a lesson of 180 s has detect and classify over all of it.
    assert slow["busy"]["gpu"] * slow["last_end_hours"] * 3600 == pytest.approx(20 * (6 * 0.5 + 2 * 18.0), rel=0.1)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "Say how many lessons come"),
        (["--lessons-per-night", "0"], "--lessons-per-night is 0"),
        (["--lessons-per-night", "-5"], "--lessons-per-night is -5"),
        (["--lessons-per-night", "1000000000000"], "--lessons-per-night is 1e+12"),
        ([*SMALL, "--cpu", "0"], "--cpu is 0"),
        ([*SMALL, "--gpu", "-1"], "--gpu is -1"),
        ([*SMALL, "--gpu", "1000000"], "--gpu is 1,000,000"),
        ([*SMALL, "--lessons-in-work", "0"], "--lessons-in-work is 0"),
        ([*SMALL, "--hours", "0"], "--hours is 0"),
        ([*SMALL, "--hours", "nan"], "--hours is nan"),
        ([*SMALL, "--arrival-hours", "-1"], "--arrival-hours is -1"),
        ([*SMALL, "--bulk", "1.5"], "--bulk is 1.5"),
        ([*SMALL, "--lesson-minutes", "inf"], "--lesson-minutes is inf"),
        ([*SMALL, "--lesson-spread", "-1"], "--lesson-spread is -1"),
        ([*SMALL, "--segment-seconds", "0"], "--segment-seconds is 0"),
        ([*SMALL, "--gpu-speed", "0"], "--gpu-speed is 0"),
        ([*SMALL, "--gpu-price", "-1"], "--gpu-price is -1"),
        ([*SMALL, "--analytics", "2"], "--analytics is 2"),
        ([*SMALL, "--deaths-a-day", "1e9"], "--deaths-a-day is 1,000,000,000"),
        ([*SMALL, "--check-part", "1"], "--check-part is 1"),
        ([*SMALL, "--with", "nowhere.json"], "nowhere.json cannot be read"),
        (["--fit", "sqlite:///x.sqlite3"], "Say where the fit goes"),
        (["--fit", "mysql://x", "--out", "fit.json"], "must begin with sqlite:// or postgresql://"),
    ],
)
def test_numbers_that_make_no_sense(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["simulate", *arguments]) == 2
    told = capsys.readouterr().err
    assert says in told
    assert told.count("\n") == 1, "one sentence"
    assert list(tmp_path.iterdir()) == []


def test_shares_tell_what_breaks() -> None:
    assert Load("x", 3.0, 2.0, "", True, "").share == 1.5
