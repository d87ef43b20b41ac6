"""Fits and nights of round numbers."""

from __future__ import annotations

from typing import Any

from workers.capacity.night import Night
from workers.capacity.service import LESSON_STAGES, ROOM_OF, SEGMENT_STAGES, Fit, Loads, StageTimes


def a_fit(*, cpu: float = 1.0, gpu: float = 1.0, lesson: float = 1.0, spread: float = 0.0, gap: float = 0.0) -> Fit:
    """Every segment stage of a room takes these seconds, every stage of a whole lesson `lesson`."""
    seconds = {stage: cpu if ROOM_OF[stage] == "cpu" else gpu for stage in SEGMENT_STAGES} | dict.fromkeys(LESSON_STAGES, lesson)
    return Fit(
        where="a test",
        command="none",
        stages={name: StageTimes(seconds=each, seconds_per_frame=0, spread=spread, runs=1) for name, each in seconds.items()},
        gap_seconds={"cpu": gap, "gpu": gap},
        unchanged_seconds=0.0,
        warm_seconds={"cpu": 1.0, "gpu": 1.0},
        loads=Loads(**dict.fromkeys(Loads.model_fields, 1.0)),
    )


def a_night(lessons: int = 1, cpu: int = 1, gpu: int = 1, **others: Any) -> Night:
    """Lessons of two segments that come all at once."""
    defaults: dict[str, Any] = {
        "lengths": (20,),
        "segment_seconds": 10,
        "arrivals": "at-once",
        "enqueue_seconds": 0.0,
        "hours": 1.0,
    }
    defaults |= {"arrival_hours": 0.0, "places": 1000}
    return Night(lessons=lessons, workers={"cpu": cpu, "gpu": gpu}, **(defaults | others))
