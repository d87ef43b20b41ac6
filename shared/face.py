"""A face in a frame: where it is and what the classifiers think of it. Values only, no pixels."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite


@dataclass(frozen=True, slots=True)
class Box:
    """An axis-aligned rectangle in pixels: `x1, y1` the upper left corner, `x2, y2` the lower right one (exclusive).

    Raises:
        ValueError: a corner is not a finite number, or the rectangle has no area.
    """

    x1: float
    y1: float
    x2: float
    y2: float

    def __post_init__(self) -> None:
        if not all(map(isfinite, self.xyxy)):
            raise ValueError(f"a box needs finite corners, not {self.xyxy}")
        if self.x2 <= self.x1 or self.y2 <= self.y1:
            raise ValueError(f"a box needs an area, not {self.xyxy}")

    @property
    def xyxy(self) -> tuple[float, float, float, float]:
        return (self.x1, self.y1, self.x2, self.y2)

    @property
    def width(self) -> float:
        return self.x2 - self.x1

    @property
    def height(self) -> float:
        return self.y2 - self.y1

    @property
    def area(self) -> float:
        return self.width * self.height

    @property
    def centre(self) -> tuple[float, float]:
        return ((self.x1 + self.x2) / 2, (self.y1 + self.y2) / 2)

    def scaled(self, factor_x: float, factor_y: float | None = None) -> Box:
        """The same rectangle in a picture that was enlarged by these factors."""
        fy = factor_x if factor_y is None else factor_y
        return Box(self.x1 * factor_x, self.y1 * fy, self.x2 * factor_x, self.y2 * fy)


@dataclass(frozen=True, slots=True)
class Detection:
    """One face that the detector found; `score` in 0..1, already above the released threshold."""

    box: Box
    score: float


@dataclass(frozen=True, slots=True)
class FaceScores:
    """What the classifiers say of one face, each a probability in 0..1."""

    p_child: float
    p_smile: float
