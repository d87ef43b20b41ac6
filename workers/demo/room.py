"""What stands before the demo's cameras besides people: the student's room, the lamp, the teacher's blackboard. Drawn in code."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .portraits import shipped_picture

Picture = NDArray[np.uint8]
WIDTH, HEIGHT = 640, 480


def draw_room(rng: np.random.Generator) -> Picture:
    """A study, BGR uint8 (480, 640, 3), a little out of focus: wall, shelf, poster, door, an empty chair."""
    room = np.empty((HEIGHT, WIDTH, 3), np.float32)
    across, down = np.meshgrid(np.linspace(0, 1, WIDTH), np.linspace(0, 1, HEIGHT))
    # Daylight from the left.
    light = 1.06 - 0.3 * across - 0.12 * down
    room[:] = np.array([176, 192, 200], np.float32) * light[..., None]
    plaster = cv2.GaussianBlur(rng.normal(0, 22, (HEIGHT, WIDTH)).astype(np.float32), (0, 0), 2.5)
    picture: Picture = np.clip(room + plaster[..., None], 0, 255).astype(np.uint8)
    _draw_shelf(picture, rng)
    _draw_poster(picture)
    _draw_door(picture)
    picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), 1.7), np.uint8)
    _draw_chair(picture)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.8), np.uint8)


def _draw_shelf(picture: Picture, rng: np.random.Generator) -> None:
    colours = [(60, 60, 150), (120, 80, 40), (70, 110, 60), (150, 150, 165), (40, 90, 150), (90, 50, 80), (60, 60, 60)]
    for board_y in (118, 226):
        x = 14
        while x < 150:
            width, height = int(rng.integers(7, 16)), int(rng.integers(48, 80))
            shade = rng.uniform(0.75, 1.1)
            colour = tuple(float(c * shade) for c in colours[int(rng.integers(len(colours)))])
            cv2.rectangle(picture, (x, board_y - height), (x + width - 2, board_y), colour, -1)
            cv2.line(picture, (x + 2, board_y - height + 10), (x + width - 4, board_y - height + 10), (170, 190, 200), 1)
            x += width
        cv2.rectangle(picture, (0, board_y), (162, board_y + 7), (58, 92, 128), -1)
        cv2.rectangle(picture, (0, board_y + 7), (162, board_y + 13), (120, 132, 140), -1)


def _draw_poster(picture: Picture) -> None:
    # NASA's and ESA's Hubble deep field, in the public domain as well.
    stars = shipped_picture("skimage", "data/hubble_deep_field.jpg", "scikit-image")
    small = cv2.resize(stars[100:740, 100:580], (96, 128), interpolation=cv2.INTER_AREA)
    cv2.rectangle(picture, (420, 34), (524, 170), (215, 225, 228), -1)
    cv2.rectangle(picture, (524, 40), (529, 173), (110, 122, 130), -1)
    picture[38:166, 424:520] = small


def _draw_door(picture: Picture) -> None:
    cv2.rectangle(picture, (566, 30), (639, 479), (118, 138, 150), -1)
    cv2.rectangle(picture, (576, 40), (639, 479), (134, 156, 168), -1)
    for top, bottom in ((60, 210), (236, 430)):
        cv2.rectangle(picture, (592, top), (639, bottom), (112, 132, 144), 3)
    cv2.circle(picture, (586, 262), 6, (90, 160, 190), -1)


def _draw_chair(picture: Picture) -> None:
    # A desk chair's back on its post, with armrests: visible whenever nobody sits in it.
    cv2.rectangle(picture, (306, 400), (334, 479), (46, 44, 42), -1)
    for inset, colour in ((0, (58, 50, 44)), (7, (92, 80, 70)), (20, (100, 88, 78))):
        left, right, top, bottom = 222 + inset, 418 - inset, 262 + inset, 424 - inset
        corner = 40 - inset
        cv2.rectangle(picture, (left + corner, top), (right - corner, bottom), colour, -1)
        cv2.rectangle(picture, (left, top + corner), (right, bottom - corner), colour, -1)
        for x in (left + corner, right - corner):
            for y in (top + corner, bottom - corner):
                cv2.circle(picture, (x, y), corner, colour, -1)
    for x in (196, 400):
        cv2.rectangle(picture, (x + 14, 446), (x + 30, 479), (46, 44, 42), -1)
        cv2.rectangle(picture, (x, 430), (x + 46, 447), (40, 38, 36), -1)


def draw_lamp(picture: Picture) -> Picture:
    """A desk lamp, switched off, in the frame's upper right; returns a new picture."""
    lit: Picture = picture.copy()
    cv2.line(lit, (566, 479), (548, 170), (40, 40, 44), 7, cv2.LINE_AA)
    shade = np.array([(490, 150), (566, 112), (590, 158), (524, 196)], np.int32)
    cv2.fillPoly(lit, [shade], (52, 58, 70), cv2.LINE_AA)
    return np.asarray(cv2.GaussianBlur(lit, (0, 0), 0.8), np.uint8)


def lamp_glow() -> Picture:
    """The light that a switched-on lamp adds, BGR uint8 (480, 640, 3)."""
    across, down = np.meshgrid(np.arange(WIDTH, dtype=np.float32), np.arange(HEIGHT, dtype=np.float32))
    distance = np.hypot(across - 512, (down - 184) * 1.15)
    bulb = 255 * np.exp(-((distance / 34) ** 2)) * 1.6
    halo = 110 * np.exp(-distance / 95) + 26 * np.exp(-distance / 420)
    warm = np.array([0.72, 0.92, 1.0], np.float32)
    return np.asarray(np.clip(bulb[..., None] + halo[..., None] * warm, 0, 255), np.uint8)


def draw_board(fraction: float, size: tuple[int, int] = (320, 240)) -> Picture:
    """The teacher's blackboard with this fraction of today's sums on it, BGR uint8 (height, width, 3)."""
    width, height = size
    board: Picture = np.full((height, width, 3), (58, 74, 52), np.uint8)
    cv2.rectangle(board, (0, 0), (width - 1, height - 1), (70, 110, 150), 12)
    cv2.rectangle(board, (0, height - 22), (width, height), (60, 96, 132), -1)
    text = ["7 x 8 = 56", "7 x 9 = 63", "12 x 12 = 144", "3/4 + 1/4 = 1", "15 min. to go"]
    left = round(fraction * sum(map(len, text)))
    for row, line in enumerate(text):
        shown = line[: max(0, left)]
        left -= len(line)
        cv2.putText(board, shown, (28, 52 + 36 * row), cv2.FONT_HERSHEY_DUPLEX, 0.8, (214, 222, 220), 1, cv2.LINE_AA)
    return board
