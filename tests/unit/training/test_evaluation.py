"""The evaluation's arithmetic and its tables: intervals by person, verdicts, slices, reliability, and what the command refuses."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from shared.errors import ModelError, OutputRefused
from workers.training import scoring
from workers.training.evaluation import calibration, command, rival, slices
from workers.training.evaluation.drawings import draw_reliability
from workers.training.evaluation.intervals import Estimate, auc_estimate, share_estimate
from workers.training.evaluation.operating import enough_of_both
from workers.training.evaluation.plan import Plan
from workers.training.evaluation.running import document, open_models
from workers.training.evaluation.samples import Sample
from workers.training.evaluation.sheets import Tile, worst_tiles, write_sheets
from workers.training.evaluation.tables import Cell, Line, Table, target_table
from workers.training.evaluation.targets import Target
from workers.training.evaluation.verdicts import noise_tables, verdicts
from workers.training.places import PROJECT


def scored(people: int, each: int, seed: int = 3) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Truths, scores and persons; a person's pictures are alike, so they say no more than one."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(people) % 2, each).astype(np.float32)
    score = np.repeat(rng.normal(size=people), each) + truth
    return truth, score.astype(np.float32), [f"person {index // each}" for index in range(people * each)]


def a_sample(truth: Sequence[float], score: Sequence[float]) -> Sample:
    names = np.array([f"{index}.jpg" for index in range(len(truth))])
    crops = np.full((len(truth), 64, 64), 100, np.uint8)
    return Sample(crops, np.array(truth, np.float32), np.array(score, np.float32), names, names, names)


def test_the_area_is_scikit_learns_ties_included() -> None:
    truth, score, people = scored(60, 1)
    rounded = np.round(score, 1)
    assert auc_estimate(truth, rounded, people).value == pytest.approx(scoring.auc(truth, rounded), abs=1e-9)


def test_many_pictures_of_few_persons_do_not_narrow_the_interval() -> None:
    one, ten = auc_estimate(*scored(40, 1)), auc_estimate(*scored(40, 10))
    assert one.value == pytest.approx(ten.value)
    assert one.half_width == pytest.approx(ten.half_width, rel=1e-6)
    truth, score, people = scored(40, 10)
    as_if_strangers = auc_estimate(truth, score, [str(index) for index in range(len(people))])
    assert as_if_strangers.half_width < 0.5 * ten.half_width


def test_the_interval_is_the_same_on_each_run_and_holds_the_figure() -> None:
    first, second = auc_estimate(*scored(80, 2)), auc_estimate(*scored(80, 2))
    assert first == second
    assert first.low < first.value < first.high


def test_a_share_is_a_ratio_of_sums_drawn_by_person() -> None:
    found, there = np.array([9, 0, 5]), np.array([10, 0, 5])
    estimate = share_estimate(found, there, ["a", "b", "c"])
    assert estimate.value == pytest.approx(14 / 15)
    assert (estimate.low, estimate.high) == pytest.approx((0.9, 1.0))


def test_no_error_at_all_is_no_certainty() -> None:
    people = [f"person {index // 5}" for index in range(300)]
    perfect = share_estimate(np.ones(300), np.ones(300), people)
    assert (perfect.value, perfect.low, perfect.high) == pytest.approx((1.0, 0.95, 1.0))
    never = share_estimate(np.zeros(300), np.ones(300), people)
    assert (never.value, never.low, never.high) == pytest.approx((0.0, 0.0, 0.05))
    parted = auc_estimate(np.array([0, 0, 1, 1], np.float32), np.array([0.1, 0.2, 0.8, 0.9], np.float32), list("abcd"))
    assert (parted.value, parted.half_width) == (1.0, 0.0)
    assert np.isnan(parted.low)


def test_one_class_alone_has_no_area_and_no_faces_no_recall() -> None:
    assert np.isnan(auc_estimate(np.ones(5, np.float32), np.zeros(5, np.float32), list("abcde")).value)
    assert np.isnan(share_estimate(np.zeros(3), np.zeros(3), list("abc")).value)


@pytest.mark.parametrize(
    ("target", "value", "verdict"),
    [
        (Target(0.985, 0.995), 0.9951, "met, aim too"),
        (Target(0.985, 0.995), 0.985, "met"),
        (Target(0.985, 0.995), 0.9847, "MISSED by .0003"),
        (Target(1 / 49, 0.0, at_most=True), 0.0, "met, aim too"),
        (Target(1 / 49, 0.0, at_most=True), 1 / 49, "met"),
        (Target(1 / 49, 0.0, at_most=True), 2 / 49, "MISSED by .0204"),
    ],
)
def test_a_verdict_says_by_how_much_a_must_is_missed(target: Target, value: float, verdict: str) -> None:
    assert target.verdict(value) == verdict


def test_an_unknown_figure_meets_no_must() -> None:
    line = Line("smile, children", 0, Estimate(float("nan")))
    assert line.missed
    assert "MISSED" in target_table("smile", "Smile", [line]).text()


def test_noise_excuses_a_small_miss_but_not_a_figure_that_is_not_known() -> None:
    target = Target(0.985, 0.995)
    assert target.met(0.9725, noise=0.0126)
    assert not target.met(0.9723, noise=0.0126)
    assert not target.met(float("nan"), noise=float("nan"))


def test_a_table_shows_rivals_must_and_why_one_did_not_run() -> None:
    lines = [
        Line("smile, children", 420, Estimate(0.9818, 0.9684, 0.992), {"fer": Estimate(0.9815)}),
        Line("by set", 77, Estimate(0.99), {"fer": "not run: no uv"}),
    ]
    table = target_table("smile", "Smile", lines)
    text = table.text()
    assert "smile, children  420  .9815  .9818  .9684-.9920  .9900  .9970  MISSED by .0082" in text
    assert text.splitlines()[-1] == "  fer: not run: no uv"
    assert [line.what for line in table.lines if line.missed] == ["smile, children"]
    assert table.document()["rows"][0]["95 %"] == {"value": 0.9818, "low": 0.9684, "high": 0.992}
    assert table.document()["rows"][1]["95 %"]["low"] is None


def test_slices_below_thirty_are_numbers_only_and_stand_in_their_order() -> None:
    names = slices.light([np.full((4, 4), level, np.uint8) for level in [200] * 30 + [20] * 29 + [100] * 40])

    def share(mask: np.ndarray) -> dict[str, Cell]:
        return {"recall": float(mask.mean())}

    rows = slices.slice_rows({"light": names}, share, slices.enough)
    assert [row["slice"] for row in rows] == ["light: dark", "light: normal", "light: bright"]
    assert ["recall" in row for row in rows] == [False, True, True]
    assert rows[0]["n"] == 29


def test_an_area_of_a_slice_needs_some_of_both() -> None:
    assert enough_of_both(a_sample([1] * 10 + [0] * 20, [0.5] * 30))
    assert not enough_of_both(a_sample([1] * 9 + [0] * 21, [0.5] * 30))
    assert not enough_of_both(a_sample([1] * 14 + [0] * 15, [0.5] * 29))


@pytest.mark.parametrize(
    ("rgb", "tone"),
    [
        ((245, 222, 205), "very light"),
        ((198, 150, 112), "intermediate"),
        ((141, 96, 66), "brown"),
        ((64, 42, 30), "dark"),
        ((120, 120, 120), "not known"),
    ],
)
def test_skin_tone_goes_by_the_typology_angle(rgb: tuple[int, int, int], tone: str) -> None:
    assert slices.skin_tone(np.full((64, 64, 3), rgb, np.uint8)) == tone


def test_sex_is_known_only_where_the_files_name_states_it() -> None:
    files = ["utk64/10_1_0_20170109205141310.jpg", "utk64/9_0_3_2017.jpg", "aaf96/00042A02.jpg", "utk64/odd.jpg"]
    assert slices.sex(files).tolist() == ["female", "male", "not known", "not known"]


def test_honest_probabilities_have_no_calibration_error() -> None:
    score = np.array([0.25] * 4 + [0.75] * 4, np.float32)
    honest = np.array([0, 0, 0, 1, 1, 1, 1, 0], np.float32)
    assert calibration.reliability(honest, score).ece == pytest.approx(0)
    assert calibration.reliability(honest, score).brier == pytest.approx(0.1875)
    assert calibration.reliability(1 - honest, score).ece == pytest.approx(0.5)
    assert calibration.reliability(honest, np.ones(8, np.float32)).bins[-1].n == 8


def test_a_drawing_changes_only_when_its_figures_do(tmp_path: Path) -> None:
    found = calibration.reliability(np.array([0, 1, 1], np.float32), np.array([0.1, 0.6, 0.9], np.float32))
    first = draw_reliability("smile", "A smile?", found, tmp_path / "a").read_bytes()
    assert draw_reliability("smile", "A smile?", found, tmp_path / "b").read_bytes() == first
    assert b"<svg" in first


def test_the_worst_come_first_and_the_undecided_not_at_all(tmp_path: Path) -> None:
    tiles = worst_tiles(a_sample([1, 0, float("nan"), 1], [0.9, 0.8, 0.5, 0.1]), 2, ("none", "smile"))
    assert [(tile.file, tile.label) for tile in tiles] == [("3.jpg", "smile"), ("1.jpg", "none")]
    write_sheets(tmp_path, "worst", [*tiles, Tile(np.zeros((30, 20, 3), np.uint8), "wide.jpg", "", 0.0)], columns=2, rows=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["worst-1.png", "worst-2.png", "worst.csv"]
    assert (tmp_path / "worst.csv").read_text().splitlines()[1] == "1,1,3.jpg,smile,0.1000"


def test_wrong_labels_left_out_show_how_much_of_the_error_they_are(tmp_path: Path) -> None:
    table = tmp_path / "verdicts.csv"
    table.write_text("file,verdict\n0.jpg,label_wrong\n1.jpg,cannot_tell\n2.jpg,label_right\n", encoding="utf-8")
    faces = a_sample([1, 1, 0, 0, 1], [0.1, 0.3, 0.35, 0.2, 0.9])
    (made,) = noise_tables("smile", "Smile", faces, verdicts(table))
    assert [row["n"] for row in made.rows] == [5, 4, 3]
    assert [row["AUC"] for row in made.rows] == pytest.approx([0.5, 0.75, 1.0])
    assert noise_tables("smile", "Smile", faces, verdicts(tmp_path / "none.csv")) == []
    table.write_text("file,verdict\n0.jpg,perhaps\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"line 2: the verdict is perhaps"):
        verdicts(table)


def options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_options(parser)
    return parser.parse_args(words)


@pytest.mark.parametrize("inside", [PROJECT, PROJECT / "docs" / "sheets", PROJECT / "tests" / ".." / "sheets"])
def test_contact_sheets_never_lie_in_the_project(inside: Path) -> None:
    with pytest.raises(OutputRefused, match="must not lie in the project"):
        command.run(options("--sheets", str(inside)))


def test_weights_without_a_manifest_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"manifest\.json"):
        command.run(options("--weights", str(tmp_path)))


def test_the_commands_options_import_nothing_heavy() -> None:
    program = (
        "import argparse, sys; from workers.training.evaluation.command import add_options; "
        "add_options(argparse.ArgumentParser()); print({'torch', 'cv2', 'numpy', 'fastai'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "set()"


def test_without_uv_the_rival_says_so_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert rival.fer_scores(np.zeros((1, 64, 64), np.uint8)) == "not run: uv, which makes its environment, is not installed"


def test_a_rival_that_fails_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("raise SystemExit('the net is gone')", encoding="utf-8")
    uv = tmp_path / "uv"
    uv.write_text(f"#!/bin/sh\nexec {sys.executable} {broken}\n", encoding="utf-8")
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (
        rival.fer_scores(np.zeros((1, 64, 64), np.uint8))
        == "not run: its environment could not be made or failed (the net is gone)"
    )


def test_the_document_names_what_is_missed() -> None:
    models = open_models(None)
    plan = Plan(Path("data"), Path("baselines"))
    lines = [Line("smile, children", 420, Estimate(0.98)), Line("shoulder, composed frames", 800, Estimate(0.96))]
    made = document([target_table("smile", "Smile", lines), Table("x", "X", [{"a": 1}])], models, plan)
    assert (made["musts_missed"], made["musts_met"]) == (["smile, children"], ["shoulder, composed frames"])
    assert [table["key"] for table in made["tables"]] == ["smile", "x"]
