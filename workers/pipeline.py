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
    queue_of,
)
from shared.lesson import Segment
from shared.messages import SegmentPlanned, dump


def segment_chain(
    app: Celery, lesson_id: str, work_version: str, generation: int, segment: Segment, *, bulk: bool = False
) -> Signature:
    """One segment's way from the recording to its faces' scores."""
    planned = SegmentPlanned(lesson_id=lesson_id, work_version=work_version, generation=generation, segment=segment)
    return chain(
        _part(app, DECODE_SEGMENT, bulk, args=[dump(planned)]),
        _part(app, DETECT_FACES, bulk),
        _part(app, CROP_FACES, bulk),
        _part(app, CLASSIFY_FACES, bulk),
    )


def reel_chain(app: Celery, lesson_id: str, work_version: str, generation: int, *, bulk: bool = False) -> Signature:
    """From all segments' results to the published lesson."""
    return chain(
        _part(app, PICK_MOMENTS, bulk, args=[lesson_id, work_version], kwargs={"generation": generation}),
        _part(app, ASSEMBLE_REEL, bulk),
        _part(app, PUBLISH_LESSON, bulk),
    )


def _part(app: Celery, task_name: str, bulk: bool, **arguments: Any) -> Signature:
    # The queue is in the signature itself, so that whoever sends the next one on need not know whose it is.
    return app.signature(task_name, queue=queue_of(task_name, bulk=bulk), **arguments)


def send_lesson(
    app: Celery, lesson_id: str, work_version: str, generation: int, segments: Sequence[Segment], *, bulk: bool = False
) -> None:
    """Send the lesson's work off; without segments (they were picked from before, or there are none) only the chord's body.

    All of it, retries included, travels on the queues of fresh lessons or on those of bulk.
    """
    body = reel_chain(app, lesson_id, work_version, generation, bulk=bulk)
    if not segments:
        body.apply_async(args=[[]])
        return
    header = [segment_chain(app, lesson_id, work_version, generation, segment, bulk=bulk) for segment in segments]
    chord(header, app=app)(body)


def lesson_of(args: Sequence[Any], kwargs: Mapping[str, Any]) -> str | None:
    """Whose message these arguments are; None where they name no lesson."""
    for value in (*args, *kwargs.values()):
        if isinstance(value, Mapping) and isinstance(value.get("lesson_id"), str):
            return str(value["lesson_id"])
    # plan: (lesson_id), pick: (results, lesson_id, work_version)
    named = [value for value in args if isinstance(value, str)]
    return named[0] if named else None
