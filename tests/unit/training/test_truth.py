"""The frozen truth of the detector's pictures: what it refuses, how boxes get to scenes, and what the committed table promises."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from workers.training import truth
from workers.training.datasets import scenes
from workers.training.splits import split_of
from workers.training.truth import TRUTH, read_truth

SIZES = {"images/a.jpg": (100, 80), "images/b.jpg": (100, 80)}
HEADER = "file,x1,y1,x2,y2,kind\n"


def table(folder: Path, *lines: str, header: str = HEADER) -> Path:
    path = folder / "truth.csv"
    path.write_text(header + "".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def test_boxes_come_by_picture_and_kind(tmp_path: Path) -> None:
    read = read_truth(
        SIZES, table(tmp_path, "images/a.jpg,1,2,30,40.5,face", "images/a.jpg,0,0,9,9,neither", "images/a.jpg,50,50,54,58,small")
    )
    assert read["images/a.jpg"].faces.tolist() == [[1, 2, 30, 40.5]]
    assert read["images/a.jpg"].small.tolist() == [[50, 50, 54, 58]]
    assert read["images/a.jpg"].ignored.tolist() == [[0, 0, 9, 9], [49, 48, 55, 60]]


def test_a_picture_without_a_line_has_no_face(tmp_path: Path) -> None:
    read = read_truth(SIZES, table(tmp_path, "images/a.jpg,1,2,30,40,face"))
    assert read["images/b.jpg"].faces.shape == (0, 4)
    assert read["images/b.jpg"].ignored.shape == (0, 4)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("images/a.jpg,1,2,30,40,statue", "images/a.jpg has the unknown kind “statue”"),
        ("images/c.jpg,1,2,30,40,face", "images/c.jpg is no picture of the test or validation split"),
        ("images/a.jpg,1,2,101,40,face", r"images/a.jpg has a box \(1, 2, 101, 40\) outside its 100 x 80 pixels"),
        ("images/a.jpg,-1,2,30,40,neither", "outside its 100 x 80 pixels"),
        ("images/a.jpg,30,2,30,40,face", r"images/a.jpg has a box \(30, 2, 30, 40\) without area"),
        ("images/a.jpg,1,40,30,2,small", "without area"),
        ("images/a.jpg,1,2,thirty,40,face", "is not four numbers"),
        ("images/a.jpg,nan,2,30,40,face", "is not four numbers"),
        ("images/a.jpg,1,2,30", "unknown kind"),
    ],
)
def test_a_wrong_line_is_refused_by_number(tmp_path: Path, line: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=f"^truth.csv, line 3: .*{complaint}"):
        read_truth(SIZES, table(tmp_path, "images/b.jpg,1,2,30,40,face", line))


def test_other_columns_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^truth.csv, line 1: .*name them file,x1,y1,x2,y2,kind"):
        read_truth(SIZES, table(tmp_path, header="file,x1,y1,x2,y2\n"))


def test_scenes_to_measure_on_take_the_truth_and_scenes_to_train_on_the_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = {
        split: next(name for name in map(str, range(100)) if split_of(name) == split) for split in ("train", "valid", "test")
    }
    (tmp_path / "det").mkdir()
    for split in people:
        cv2.imwrite(str(tmp_path / "det" / f"{split}.png"), np.zeros((80, 100, 3), np.uint8))
    images = [f"{split}.png,100,80,1,webcam,{person},by hand" for split, person in people.items()]
    heading = "file,width,height,n_faces,source,person,how_labelled"
    (tmp_path / "det" / "images.csv").write_text("\n".join([heading, *images]), encoding="utf-8")
    boxes = ["file,x1,y1,x2,y2", *(f"{split}.png,1,1,21,21" for split in people)]
    (tmp_path / "det" / "boxes.csv").write_text("\n".join(boxes), encoding="utf-8")
    monkeypatch.setattr(truth, "TRUTH", table(tmp_path, "test.png,5,5,45,45,face", "test.png,50,50,58,58,small"))

    given = {f"{split}.png": [[60.0, 0.0, 70.0, 10.0]] for split in people}
    found = {scene.split: scene for scene in scenes(tmp_path, ("train", "valid", "test"), given)}

    assert found["train"].boxes.tolist() == [[1, 1, 21, 21]]
    assert found["train"].ignored.tolist() == [[60, 0, 70, 10]]
    assert found["valid"].boxes.shape == found["valid"].ignored.shape == (0, 4)
    assert found["test"].boxes.tolist() == [[5, 5, 45, 45]]
    assert found["test"].ignored.tolist() == [[48, 48, 60, 60]]
    assert found["test"].small.tolist() == [[50, 50, 58, 58]]


def test_the_committed_table_is_sorted_without_doubles_and_spares_teddy_bears() -> None:
    with TRUTH.open(encoding="utf-8", newline="") as stream:
        rows = [tuple(row.values()) for row in csv.DictReader(stream)]
    assert rows == sorted(rows, key=lambda row: (row[0], float(row[1]), float(row[2])))
    assert len(set(rows)) == len(rows)
    # Frozen: a figure in a card is worth nothing beside one that was measured on another truth.
    assert Counter(row[-1] for row in rows) == {"face": 1278, "neither": 138, "small": 49}
    assert not [row for row in rows if "/teddy_" in row[0] and row[-1] == "face"]
