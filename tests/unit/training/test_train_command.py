"""`smilereel train` and `learning-curve` as typed: wrong calls and missing pictures end with one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.training.archives import empty_archives
from workers.__main__ import build_parser, main
from workers.training.options import MINUTES, training_options

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line with which the command refuses."""
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("smilereel: ")
    return line


@pytest.mark.parametrize("model", list(MINUTES))
def test_a_training_leaves_the_released_weights_alone_unless_told(model: str) -> None:
    options = training_options(model, build_parser().parse_args(["train", model]))
    assert options.weights is not None
    assert options.weights.parts[-2:] == (".training", "weights")
    assert options.minutes == MINUTES[model]


def test_epochs_are_counted_in_steps() -> None:
    args = build_parser().parse_args(["train", "smile", "--epochs", "3", "--labels", "a.csv", "--labels", "b.csv"])
    options = training_options("smile", args)
    assert options.total_steps(120) == 360
    assert options.labels == (Path("a.csv"), Path("b.csv"))


@pytest.mark.parametrize(
    "arguments", [[], ["nose"], ["smile", "--minutes", "0"], ["smile", "--steps", "x"], ["age", "--steps", "3", "--minutes", "2"]]
)
def test_a_wrong_call(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        main(["train", *arguments])
    assert leaving.value.code == 2
    assert "usage: smilereel train" in capsys.readouterr().err


def test_the_detector_has_no_epochs(capsys: pytest.CaptureFixture[str]) -> None:
    assert "give --steps or --minutes" in refused(["train", "detector", "--epochs", "2"], capsys)


@pytest.mark.parametrize("model", ["smile", "age", "shoulder"])
def test_missing_pictures_are_named(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    places = ["--data", str(tmp_path), "--baselines", str(tmp_path), "--work", str(tmp_path / "w")]
    assert "name another with --data" in refused(["train", model, *places], capsys)


@pytest.mark.parametrize(
    ("model", "text", "said"),
    [
        ("smile", "file,label\na.png,grin\n", "“grin” is no label of smile"),
        (
            "age",
            "file,age,split,person\na.png,7,train,mia\nb.png,8,test,mia\n",
            "“mia” stands in the test split here and in the train",
        ),
    ],
)
def test_bad_labels_end_a_training_before_it_begins(
    model: str, text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).touch()
    (tmp_path / "labels.csv").write_text(text, encoding="utf-8")
    data = empty_archives(tmp_path / "data")
    line = refused(["train", model, "--data", str(data), "--labels", str(tmp_path / "labels.csv")], capsys)
    assert said in line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--shares", "1"], "at least two --shares"),
        (["--shares", "0", "1"], "each above 0 and at most 1"),
        (["--shares", ".5", "1", "--repeats", "1"], "at least three tunings"),
        (["--plot", "curve.txt"], "ends in .svg or .png"),
    ],
)
def test_a_curve_that_cannot_be_drawn(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said in refused(["learning-curve", "smile", *arguments], capsys)
