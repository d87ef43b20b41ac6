"""Composes the lesson: the data's folder in, four recordings, LESSON.json and the truth out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import cv2
import numpy as np

from workers.demo.camera import Sensor, sway
from workers.demo.encode import encode_video
from workers.demo.room import draw_board

from .frame import HEIGHT, MARGIN, WIDTH, Picture
from .light import draw_light
from .pictures import PictureBox
from .truth import (
    STUDENT_JOINS_AFTER_SECONDS,
    STUDENT_STAYS_ON_SECONDS,
    ComposedTruth,
    Scene,
    Stretch,
    at,
    schedule,
    student_gap,
    teacher_gap,
)

TEACHER_FPS = 2


@dataclass(frozen=True)
class ComposedLesson:
    """Where LESSON.json lies and what it shows."""

    path: Path
    truth: ComposedTruth


def compose_lesson(data_dir: Path, folder: Path, *, seconds: int = 720, fps: int = 4, seed: int = 0) -> ComposedLesson:
    """Render a lesson of `seconds` with a child as its subject into `folder`; another `seed` shows other children at other times.

    The teacher starts, the student joins 40 s later (lesson second 0). The student reconnects once (15 s), the teacher once (8 s),
    and the student's camera stays on for 12 s after the teacher left for good (lesson second `seconds`). `truth.schedule` tells what is
    shown when; its rows are (start, end, scene) in lesson seconds, scenes change on full seconds, and there is one
    smile of 4-8 s in each 40 s. After the lesson's end another child smiles: no moment may come from there. Light, noise and the
    coder's strength go by lot.

    Raises:
        FileNotFoundError: `data_dir` holds no det.tar, or no cutouts.tar.
        ValueError: `seconds` is under 160.
    """
    rows = schedule(seconds, seed)
    folder.mkdir(parents=True, exist_ok=True)
    camera = _Camera(PictureBox(data_dir, seed), np.random.default_rng(seed), fps)
    coder = {"crf": int(camera.rng.integers(24, 30)), "bits_per_second": int(camera.rng.integers(85_000, 150_000))}
    gap_start, gap_end = student_gap(seconds)
    after: list[tuple[int, int, Scene]] = [(seconds, seconds + STUDENT_STAYS_ON_SECONDS, "child_smile")]
    encode_video(folder / "student-1.mp4", camera.frames([row for row in rows if row[1] <= gap_start]), fps, **coder)
    camera.shown.append(Stretch(gap_start, gap_end, "off"))
    encode_video(folder / "student-2.mp4", camera.frames([row for row in rows if row[0] >= gap_end] + after), fps, **coder)
    teacher_off, teacher_back = teacher_gap(seconds)
    _board(folder / "teacher-1.mp4", STUDENT_JOINS_AFTER_SECONDS + teacher_off)
    _board(folder / "teacher-2.mp4", seconds - teacher_back)
    recordings = {
        "student": [("student-1.mp4", 0), ("student-2.mp4", gap_end)],
        "teacher": [("teacher-1.mp4", -STUDENT_JOINS_AFTER_SECONDS), ("teacher-2.mp4", teacher_back)],
    }
    document = {
        "lesson_id": f"composed-{seconds}-{seed}",
        **{
            side: [{"uri": uri, "started_at": at(second).isoformat().replace("+00:00", "Z")} for uri, second in files]
            for side, files in recordings.items()
        },
        "consent": {"process": True, "reel": True, "email": False, "analytics": False, "training": False},
        "subject": "child",
    }
    path = folder / "LESSON.json"
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    disconnects: dict[str, tuple[tuple[datetime, datetime], ...]] = {
        "student": ((at(gap_start), at(gap_end)),),
        "teacher": ((at(teacher_off), at(teacher_back)),),
    }
    return ComposedLesson(path, ComposedTruth(at(0), at(seconds), disconnects, tuple(camera.shown[:-1])))


class _Camera:
    """The student's camera: plays rows of the schedule and notes in `shown` what each was made of."""

    def __init__(self, box: PictureBox, rng: np.random.Generator, fps: int) -> None:
        self.box, self.rng, self.fps = box, rng, fps
        self.sensor = Sensor(rng, patterns=6)
        self.gain, self.noise = float(rng.uniform(0.75, 1.08)), float(rng.uniform(0.25, 0.55))
        self.shown: list[Stretch] = []

    def frames(self, rows: list[tuple[int, int, Scene]]) -> Iterator[Picture]:
        for start, end, scene in rows:
            view = self.box.view(scene)
            self.shown.append(Stretch(start, end, scene, view.files))
            light = None if scene == "dark" else draw_light(self.rng, 0 if view.layer is None else view.layer.side)
            still = view.canvas if light is None or view.layer is not None else light.over(view.canvas)
            for count in range((end - start) * self.fps):
                second = start + count / self.fps
                canvas = still
                if view.layer is not None:
                    canvas = view.layer.over(still, second)
                    canvas = canvas if light is None else light.over(canvas)
                yield self._exposed(_swayed(canvas, second), second, scene)

    def _exposed(self, picture: Picture, second: float, scene: Scene) -> Picture:
        if scene == "dark":
            return self.sensor.expose(picture, 0.22, 0.7, 0.9)
        return self.sensor.expose(picture, self.gain * (1 + 0.06 * sway(second, (31, 13, 7), 0.2)), self.noise)


def _swayed(canvas: Picture, second: float) -> Picture:
    """The camera's frame out of the larger canvas, moved, tilted and scaled a little."""
    centre = (canvas.shape[1] / 2, canvas.shape[0] / 2)
    tilt, scale = 2.2 * sway(second, (11.3, 5.9, 2.7), 1.3), 1.04 + 0.04 * sway(second, (17.9, 7.3, 3.1), 0.7)
    matrix = cv2.getRotationMatrix2D(centre, tilt, scale)
    matrix[0, 2] += 12 * sway(second, (13.1, 6.1, 2.3), 0.1) - MARGIN
    matrix[1, 2] += 9 * sway(second, (9.7, 4.9, 2.1), 2.1) - MARGIN
    return np.asarray(cv2.warpAffine(canvas, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE), np.uint8)


def _board(path: Path, seconds: int) -> None:
    count = seconds * TEACHER_FPS
    encode_video(path, (draw_board(index / count) for index in range(count)), TEACHER_FPS, crf=30, bits_per_second=60_000)
