"""The CPU room's tasks, thin: read the message, let the work be done, hand on the next message."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from celery import Task
from celery.signals import worker_process_init

from shared.catalogue import (
    ASSEMBLE_REEL,
    CROP_FACES,
    DECODE_SEGMENT,
    DELIVER,
    PICK_MOMENTS,
    PLAN_LESSON,
    PUBLISH_LESSON,
    RECONCILE,
    SWEEP,
)
from shared.errors import LedgerAway, StoreError
from shared.messages import (
    FacesClassified,
    FacesDetected,
    Message,
    MomentsPicked,
    ReelAssembled,
    SegmentPlanned,
    dump,
    load,
    load_or_skipped,
)
from shared.settings import load_settings
from workers.app import app
from workers.cpu import lesson_work, segment_work
from workers.cpu.limits import limit_memory
from workers.delivering import tell
from workers.doors import Doors, open_doors, run_lesson_stage, run_segment_stage
from workers.forgetting import clear_erased
from workers.keeping import keep_marks
from workers.pipeline import send_lesson
from workers.purging import purge
from workers.reconciling import reconcile_once, start_with_worker
from workers.sweeping import sweep

log = logging.getLogger(__name__)

# Nobody gives this duty back: every ten minutes one sweep purges as well.
PURGER, PURGE_SECONDS = "purge", 600.0
# One sweep at a time; one that died is followed by another after a few intervals.
SWEEPER = "sweeper"

start_with_worker()


@worker_process_init.connect
def bound_memory(**_: object) -> None:
    """A recording that makes this process grow without end fails by itself, and takes no neighbour with it."""
    if most := load_settings().cpu_child_memory_bytes:
        limit_memory(most)


@app.task(name=PLAN_LESSON, bind=True)
def plan_lesson(self: Task, lesson_id: str, generation: int = 0, **_later: Any) -> None:
    """Find the lesson's bounds and send its segments off, if it has a place."""

    def work(doors: Doors) -> None:
        planned = lesson_work.plan(doors, lesson_id, generation)
        if planned is not None:
            send_lesson(app, lesson_id, planned.work_version, generation, planned.segments, bulk=planned.bulk)

    run_lesson_stage(self, lesson_id, generation, work)


@app.task(name=DECODE_SEGMENT, bind=True)
def decode_segment(self: Task, payload: Any) -> Any:
    """One frame a second of a segment."""
    return run_segment_stage(self, payload, SegmentPlanned, segment_work.decode)


@app.task(name=CROP_FACES, bind=True)
def crop_faces(self: Task, payload: Any) -> Any:
    """The classifiers' input for each face of a segment."""
    return run_segment_stage(self, payload, FacesDetected, segment_work.crop)


@app.task(name=PICK_MOMENTS, bind=True)
def pick_moments(self: Task, results: list[Any], lesson_id: str, work_version: str, generation: int = 0, **_later: Any) -> Any:
    """Gather the segments' results and choose the reel's moments."""
    messages = [load_or_skipped(result, FacesClassified) for result in results]
    return _hand_on(self, lesson_id, generation, lambda doors: lesson_work.pick_moments(doors, lesson_id, work_version, messages))


@app.task(name=ASSEMBLE_REEL, bind=True)
def assemble_reel(self: Task, payload: Any) -> Any:
    """The GIF, its poster and the contact sheet."""
    message = load(payload, MomentsPicked)
    return _hand_on(self, message.lesson_id, message.generation, lambda doors: lesson_work.assemble_reel(doors, message))


@app.task(name=PUBLISH_LESSON, bind=True)
def publish_lesson(self: Task, payload: Any) -> None:
    """The lesson's record and per-second data; the ledger learns how it ended."""
    message = load(payload, ReelAssembled)
    run_lesson_stage(self, message.lesson_id, message.generation, lambda doors: lesson_work.publish(doors, message))


def _hand_on(task: Task, lesson_id: str, generation: int, work: Callable[[Doors], Message]) -> Any:
    """The next stage's message, of the same sending."""
    return run_lesson_stage(
        task, lesson_id, generation, lambda doors: dump(work(doors).model_copy(update={"generation": generation}))
    )


@app.task(name=RECONCILE)
def reconcile(**_later: Any) -> None:
    """Send lost lessons again; beat asks for it."""
    reconcile_once()


@app.task(name=SWEEP)
def sweep_store(**_later: Any) -> None:
    """Remove what no lesson owns; the reconciler asks for it."""
    doors = open_doors()
    holder, lease_seconds = uuid4().hex, max(5 * doors.settings.sweep_seconds, 10.0)

    def mine() -> bool:
        return doors.ledger.duties.hold(SWEEPER, holder, lease_seconds)

    try:
        if not mine():
            return
        # What families ask for first: a sweep of a large store takes its time.
        keep_marks(doors.ledger, doors.store, keep_days=doors.settings.retention_marks_days)
        with app.connection_for_write() as connection:
            redis = connection.default_channel.client
            clear_erased(doors.ledger, doors.store, redis, labels_folder=doors.settings.labels_folder)
        if doors.ledger.duties.hold(PURGER, uuid4().hex, PURGE_SECONDS):
            purge(doors.ledger, doors.store, doors.settings)
        swept = sweep(doors.ledger, doors.store, unknown_hours=doors.settings.sweep_unknown_hours, go_on=mine)
        doors.ledger.duties.drop(SWEEPER)
    except (StoreError, LedgerAway) as error:
        log.warning("not swept: %s", error.message)
        return
    if swept.removed:
        log.info("swept %d places that no lesson owns", swept.removed)


@app.task(name=DELIVER)
def deliver_events(holder: str = "", **_later: Any) -> None:
    """Tell the backend's webhook which lessons have ended; the reconciler asks for it."""
    doors = open_doors()
    try:
        tell(doors.settings, doors.ledger, holder)
    except LedgerAway as error:
        log.warning("the webhook waits: %s", error.message)
