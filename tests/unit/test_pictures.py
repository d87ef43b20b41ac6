"""Pictures of all kinds through the released networks: each one a line, bad ones with `error`, boxes in pixels of the original."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage import data as skimage_data

from workers.gpu.weights import Models, load_models
from workers.pictures import detect_lines, faces_lines, load_picture, picture_files


@cache
def models() -> Models:
    return load_models("cpu")


@cache
def astronaut() -> Image.Image:
    """A public-domain portrait, 512 x 512; the face lies about (175, 60) to (275, 200)."""
    return Image.fromarray(skimage_data.astronaut())


def only_face(path: Path) -> list[float]:
    line = next(detect_lines(str(path), models()))
    assert len(line["boxes"]) == 1, line
    corners: list[float] = line["boxes"][0]["xyxy"]
    return corners


def assert_on_the_astronauts_face(box: list[float], factor: float = 1.0) -> None:
    centre_x, centre_y = (box[0] + box[2]) / 2 / factor, (box[1] + box[3]) / 2 / factor
    assert 195 < centre_x < 255, box
    assert 85 < centre_y < 165, box


def test_a_line_has_exactly_the_promised_keys(tmp_path: Path) -> None:
    astronaut().save(tmp_path / "a.png")
    (line,) = detect_lines(str(tmp_path / "a.png"), models())
    assert list(line) == ["file", "boxes", "p_parent_shoulder"]
    assert list(line["boxes"][0]) == ["xyxy", "score", "p_child", "p_smile"]
    assert_on_the_astronauts_face(line["boxes"][0]["xyxy"])
    (line,) = faces_lines(str(tmp_path / "a.png"), models())
    assert list(line) == ["file", "p_child", "p_smile"]


def test_a_folder_is_searched_through_in_order_and_other_files_are_passed_over(tmp_path: Path) -> None:
    for name in ("b.png", "a.JPG", "sub/c.bmp", "sub/deep/d.webp"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 30), "grey").save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "empty").mkdir()
    found = [line["file"] for line in detect_lines(str(tmp_path), models())]
    assert found == [os.path.join(str(tmp_path), name) for name in ("a.JPG", "b.png", "sub/c.bmp", "sub/deep/d.webp")]


def test_file_is_the_path_as_typed_plus_what_lies_below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in/x").mkdir(parents=True)
    Image.new("RGB", (9, 9)).save("in/x/a.png")
    assert picture_files("in") == ["in/x/a.png"]
    assert picture_files("./in/") == ["./in/x/a.png"]
    assert picture_files("in/x/a.png") == ["in/x/a.png"]
    assert picture_files(".") == ["./in/x/a.png"]


def test_bad_pictures_get_an_error_and_the_rest_goes_on(tmp_path: Path) -> None:
    (tmp_path / "a-empty.png").touch()
    (tmp_path / "b-text.jpg").write_text("not a picture")
    astronaut().save(tmp_path / "c-good.jpg")
    whole = (tmp_path / "c-good.jpg").read_bytes()
    (tmp_path / "d-cut.jpg").write_bytes(whole[: len(whole) // 3])
    for lines in (detect_lines(str(tmp_path), models()), faces_lines(str(tmp_path), models())):
        by_name = {Path(line["file"]).name: line for line in lines}
        assert [list(by_name[name]) for name in ("a-empty.png", "b-text.jpg", "d-cut.jpg")] == [["file", "error"]] * 3
        assert by_name["b-text.jpg"]["error"] == "The picture cannot be read (it is in no known picture format)."
        assert "error" not in by_name["c-good.jpg"]


def test_nothing_at_the_path_is_an_error() -> None:
    with pytest.raises(FileNotFoundError, match="no picture or folder at nowhere"):
        next(detect_lines("nowhere", models()))


def test_exif_rotation_is_honoured(tmp_path: Path) -> None:
    upright = Image.new("RGB", (512, 700))
    upright.paste(astronaut())
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: a viewer turns the stored picture clockwise
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "a.jpg", exif=exif, quality=95)
    assert_on_the_astronauts_face(only_face(tmp_path / "a.jpg"))


def save_as(mode: str, path: Path) -> None:
    face = astronaut()
    if mode == "I;16":
        Image.fromarray(np.asarray(face.convert("L"), np.uint16) * 257).save(path)
    elif mode == "animated":
        face.save(path, save_all=True, append_images=[Image.new("RGB", face.size)])
    else:
        face.convert(mode).save(path)


@pytest.mark.parametrize(
    ("mode", "name"),
    [
        ("RGBA", "a.png"),
        ("LA", "a.png"),
        ("L", "a.jpg"),
        ("P", "a.gif"),
        ("CMYK", "a.jpg"),
        ("CMYK", "a.tif"),
        ("I;16", "a.png"),
        ("I;16", "a.tif"),
        ("animated", "a.gif"),
        ("animated", "a.webp"),
    ],
)
def test_pictures_of_all_kinds_show_the_same_face(tmp_path: Path, mode: str, name: str) -> None:
    save_as(mode, tmp_path / name)
    assert_on_the_astronauts_face(only_face(tmp_path / name))


def test_what_is_transparent_is_black(tmp_path: Path) -> None:
    Image.new("RGBA", (8, 8), (255, 255, 255, 0)).save(tmp_path / "a.png")
    pixels = load_picture(str(tmp_path / "a.png")).pixels
    assert pixels is not None
    assert not pixels.any()


def test_one_pixel_is_a_picture(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1)).save(tmp_path / "a.png")
    (line,) = detect_lines(str(tmp_path), models())
    assert "error" not in line
    (line,) = faces_lines(str(tmp_path), models())
    assert 0 <= line["p_smile"] <= 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["large.jpg", "large.png"])
def test_twelve_thousand_pixels_a_side(tmp_path: Path, name: str) -> None:
    astronaut().resize((12_000, 12_000), Image.Resampling.NEAREST).save(tmp_path / name, compress_level=1, quality=70)
    loaded = load_picture(str(tmp_path / name))
    assert loaded.pixels is not None
    assert max(loaded.pixels.shape) <= 2560
    assert_on_the_astronauts_face(only_face(tmp_path / name), 12_000 / 512)


def test_scores_do_not_depend_on_the_company(tmp_path: Path) -> None:
    for index in range(20):
        Image.new("RGB", (64 + index, 48), (index * 9, 80, 120)).save(tmp_path / f"{index:02}.png")
    astronaut().save(tmp_path / "10-face.png")
    together: dict[str, Any] = {line["file"]: line for line in faces_lines(str(tmp_path), models())}
    (alone,) = faces_lines(str(tmp_path / "10-face.png"), models())
    assert together[alone["file"]]["p_smile"] == pytest.approx(alone["p_smile"], abs=0.02)
