"""What the GPU room's tasks ask of whatever looks at pictures, and what a fault run may put in its place. Needs no torch."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from shared.face import Box, Detection, FaceScores
from workers.inputs import Pixels

MAGENTA = (255, 0, 255)


class Scorer(Protocol):
    """Looks at pictures; frames are uint8 H x W x 3 in RGB, crops uint8 N x 64 x 64."""

    @property
    def shoulder_threshold(self) -> float:
        """From where on P(parent's shoulder) counts."""

    def detect(self, frames_rgb: Sequence[Pixels], batch_size: int) -> list[list[Detection]]:
        """The faces in each frame, highest score first."""

    def score_shoulders(self, frames_rgb: Sequence[Pixels], batch_size: int) -> list[float]:
        """P(parent's shoulder) of each frame."""

    def score_faces(self, crops: Pixels, batch_size: int) -> list[FaceScores]:
        """P(child) and P(smile) of each crop."""


@dataclass(frozen=True, slots=True)
class StandIn:
    """Made-up scores, the same for the same picture: a face in the middle of each, a child's, smiling as brightly as it is lit.

    It sleeps `frame_seconds` for each frame, as a card would keep its process waiting: many such workers fit on two cores.
    """

    frame_seconds: float = 0.0

    @property
    def shoulder_threshold(self) -> float:
        return 0.5

    def detect(self, frames_rgb: Sequence[Pixels], batch_size: int) -> list[list[Detection]]:  # noqa: ARG002
        time.sleep(self.frame_seconds * len(frames_rgb))
        found = []
        for frame in frames_rgb:
            height, width = frame.shape[:2]
            half = min(height, width) / 4
            found.append([Detection(Box(width / 2 - half, height / 2 - half, width / 2 + half, height / 2 + half), 0.9)])
        return found

    def score_shoulders(self, frames_rgb: Sequence[Pixels], batch_size: int) -> list[float]:  # noqa: ARG002
        return [0.05] * len(frames_rgb)

    def score_faces(self, crops: Pixels, batch_size: int) -> list[FaceScores]:  # noqa: ARG002
        return [FaceScores(p_child=0.9, p_smile=0.7 + 0.25 * float(crop.mean()) / 255) for crop in crops]


@dataclass(frozen=True, slots=True)
class Poisoned:
    """Looks with another's eyes, but dies of a magenta picture: how a fault run makes a lesson that kills whoever touches it."""

    eyes: Scorer

    @property
    def shoulder_threshold(self) -> float:
        return self.eyes.shoulder_threshold

    def detect(self, frames_rgb: Sequence[Pixels], batch_size: int) -> list[list[Detection]]:
        for frame in frames_rgb:
            if np.abs(frame.mean(axis=(0, 1)) - MAGENTA).max() < 40:
                os.kill(os.getpid(), signal.SIGKILL)
        return self.eyes.detect(frames_rgb, batch_size)

    def score_shoulders(self, frames_rgb: Sequence[Pixels], batch_size: int) -> list[float]:
        return self.eyes.score_shoulders(frames_rgb, batch_size)

    def score_faces(self, crops: Pixels, batch_size: int) -> list[FaceScores]:
        return self.eyes.score_faces(crops, batch_size)
