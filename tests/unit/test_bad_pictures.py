"""Pictures of every odd kind through both scoring commands: a line each, with scores or with `error`, never a traceback."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data as skimage_data

from workers.__main__ import main
from workers.gpu.weights import Models, WeightsError, load_models
from workers.pictures import detect_lines, faces_lines


@cache
def models() -> Models:
    return load_models("cpu")


def kinds(folder: Path) -> Path:
    """One file of each kind that can be read, and three that cannot."""
    face = Image.fromarray(skimage_data.astronaut()).crop((150, 30, 300, 220))
    Image.new("RGB", (1, 1)).save(folder / "one-pixel.png")
    face.convert("RGBA").save(folder / "rgba.png")
    Image.fromarray(np.asarray(face.convert("L"), np.uint16) * 257).save(folder / "sixteen.png")
    face.convert("CMYK").save(folder / "cmyk.jpg")
    face.convert("L").save(folder / "grey.jpg")
    exif = Image.Exif()
    exif[0x0112] = 6
    face.transpose(Image.Transpose.ROTATE_90).save(folder / "turned.jpg", exif=exif)
    for name in ("moving.gif", "moving.webp"):
        face.save(folder / name, save_all=True, append_images=[Image.new("RGB", face.size)])
    Image.new("RGB", (1, 900)).save(folder / "strip.png")
    whole = (folder / "rgba.png").read_bytes()
    (folder / "truncated.png").write_bytes(whole[: len(whole) // 2])
    (folder / "truncated.webp").write_bytes((folder / "moving.webp").read_bytes()[:300])
    (folder / "text.jpg").write_text("no picture")
    (folder / "notes.txt").write_text("neither")
    return folder


UNREADABLE = {"truncated.png", "truncated.webp", "text.jpg"}


def test_each_kind_has_its_line_in_both_commands(tmp_path: Path) -> None:
    folder = kinds(tmp_path)
    for lines in (detect_lines(str(folder), models()), faces_lines(str(folder), models())):
        by_name = {Path(line["file"]).name: line for line in lines}
        assert set(by_name) == {path.name for path in folder.iterdir()} - {"notes.txt"}
        assert {name for name, line in by_name.items() if "error" in line} == UNREADABLE
        assert all(line["error"].endswith(".") for line in by_name.values() if "error" in line)


def test_a_face_looks_alike_in_all_kinds(tmp_path: Path) -> None:
    kinds(tmp_path)
    lines = {Path(line["file"]).stem: line for line in faces_lines(str(tmp_path), models()) if "error" not in line}
    for name in ("sixteen", "cmyk", "grey", "turned"):
        assert lines[name]["p_smile"] == pytest.approx(lines["rgba"]["p_smile"], abs=0.15), name


@pytest.mark.parametrize("shade", [0, 128, 255])
def test_a_crop_without_a_face_has_scores_and_no_box(shade: int, tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), (shade,) * 3).save(tmp_path / "wall.png")
    (line,) = faces_lines(str(tmp_path), models())
    assert 0 <= line["p_smile"] <= 1
    (line,) = detect_lines(str(tmp_path), models())
    assert line["boxes"] == []


@pytest.mark.slow
def test_a_crop_of_twelve_thousand_pixels_a_side(tmp_path: Path) -> None:
    Image.new("L", (12_000, 12_000), 90).save(tmp_path / "large.png", compress_level=1)
    (line,) = faces_lines(str(tmp_path), models())
    assert "error" not in line


@pytest.mark.parametrize("command", ["detect", "faces"])
def test_weights_that_are_refused_end_the_command_with_their_name(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from workers.gpu import loading

    def refuse(_device: str) -> Models:
        raise WeightsError("The weights smile.safetensors do not have the SHA-256 of the manifest; restore the file.")

    monkeypatch.setattr(loading, "load_models", refuse)
    loading.load_for_process.cache_clear()
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    assert main([command, str(tmp_path)]) == 1
    told = capsys.readouterr()
    assert told.err == "smilereel: The weights smile.safetensors do not have the SHA-256 of the manifest; restore the file.\n"
    assert told.out == ""


@pytest.mark.parametrize("command", ["detect", "faces"])
def test_an_empty_folder_prints_nothing(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, str(tmp_path)]) == 0
    assert capsys.readouterr().out == ""


def test_the_lines_are_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.jpg").write_text("no picture")
    assert main(["detect", str(tmp_path)]) == 0
    assert list(json.loads(capsys.readouterr().out)) == ["file", "error"]
