"""P(shoulder) second by second in, the ranges out in which a parent sits beside the child. Pure; the pick task's work calls it.

Hysteresis as in Canny's edges: a range begins where the smoothed score is surely above the model's threshold, and goes on in both
directions for as long as it is not surely below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import isfinite, log

from shared.records import FrameReading, ShoulderRange

# All levels are logits counted from the model's released threshold: they hold for any weights and need no setting.
ENTER_LOGIT = 0.5
LEAVE_LOGIT = -0.5
# One quite sure frame must not outvote its neighbours.
MOST_LOGIT = 3.0
# Weights of a second and those up to two away; what was not seen is left out, and up to four unseen seconds in a row are bridged.
KERNEL = (1, 2, 3, 2, 1)
REACH_SECONDS = 2
SHORTEST_SECONDS = 5
# Nobody leaves and is back within so little.
JOINED_SECONDS = 4


def shoulder_ranges(readings: Sequence[FrameReading], threshold: float) -> list[ShoulderRange]:
    """The ranges of a lesson; `threshold` (0..1, exclusive) is the shoulder model's released one.

    Raises:
        ValueError: the threshold is not between 0 and 1.
    """
    return ranges_of({reading.frame.second: reading.p_parent_shoulder for reading in readings}, threshold)


def ranges_of(p_by_second: Mapping[int, float], threshold: float) -> list[ShoulderRange]:
    """Half-open ranges of lesson seconds, in order and apart; they begin and end with a second that was seen.

    Args:
        p_by_second: P(shoulder), 0..1, by lesson second; seconds that are missing or not finite were not seen.
        threshold: the probability from which on the model calls a single frame a shoulder.

    Raises:
        ValueError: the threshold is not between 0 and 1.
    """
    if not 0 < threshold < 1:
        raise ValueError(f"the shoulder's threshold lies between 0 and 1, not at {threshold}")
    margins = {second: _margin(p, threshold) for second, p in p_by_second.items() if isfinite(p)}
    levels = _smoothed(margins)
    runs = [run for run in _runs(levels) if max(levels[second] for second in run) >= ENTER_LOGIT]
    spans = [(min(seen), max(seen) + 1) for run in runs if (seen := [second for second in run if second in margins])]
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and start - joined[-1][1] <= JOINED_SECONDS:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return [ShoulderRange(start_second=start, end_second=end) for start, end in joined if end - start >= SHORTEST_SECONDS]


def is_inside(ranges: Sequence[ShoulderRange], second: int, beside_seconds: int = 0) -> bool:
    """Whether a lesson second lies in one of the ranges, or at most so many seconds beside one."""
    return any(span.start_second - beside_seconds <= second < span.end_second + beside_seconds for span in ranges)


def _margin(probability: float, threshold: float) -> float:
    """How far the frame's logit lies above the threshold's, within limits."""
    p = min(max(probability, 1e-6), 1 - 1e-6)
    return min(max(log(p / (1 - p)) - log(threshold / (1 - threshold)), -MOST_LOGIT), MOST_LOGIT)


def _smoothed(margins: Mapping[int, float]) -> dict[int, float]:
    """The weighted mean around each second that was seen or has one that was within reach, in order of time."""
    levels = {}
    offsets = range(-REACH_SECONDS, REACH_SECONDS + 1)
    for second in sorted({seen + offset for seen in margins for offset in offsets}):
        known = [(weight, margins[second + o]) for o, weight in zip(offsets, KERNEL, strict=True) if second + o in margins]
        levels[second] = sum(weight * margin for weight, margin in known) / sum(weight for weight, _ in known)
    return levels


def _runs(levels: Mapping[int, float]) -> list[list[int]]:
    """Unbroken runs of seconds that are not surely below."""
    seconds = [second for second, level in levels.items() if level > LEAVE_LOGIT]
    cuts = [index for index, (one, other) in enumerate(pairwise(seconds), 1) if other - one > 1]
    return [seconds[start:end] for start, end in zip([0, *cuts], [*cuts, len(seconds)], strict=True) if seconds]
