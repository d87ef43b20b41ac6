"""The CPU room's tasks, thin: read the message, let the work be done, hand on the next message."""

from __future__ import annotations

from typing import Any

from celery import Task

from shared.catalogue import ASSEMBLE_REEL, CROP_FACES, DECODE_SEGMENT, PICK_MOMENTS, PLAN_LESSON, PUBLISH_LESSON
from shared.messages import (
    FacesClassified,
    FacesDetected,
    MomentsPicked,
    ReelAssembled,
    SegmentPlanned,
    dump,
    load,
    load_or_skipped,
)
from workers.app import app
from workers.cpu import lesson_work, segment_work
from workers.doors import Doors, run_lesson_stage, run_segment_stage
from workers.pipeline import send_lesson


@app.task(name=PLAN_LESSON, bind=True)
def plan_lesson(self: Task, lesson_id: str) -> None:
    """Find the lesson's bounds and send its segments off."""

    def work(doors: Doors) -> None:
        planned = lesson_work.plan(doors, lesson_id)
        if planned is not None:
            plan, work_version = planned
            send_lesson(app, lesson_id, work_version, plan.segments)

    run_lesson_stage(self, lesson_id, work)


@app.task(name=DECODE_SEGMENT, bind=True)
def decode_segment(self: Task, payload: Any) -> Any:
    """One frame a second of a segment."""
    return run_segment_stage(self, payload, SegmentPlanned, segment_work.decode)


@app.task(name=CROP_FACES, bind=True)
def crop_faces(self: Task, payload: Any) -> Any:
    """The classifiers' input for each face of a segment."""
    return run_segment_stage(self, payload, FacesDetected, segment_work.crop)


@app.task(name=PICK_MOMENTS, bind=True)
def pick_moments(self: Task, results: list[Any], lesson_id: str, work_version: str) -> Any:
    """Gather the segments' results and choose the reel's moments."""
    messages = [load_or_skipped(result, FacesClassified) for result in results]
    return run_lesson_stage(
        self, lesson_id, lambda doors: dump(lesson_work.pick_moments(doors, lesson_id, work_version, messages))
    )


@app.task(name=ASSEMBLE_REEL, bind=True)
def assemble_reel(self: Task, payload: Any) -> Any:
    """The GIF, its poster and the contact sheet."""
    message = load(payload, MomentsPicked)
    return run_lesson_stage(self, message.lesson_id, lambda doors: dump(lesson_work.assemble_reel(doors, message)))


@app.task(name=PUBLISH_LESSON, bind=True)
def publish_lesson(self: Task, payload: Any) -> None:
    """The lesson's record and per-second data; the ledger learns how it ended."""
    message = load(payload, ReelAssembled)
    run_lesson_stage(self, message.lesson_id, lambda doors: lesson_work.publish(doors, message))
