"""`smilereel prelabel` on pictures and a video: label files that a person can correct and that the trainings read."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from PIL import Image
from skimage import data as skimage_data

from tests.media import truncate, write_video
from tests.unit.training.archives import empty_archives
from workers.__main__ import main
from workers.training.options import TrainingOptions
from workers.training.own_pictures import own_faces, own_frames, own_scenes
from workers.training.prelabel import uncertainty

TRAIN = "xhyA"  # a name that the split rule puts into training


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def a_folder(folder: Path) -> Path:
    """A portrait, a wall without a face, a cut file, a text, a video and a video that is none."""
    folder.mkdir()
    Image.fromarray(skimage_data.astronaut()).save(folder / "portrait.png")
    Image.new("RGB", (90, 60), "grey").save(folder / "wall.png")
    whole = (folder / "portrait.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 3])
    (folder / "notes.txt").write_text("no picture")
    write_video(folder / "lesson.mp4", seconds=5)
    truncate(write_video(folder / "broken.mp4", seconds=5), 0.2)
    return folder


def test_what_is_written_can_be_trained_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, data = tmp_path / "out", empty_archives(tmp_path / "data")
    folder = a_folder(tmp_path / "in")
    assert main(["prelabel", str(folder), "--out", str(out), "--every", "2", "--person", TRAIN]) == 0
    told = capsys.readouterr()
    assert "of 5 frames and" in told.out
    assert "cut.png: error: The picture cannot be read" in told.err
    assert "broken.mp4: error: The recording" in told.err
    assert "notes" not in told.err

    boxes = rows(out / "boxes.csv")
    (face,) = [row for row in boxes if row["file"].endswith("portrait.png")]
    assert 175 < (float(face["x1"]) + float(face["x2"])) / 2 < 275
    assert [row["x1"] for row in boxes if row["file"].endswith("wall.png")] == [""]
    assert len(rows(out / "frames.csv")) == 5
    for name in ("boxes.csv", "faces.csv", "frames.csv"):
        doubts = [float(row["uncertainty"]) for row in rows(out / name)]
        assert doubts == sorted(doubts, reverse=True)

    train, valid = own_scenes(data, [out / "boxes.csv"])
    assert (len(train), len(valid)) == (5, 0)
    options = TrainingOptions(data=data, labels=(out / "faces.csv",))
    decided = [row for row in rows(out / "faces.csv") if row["label"] in ("smile", "none")]
    assert len(own_faces(options, "smile")[0].files) == len(decided)
    assert not own_faces(options, "age")[0].files
    pixels, _ = own_frames(TrainingOptions(data=data, labels=(out / "frames.csv",)))[0]
    assert len(pixels) == sum(row["label"] != "unsure" for row in rows(out / "frames.csv"))


def test_corrections_are_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "faces.csv").write_text("file,label\n")
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    assert main(["prelabel", str(tmp_path / "a.png"), "--out", str(tmp_path / "out")]) == 2
    assert "faces.csv exists and may hold a person's corrections" in capsys.readouterr().err
    assert (tmp_path / "out" / "faces.csv").read_text() == "file,label\n"


@pytest.mark.parametrize(
    ("path", "said"),
    [("gone.png", "There is no picture, video or folder at"), ("notes.txt", "could be read as a picture or a video")],
)
def test_nothing_to_label_is_an_error(path: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    assert main(["prelabel", str(tmp_path / path), "--out", str(tmp_path / "out")]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out" / "boxes.csv").exists()


@pytest.mark.parametrize("kind", ["1x1.png", "rgba.png", "16bit.png", "cmyk.jpg", "grey.png", "moving.gif"])
def test_pictures_of_all_kinds(kind: str, tmp_path: Path) -> None:
    mode = {"rgba.png": "RGBA", "16bit.png": "I;16", "cmyk.jpg": "CMYK", "grey.png": "L"}.get(kind, "RGB")
    picture = Image.new(mode, (1, 1) if kind == "1x1.png" else (70, 50))
    if kind == "moving.gif":
        picture.save(tmp_path / kind, save_all=True, append_images=[Image.new("RGB", (70, 50), "red")])
    else:
        picture.save(tmp_path / kind)
    assert main(["prelabel", str(tmp_path / kind), "--out", str(tmp_path / "out")]) == 0
    assert len(rows(tmp_path / "out" / "frames.csv")) == 1


def test_a_model_is_least_sure_at_its_operating_point() -> None:
    assert uncertainty(0.3, 0.3) == 1
    assert uncertainty(0, 0.3) == 0
    assert uncertainty(1, 0.3) == 0
    assert uncertainty(0.65, 0.3) == uncertainty(0.15, 0.3) == 0.5
