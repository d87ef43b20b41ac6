"""Small composed films that a fault run's lessons are made of: rendered once, referred to by many lessons. Called by `run.py`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.chaos.plan import PlannedLesson
from workers.demo.encode import encode_video

Picture = NDArray[np.uint8]

FPS = 4
SIZE = (320, 240)
# Short enough to be quick, long enough for nine moments; in segments of five seconds that is three or four.
REEL_SECONDS = (13, 15, 17, 20)
SHORT_SECONDS = 5
POISON_SECONDS = 5
STARTS_AT = "2026-11-20T10:00:00Z"


def render_films(folder: Path, *, with_faces: bool) -> None:
    """Write all films into the folder: with faces that real models find, or with coloured cards that stand-ins take for faces."""
    folder.mkdir(parents=True, exist_ok=True)
    paint = _people if with_faces else _cards
    for seconds in (*REEL_SECONDS, SHORT_SECONDS):
        encode_video(folder / f"film-{seconds}.mp4", paint(seconds), FPS, crf=26, bits_per_second=400_000)
    magenta = np.full((SIZE[1], SIZE[0], 3), (255, 0, 255), np.uint8)
    encode_video(folder / "poison.mp4", (magenta for _ in range(POISON_SECONDS * FPS)), FPS, crf=26)


def _cards(seconds: int) -> Iterator[Picture]:
    """Another pattern each second, so that no two moments look alike; the seed is the film's length."""
    rng = np.random.default_rng(seconds)
    for _ in range(seconds):
        coarse = rng.integers(40, 220, (6, 8, 3), dtype=np.uint8)
        card = np.asarray(cv2.resize(coarse, SIZE, interpolation=cv2.INTER_CUBIC), np.uint8)
        yield from [card] * FPS


def _people(seconds: int) -> Iterator[Picture]:
    """The demo's smiling woman, in the twenty seconds in which nothing else happens there."""
    from workers.demo.render import StudentFrames

    frames = StudentFrames(np.random.default_rng(seconds))
    for count in range(seconds * FPS):
        yield np.asarray(cv2.resize(frames.at(count / FPS), SIZE, interpolation=cv2.INTER_AREA), np.uint8)


def document_of(lesson: PlannedLesson) -> dict[str, Any]:
    """The lesson as a backend hands it in; its path counts from the media root."""
    length = SHORT_SECONDS if lesson.film == "short" else REEL_SECONDS[lesson.variant % len(REEL_SECONDS)]
    name = "poison.mp4" if lesson.film == "poison" else f"film-{length}.mp4"
    recording = {"uri": name, "started_at": STARTS_AT}
    return {
        "lesson_id": lesson.lesson_id,
        "student": [recording],
        "consent": {"process": True, "reel": lesson.film != "no_consent"},
        "subject": "anyone",
    }
