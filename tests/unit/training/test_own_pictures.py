"""Labelled pictures of one's own become crops, scenes and frames; what cannot be used is told with its line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shared.errors import LabelsInvalid
from tests.media import truncate, write_video
from tests.unit.training.archives import empty_archives
from workers.inputs import grey_crop
from workers.training.options import TrainingOptions
from workers.training.own_pictures import own_faces, own_frames, own_scenes

# Two names that the split rule puts into training and validation.
TRAIN, VALID = "xhyA", "xhyB"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return empty_archives(tmp_path / "data")


def a_table(folder: Path, text: str) -> Path:
    path = folder / "labels.csv"
    path.write_text(text, encoding="utf-8")
    return path


def a_picture(path: Path, width: int = 80, height: int = 60) -> Path:
    pixels = np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def test_labelled_faces_train_and_validate_by_person(tmp_path: Path, data: Path) -> None:
    for name in ("a.png", "b.png", "c.png"):
        a_picture(tmp_path / name, 64, 64)
    text = f"file,label,age,person\na.png,smile,7,{TRAIN}\nb.png,none,40,{VALID}\nc.png,unsure,,{TRAIN}\n"
    options = TrainingOptions(data=data, labels=(a_table(tmp_path, text),))
    train, valid = own_faces(options, "smile")
    assert (train.targets.tolist(), valid.targets.tolist()) == ([1], [0])
    assert train.sources == ["own"]
    assert np.array_equal(train.crops[0], grey_crop(np.asarray(Image.open(tmp_path / "a.png"))))
    train, valid = own_faces(options, "age")
    assert (train.targets.tolist(), valid.targets.tolist()) == ([7], [40])


def test_without_labels_nothing_is_added(data: Path) -> None:
    options = TrainingOptions(data=data)
    assert [len(side.files) for side in own_faces(options, "age")] == [0, 0]
    assert own_scenes(data, ()) == ([], [])
    assert [pixels.shape for pixels, _ in own_frames(options)] == [(0, 3, 128, 160)] * 2


def test_boxes_follow_a_large_picture_down(tmp_path: Path, data: Path) -> None:
    a_picture(tmp_path / "large.png", 1280, 640)
    a_picture(tmp_path / "empty.png")
    text = f"file,x1,y1,x2,y2,person\nlarge.png,-40,100,200,300,{TRAIN}\nempty.png,,,,,{TRAIN}\n"
    train, valid = own_scenes(data, (a_table(tmp_path, text),))
    assert not valid
    assert train[0].picture.shape == (320, 640, 3)
    assert train[0].boxes.tolist() == [[0, 50, 100, 150]]
    assert train[1].boxes.shape == (0, 4)


def test_boxes_are_of_the_upright_picture(tmp_path: Path, data: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(a_picture(tmp_path / "a.png", 80, 60)).save(tmp_path / "a.jpg", exif=exif)
    train, _ = own_scenes(data, (a_table(tmp_path, f"file,x1,y1,x2,y2,person\na.jpg,5,55,55,75,{TRAIN}\n"),))
    assert train[0].picture.shape == (80, 60, 3)
    with pytest.raises(LabelsInvalid, match=r"line 2: the box lies outside the picture, which is 60 x 80 pixels"):
        own_scenes(data, (a_table(tmp_path, f"file,x1,y1,x2,y2,person\na.jpg,55,5,75,55,{TRAIN}\n"),))


@pytest.mark.parametrize("corners", ["100,10,140,50", "-50,10,-5,50", "10,61,40,90"])
def test_a_box_outside_its_picture_is_refused(corners: str, tmp_path: Path, data: Path) -> None:
    a_picture(tmp_path / "a.png")
    with pytest.raises(LabelsInvalid, match="line 2: the box lies outside the picture, which is 80 x 60 pixels"):
        own_scenes(data, (a_table(tmp_path, f"file,x1,y1,x2,y2\na.png,{corners}\n"),))


def test_a_damaged_picture_is_named(tmp_path: Path, data: Path) -> None:
    path = a_picture(tmp_path / "a.png")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(LabelsInvalid, match=r"line 2: “a\.png”: The picture cannot be read"):
        own_faces(TrainingOptions(data=data, labels=(a_table(tmp_path, f"file,label,person\na.png,smile,{TRAIN}\n"),)), "smile")


def test_ranges_of_a_video_become_a_frame_a_second(tmp_path: Path, data: Path) -> None:
    write_video(tmp_path / "v.mp4", seconds=6)
    text = f"file,start_seconds,end_seconds,label,person\nv.mp4,0,2,parent,{TRAIN}\nv.mp4,2,4.5,none,{TRAIN}\nv.mp4,5,6,unsure,{TRAIN}\n"
    (pixels, truth), (valid, _) = own_frames(TrainingOptions(data=data, labels=(a_table(tmp_path, text),)))
    assert pixels.shape == (5, 3, 128, 160)
    assert truth.tolist() == [1, 1, 0, 0, 0]
    assert not len(valid)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("v.mp4,3,3,parent", "line 2: the range is empty"),
        ("v.mp4,-1,3,parent", "line 2: the range is empty"),
        ("v.mp4,,3,parent", "start_seconds is “”, which is no number"),
        ("v.mp4,0,3,parent\nv.mp4,2,4,none", "line 3: second 2 of “v.mp4” is “none” here and “parent” in line 2"),
        ("v.mp4,50,53,parent", "has no pictures in the ranges given"),
        ("cut.mp4,0,3,parent", "The recording cut.mp4"),
    ],
)
def test_ranges_that_cannot_be_used(rows: str, said: str, tmp_path: Path, data: Path) -> None:
    write_video(tmp_path / "v.mp4", seconds=5)
    truncate(write_video(tmp_path / "cut.mp4", seconds=5), 0.2)
    table = a_table(tmp_path, f"file,start_seconds,end_seconds,label\n{rows}\n")
    with pytest.raises(LabelsInvalid) as refused:
        own_frames(TrainingOptions(data=data, labels=(table,)))
    assert said in refused.value.message
