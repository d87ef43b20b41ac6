"""The one module that makes each model's input: squares, black edges, sizes, and frames of extreme shapes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.inputs import (
    DETECTOR_LONGEST_SIDE,
    FACE_CROP_SIDE,
    SHOULDER_HEIGHT,
    SHOULDER_WIDTH,
    Pixels,
    clahe,
    crop_of_face_picture,
    detector_input,
    face_crop,
    face_square,
    grey_crop,
    shoulder_input,
)


def a_frame(height: int = 240, width: int = 320, shade: int = 200) -> Pixels:
    return np.full((height, width, 3), shade, np.uint8)


def test_a_box_grows_to_a_square_about_its_centre() -> None:
    frame = a_frame()
    frame[120, 160] = (1, 2, 3)
    square = face_square(frame, (150, 100, 170, 140))
    assert square.shape == (40, 40, 3)
    assert square[20, 20].tolist() == [1, 2, 3]


def test_what_lies_outside_the_frame_is_black() -> None:
    square = face_square(a_frame(), (0, 100, 20, 160))
    assert square.shape == (60, 60, 3)
    assert not square[:, :20].any()
    assert (square[:, 20:] == 200).all()


def test_a_box_wholly_outside_gives_a_black_square() -> None:
    assert not face_square(a_frame(), (400, 300, 440, 340)).any()


def test_a_wild_box_asks_for_no_more_than_twice_the_frame() -> None:
    assert face_square(a_frame(), (-1e7, -1e7, 1e7, 1e7)).shape == (640, 640, 3)


def test_a_box_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="four finite numbers"):
        face_square(a_frame(), (0, 0, float("nan"), 10))


def test_scaling_comes_before_grey() -> None:
    rng = np.random.default_rng(1)
    square = rng.integers(0, 256, (150, 150, 3), dtype=np.uint8)
    scaled = cv2.resize(square, (64, 64), interpolation=cv2.INTER_AREA)
    assert np.array_equal(grey_crop(square), cv2.cvtColor(scaled, cv2.COLOR_RGB2GRAY))


def test_red_is_the_first_channel() -> None:
    red = np.zeros((64, 64, 3), np.uint8)
    red[..., 0] = 255
    assert grey_crop(red)[0, 0] == 76


def test_clahe_has_the_articles_numbers() -> None:
    grey = np.random.default_rng(2).integers(90, 130, (64, 64), dtype=np.uint8)
    expected = cv2.createCLAHE(clipLimit=2.0, tileGridSize=(4, 4)).apply(grey)
    assert np.array_equal(clahe(grey), expected)


def test_face_crop_is_the_three_steps_in_a_row() -> None:
    frame = np.random.default_rng(3).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    box = (250.0, 20.0, 310.0, 100.0)
    assert np.array_equal(face_crop(frame, box), clahe(grey_crop(face_square(frame, box))))


def test_a_square_face_picture_is_only_scaled() -> None:
    picture = np.random.default_rng(4).integers(0, 256, (80, 80, 3), dtype=np.uint8)
    assert np.array_equal(crop_of_face_picture(picture), clahe(grey_crop(picture)))


def test_a_face_picture_that_is_not_square_is_centred_on_black() -> None:
    picture = np.full((64, 32, 3), 255, np.uint8)
    crop = crop_of_face_picture(picture)
    assert crop[:, :14].max() < crop[:, 20:44].min()
    assert crop[:, 50:].max() < crop[:, 20:44].min()


@given(st.integers(1, 700), st.integers(1, 700))
def test_the_detectors_input_has_its_longest_side(height: int, width: int) -> None:
    pixels, scale = detector_input(np.zeros((height, width, 3), np.uint8))
    assert max(pixels.shape[:2]) == DETECTOR_LONGEST_SIDE
    assert min(pixels.shape[:2]) >= 1
    assert abs(max(height, width) * scale - DETECTOR_LONGEST_SIDE) < 1e-6


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 5000), (5000, 1), (3, 2)])
def test_extreme_shapes_survive(height: int, width: int) -> None:
    frame = a_frame(height, width)
    assert detector_input(frame)[0].dtype == np.uint8
    assert shoulder_input(frame).shape == (SHOULDER_HEIGHT, SHOULDER_WIDTH, 3)
    assert crop_of_face_picture(frame).shape == (FACE_CROP_SIDE, FACE_CROP_SIDE)
    assert face_crop(frame, (0, 0, width, height)).shape == (FACE_CROP_SIDE, FACE_CROP_SIDE)
