"""The figures that the weights must and should reach, by name. The tables compare with them, `--check` and the quality test hold them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """A figure that must be reached and one to aim at, both in 0..1; of an error share, at most so much."""

    must: float
    aim: float
    at_most: bool = False

    def shortfall(self, value: float) -> float:
        """By how much the must is missed; 0 if it is met, nan for an unknown figure."""
        return max(value - self.must if self.at_most else self.must - value, 0.0)

    def met(self, value: float, noise: float = 0.0) -> bool:
        """Whether the must is reached, or missed by no more than the noise; an unknown figure reaches nothing.

        A figure is judged as it is printed, with four digits, so that no table says "missed by .0000".
        """
        return round(self.shortfall(value), 4) <= noise

    def verdict(self, value: float) -> str:
        """In words: the aim met, the must met, or the must missed and by how much."""
        if not self.met(value):
            return f"MISSED by {self.shortfall(value):.4f}".replace(" 0.", " .")
        beyond = value <= self.aim if self.at_most else round(value, 4) >= self.aim
        return "met, aim too" if beyond else "met"


TARGETS = {
    "normal: recall": Target(0.985, 0.995),
    "normal: precision": Target(0.97, 0.985),
    "low quality: recall": Target(0.965, 0.985),
    "low quality: precision": Target(0.96, 0.98),
    # One of 49 empty rooms, teddy bears and pictures on walls.
    "a false face, of pictures without one": Target(1 / 49, 0.0, at_most=True),
    "smile, children": Target(0.990, 0.997),
    "smile, LFW on which two sets agree and no eye differs": Target(0.998, 0.9995),
    "smile, LFW at 48 px (stands for FER2013)": Target(0.945, 0.965),
    "child (5-14) or adult (18 and over)": Target(0.985, 0.993),
    "shoulder, composed frames": Target(0.95, 0.98),
}
