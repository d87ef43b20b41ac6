"""Plays the demo's story into media files: a folder in, its recordings and `demo-lesson.json` out. Called by `smilereel demo`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from .camera import Pose, Sensor, Sitter, sway
from .encode import encode_video
from .portraits import eileen_collins, grace_hopper
from .room import draw_board, draw_lamp, draw_room, lamp_glow
from .story import DEMO_TRUTH, STUDENT_JOINS_AFTER_SECONDS, STUDENT_STAYS_ON_SECONDS, TEACHER_STARTS_AT

Picture = NDArray[np.uint8]

STUDENT_FPS = 12
TEACHER_FPS = 5
TEACHER_SIZE = (320, 240)
SEED = 20261120


def render_demo_lesson(folder: Path, on_progress: Callable[[float], None] | None = None) -> Path:
    """Render the lesson of `DEMO_TRUTH` into `folder` and return the path of its `demo-lesson.json`.

    Two student files (640x480, 12 fps) and one teacher file (320x240, 5 fps), H.264 in mp4, some 4 MB, the same bytes each time
    with the same libraries. `on_progress` hears the share that is done, 0..1.

    Raises:
        FileNotFoundError: a package that ships a portrait is not installed.
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (off, back), ends = DEMO_TRUTH.student_disconnects[0], DEMO_TRUTH.seconds
    frames = StudentFrames(np.random.default_rng(SEED))
    spans = [("student-1.mp4", 0.0, off), ("student-2.mp4", back, ends + STUDENT_STAYS_ON_SECONDS)]
    report = on_progress or (lambda _share: None)
    for name, start, end in spans:
        times = np.arange(round((end - start) * STUDENT_FPS)) / STUDENT_FPS + start
        pictures = (frames.at(float(second)) for second in _reporting(times, ends, report))
        encode_video(folder / name, pictures, STUDENT_FPS, crf=27)
    teacher_seconds = STUDENT_JOINS_AFTER_SECONDS + ends
    encode_video(folder / "teacher.mp4", _teacher_frames(teacher_seconds), TEACHER_FPS, crf=34, bits_per_second=40_000)
    document = {
        "lesson_id": "demo",
        "student": [{"uri": name, "started_at": _clock(STUDENT_JOINS_AFTER_SECONDS + start)} for name, start, _ in spans],
        "teacher": [{"uri": "teacher.mp4", "started_at": _clock(0)}],
        "consent": {"process": True, "reel": True, "email": False, "analytics": True, "training": False},
        "subject": "anyone",
    }
    path = folder / "demo-lesson.json"
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    report(1.0)
    return path


def _clock(seconds: float) -> str:
    return (TEACHER_STARTS_AT + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def _reporting(times: NDArray[np.float64], ends: float, report: Callable[[float], None]) -> Iterator[float]:
    for count, second in enumerate(times):
        if count % STUDENT_FPS == 0:
            report(min(0.99, float(second) / ends))
        yield float(second)


class StudentFrames:
    """The student's camera: a frame for each lesson second it is asked for, in rising order."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._room = draw_room(rng)
        self._room_with_lamp = draw_lamp(self._room)
        self._glow = lamp_glow()
        self._student = Sitter(eileen_collins())
        self._visitor = Sitter(grace_hopper())
        self._sensor = Sensor(rng)

    def at(self, second: float) -> Picture:
        """BGR uint8 (480, 640, 3)."""
        lamp, dark = _fade(second, 44, 56, 0.4), _fade(second, 79, 91, 0.6)
        scene = self._room_with_lamp if 42 <= second < 58 else self._room
        away = max(_fade(second, 20, 29, 1.5), _fade(second, 99, 113, 1.5))
        if away < 1:
            scene = self._student.into(scene, student_pose(second).shifted(-520 * away, 60 * away))
        visit = _fade(second, 100.5, 111.5, 1.5)
        if visit > 0:
            scene = self._visitor.into(scene, visitor_pose(second).shifted(560 * (1 - visit), 40 * (1 - visit)))
        gain = 1.0 + 0.1 * sway(second, (31.0, 17.3, 7.1), 0.4) - 0.8 * dark
        if lamp > 0:
            # The camera shuts its iris against the lamp: all else gets darker.
            scene = np.asarray(cv2.addWeighted(scene, 1 - 0.38 * lamp, self._glow, lamp, 0), np.uint8)
        return self._sensor.expose(scene, gain, noise=0.3 + 0.45 * dark, cast=0.9 * dark)


def _fade(second: float, start: float, end: float, ramp: float) -> float:
    """0 outside `[start, end]`, 1 inside, eased over `ramp` seconds at both of its ends."""
    rise = min(max(min(second - start, end - second) / ramp, 0.0), 1.0)
    return rise * rise * (3 - 2 * rise)


def student_pose(second: float) -> Pose:
    """Eileen Collins as she talks: drifts nearer and farther, tilts and turns her head, smiles more and less."""
    return Pose(
        face_x=312 + 74 * sway(second, (23.0, 9.7, 4.1), 0.3),
        face_y=216 + 16 * sway(second, (17.0, 7.9, 3.3), 1.1),
        scale=1.48 + 0.34 * sway(second, (41.0, 13.3, 6.1), 2.2),
        lean_degrees=4.0 * sway(second, (19.0, 8.3, 3.7), 0.8),
        head_degrees=9.0 * sway(second, (12.7, 5.9, 2.9), 1.7),
        turn_pixels=8.0 * sway(second, (15.1, 6.7, 2.3), 0.1),
        nod_pixels=4.0 * sway(second, (10.9, 4.7, 1.9), 2.9),
        smile_pixels=0.8 + 1.2 * sway(second, (14.3, 6.3, 2.7), 0.9),
    )


def visitor_pose(second: float) -> Pose:
    """Grace Hopper, who looks into the camera and does not smile."""
    calm = student_pose(second + 77)
    return replace(
        calm, face_x=calm.face_x * 0.6 + 132, face_y=225 + 6 * sway(second, (9.1, 4.3, 2.1), 0.2), scale=0.8,
        head_degrees=0.5 * calm.head_degrees, turn_pixels=1.6 * calm.turn_pixels, smile_pixels=-1.5,
    )  # fmt: skip


def _teacher_frames(seconds: float) -> Iterator[Picture]:
    rng = np.random.default_rng(SEED + 1)
    width, height = TEACHER_SIZE
    for count in range(round(seconds * TEACHER_FPS)):
        second = count / TEACHER_FPS
        noise = rng.normal(0, 2.5, (height, width, 1)) + 3 * sway(second, (29.0, 11.3, 5.1), 0.5)
        yield np.clip(draw_board(second / seconds, TEACHER_SIZE) + noise, 0, 255).astype(np.uint8)
