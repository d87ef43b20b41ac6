"""The GIF: nine frames that survive, small enough, the face in the middle."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from workers.cpu.assemble import Shot, assemble_reel, contact_sheet, encode_gif, match_exposure, square_crop

OPTIONS = {"side": 320, "max_bytes": 1_000_000, "frame_seconds": 0.5, "loops": 0}


def noise(seed: int, height: int = 480, width: int = 640) -> np.ndarray:
    """A picture that compresses badly."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def shots(n: int = 9) -> list[Shot]:
    return [Shot(noise(seed), (270, 170, 370, 290), f"00:{seed:02d}") for seed in range(n)]


def test_nine_frames_survive_and_the_last_stands_longer() -> None:
    files = assemble_reel(shots(), **OPTIONS)  # type: ignore[arg-type]
    with Image.open(io.BytesIO(files.gif)) as gif:
        assert gif.n_frames == files.record.frames == 9  # type: ignore[attr-defined]
        assert gif.size == (files.record.width, files.record.height)
        assert gif.info["loop"] == 0
        durations = []
        for frame in range(9):
            gif.seek(frame)
            durations.append(gif.info["duration"])
    assert durations == [500] * 8 + [1000]


def test_the_gif_steps_down_until_it_is_small_enough() -> None:
    files = assemble_reel(shots(), **{**OPTIONS, "max_bytes": 150_000})  # type: ignore[arg-type]
    assert files.record.bytes == len(files.gif) <= 150_000
    assert files.record.width < 320


def test_play_once_has_no_loop() -> None:
    gif = encode_gif([noise(1, 32, 32), noise(2, 32, 32)], colours=16, frame_seconds=0.5, loops=1)
    with Image.open(io.BytesIO(gif)) as opened:
        assert "loop" not in opened.info


def test_equal_neighbours_are_noticed() -> None:
    with pytest.raises(ValueError, match="would lose one"):
        encode_gif([noise(1, 32, 32)] * 2, colours=16, frame_seconds=0.5, loops=0)
    with pytest.raises(ValueError, match="at least two"):
        assemble_reel(shots(1), **OPTIONS)  # type: ignore[arg-type]


@pytest.mark.parametrize("box", [(270, 170, 370, 290), (20, 30, 120, 150), (560, 380, 630, 470), (100, 20, 500, 460)])
def test_the_crop_is_square_holds_the_face_and_shows_no_black(box: tuple[int, int, int, int]) -> None:
    picture = np.full((480, 640, 3), 200, dtype=np.uint8)
    x1, y1, x2, y2 = box
    picture[y1:y2, x1:x2] = (255, 0, 0)
    crop = square_crop(Shot(picture, box, ""), 320)
    assert crop.shape == (320, 320, 3)
    assert crop.max(axis=2).min() >= 190
    red = (crop[..., 0] > 240) & (crop[..., 1] < 60)
    wished = (x2 - x1) * (y2 - y1) / min(max(x2 - x1, y2 - y1) * 2.3, 480) ** 2
    assert red.mean() == pytest.approx(wished, rel=0.08), "the whole face, equally large in every picture"


def test_exposure_is_matched_mildly() -> None:
    matched = match_exposure([np.full((8, 8, 3), level, dtype=np.uint8) for level in (60, 120, 240)])
    means = [picture.mean() for picture in matched]
    assert 60 < means[0] < 80
    assert means[1] == pytest.approx(120, abs=1)
    assert 190 < means[2] < 240


def test_the_contact_sheet_shows_every_moment() -> None:
    sheet = contact_sheet([np.full((40, 40, 3), 20 * i, dtype=np.uint8) for i in range(9)], ["00:00"] * 9)
    assert {int(sheet[8 + 10 + (i // 3) * 78, 8 + 10 + (i % 3) * 48, 0]) for i in range(9)} == {20 * i for i in range(9)}
