"""Composes the lesson: the data's folder in, four recordings, LESSON.json and the truth out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.demo.camera import Sensor, sway
from workers.demo.encode import encode_video
from workers.demo.room import draw_board

from .pictures import HEIGHT, MARGIN, WIDTH, PictureBox
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

Picture = NDArray[np.uint8]
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
    smile of 4-8 s in each 40 s. After the lesson's end another child smiles: no moment may come from there.

    Raises:
        FileNotFoundError: `data_dir` holds no det.tar.
        ValueError: `seconds` is under 160.
    """
    rows = schedule(seconds, seed)
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    box = PictureBox(data_dir, seed)
    sensor = Sensor(rng, patterns=6)
    shown: list[Stretch] = []
    gap_start, gap_end = student_gap(seconds)
    after: list[tuple[int, int, Scene]] = [(seconds, seconds + STUDENT_STAYS_ON_SECONDS, "child_smile")]
    try:
        before_gap = [row for row in rows if row[1] <= gap_start]
        encode_video(folder / "student-1.mp4", _frames(before_gap, box, sensor, fps, shown), fps, crf=25, bits_per_second=140_000)
        shown.append(Stretch(gap_start, gap_end, "off"))
        after_gap = [row for row in rows if row[0] >= gap_end]
        encode_video(
            folder / "student-2.mp4", _frames(after_gap + after, box, sensor, fps, shown), fps, crf=25, bits_per_second=140_000
        )
    finally:
        box.close()
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
    return ComposedLesson(path, ComposedTruth(at(0), at(seconds), disconnects, tuple(shown[:-1])))


def _frames(
    rows: list[tuple[int, int, Scene]], box: PictureBox, sensor: Sensor, fps: int, shown: list[Stretch]
) -> Iterator[Picture]:
    """The student's camera, row by row; appends to `shown` what each row was made of."""
    for start, end, scene in rows:
        canvas, files = box.canvas(scene)
        shown.append(Stretch(start, end, scene, files))
        for count in range((end - start) * fps):
            second = start + count / fps
            gain, noise, cast = (0.22, 0.7, 0.9) if scene == "dark" else (1 + 0.06 * sway(second, (31, 13, 7), 0.2), 0.35, 0.0)
            yield sensor.expose(_swayed(canvas, second), gain, noise, cast)


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
