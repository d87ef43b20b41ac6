"""Two releases of the weights side by side: a segment whose lesson is looked at with others than ours is left to a worker that has them.

Called at the beginning of the GPU room's tasks.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from celery import Task
from celery.exceptions import Ignore
from redis.exceptions import RedisError

from shared.catalogue import stage_of
from workers.doors import StageFailed, open_doors
from workers.retries import AWAY
from workers.roster import Roster, connect
from workers.weights_names import weights_of

# Whoever takes the message meanwhile keeps it for so long: not so short that it circles all the time, nor long beside a segment's work.
BACK_SECONDS = 2.0

log = logging.getLogger(__name__)


def leave_others(task: Task, payload: Any, own: str) -> None:
    """Return if the segment is ours to look at; else give it back, or let its lesson rest if nobody has its weights.

    Args:
        task: which was called.
        payload: its message.
        own: the version of this process' weights.

    Raises:
        Retry: another worker has these weights, and the message goes back into the queue. Counts as no attempt.
        StageFailed: nobody has; the lesson rests and is planned anew, with the weights that its planner then wants.
        Ignore: a newer sending has made it vain.
    """
    version = payload.get("work_version") if isinstance(payload, Mapping) else None
    wanted = weights_of(version) if isinstance(version, str) else None
    if wanted in {None, own} or payload.get("kind") == "segment_skipped":
        return
    doors, lesson_id, generation = open_doors(), str(payload["lesson_id"]), int(payload.get("generation", 0))
    if not _somebody_has(wanted, doors.settings.redis_url):
        reason = (
            f"waits: no GPU worker has the weights {wanted}; start one, or set SMILEREEL_WEIGHTS of the CPU workers to another"
        )
        doors.ledger.sending.rest(lesson_id, generation, seconds=AWAY.before(1), reason=reason, counted=False)
        log.warning("lesson %s rests: no GPU worker has the weights %s", lesson_id, wanted)
        raise StageFailed(f"Lesson {lesson_id} rests: no worker has its weights.")
    if not doors.ledger.sending.renew(lesson_id, generation, BACK_SECONDS + doors.settings.lease_seconds):
        raise Ignore
    log.info("lesson %s: %s is left to a worker with the weights %s", lesson_id, stage_of(task.name), wanted)
    # Celery counts this as a try, of which the stage's own failures should have all.
    task.request.retries -= 1
    raise task.retry(exc=StageFailed(f"Lesson {lesson_id} has other weights."), countdown=BACK_SECONDS, throw=False)


def _somebody_has(weights: str | None, redis_url: str) -> bool:
    try:
        with connect(redis_url) as client:
            workers = Roster(client).workers()
    except (RedisError, OSError):
        return True  # Nobody knows: the message goes back as soon as Redis takes it.
    return any(worker.room == "gpu" and worker.weights == weights and not worker.draining for worker in workers)
