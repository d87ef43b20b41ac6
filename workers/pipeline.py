"""The whole pipeline on one page, by task name: what the plan stage sends off for a lesson.

    enqueue ─> plan ─┬─ decode ─> detect ─> crop ─> classify ─┐
    (client)   cpu   ├─   cpu      GPU       cpu      GPU     ├─> pick ─> assemble ─> publish
                     └─ ...        one chain a segment        ┘   cpu      cpu         cpu
                        the chord's header                        the chord's body

Messages carry ids and store keys (`shared/messages.py`), pixels lie in the store. A segment that fails hands on a
`SegmentSkipped` instead of raising, so that the chord always ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from celery import Celery, Signature, chain, chord

from shared.catalogue import (
    ASSEMBLE_REEL,
    CLASSIFY_FACES,
    CROP_FACES,
    DECODE_SEGMENT,
    DETECT_FACES,
    PICK_MOMENTS,
    PUBLISH_LESSON,
)
from shared.lesson import Segment
from shared.messages import SegmentPlanned, dump


def segment_chain(app: Celery, lesson_id: str, work_version: str, generation: int, segment: Segment) -> Signature:
    """One segment's way from the recording to its faces' scores."""
    planned = SegmentPlanned(lesson_id=lesson_id, work_version=work_version, generation=generation, segment=segment)
    return chain(
        app.signature(DECODE_SEGMENT, args=[dump(planned)]),
        app.signature(DETECT_FACES),
        app.signature(CROP_FACES),
        app.signature(CLASSIFY_FACES),
    )


def reel_chain(app: Celery, lesson_id: str, work_version: str, generation: int) -> Signature:
    """From all segments' results to the published lesson."""
    return chain(
        app.signature(PICK_MOMENTS, args=[lesson_id, work_version], kwargs={"generation": generation}),
        app.signature(ASSEMBLE_REEL),
        app.signature(PUBLISH_LESSON),
    )


def send_lesson(app: Celery, lesson_id: str, work_version: str, generation: int, segments: Sequence[Segment]) -> None:
    """Send the lesson's work off; without segments (they were picked from before, or there are none) only the chord's body."""
    body = reel_chain(app, lesson_id, work_version, generation)
    if not segments:
        body.apply_async(args=[[]])
        return
    header = [segment_chain(app, lesson_id, work_version, generation, segment) for segment in segments]
    chord(header, app=app)(body)


def lesson_of(args: Sequence[Any], kwargs: Mapping[str, Any]) -> str | None:
    """Whose message these arguments are; None where they name no lesson."""
    for value in (*args, *kwargs.values()):
        if isinstance(value, Mapping) and isinstance(value.get("lesson_id"), str):
            return str(value["lesson_id"])
    # plan: (lesson_id), pick: (results, lesson_id, work_version)
    named = [value for value in args if isinstance(value, str)]
    return named[0] if named else None
