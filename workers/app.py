"""The Celery app of both rooms. A worker loads its own room only: `celery -A workers.app worker -I workers.cpu.tasks -Q cpu`."""

from __future__ import annotations

import sys
from typing import Any

from celery import Celery
from celery.signals import before_task_publish
from kombu import Queue

from shared.catalogue import CPU_QUEUE, LESSON_HEADER, QUEUES, RECONCILE, ROUTES, SEGMENT_TASKS
from workers import heartbeat, leaving, logs, preflight
from workers.pipeline import lesson_of

__all__ = ["app", "leaving", "logs", "name_lesson", "preflight"]

_SETTINGS = preflight.settings_for(sys.argv[0])

# A segment takes seconds; what takes this long is stuck. A plan may have to read hours of recordings.
SEGMENT_SECONDS = 600
TASK_SECONDS = 1800

app = Celery("smilereel", broker=_SETTINGS.redis_url, backend=_SETTINGS.redis_url)
app.conf.update(
    task_routes=ROUTES,
    # Named, so that Flower shows all; a worker takes its room's by -Q.
    task_queues=tuple(Queue(name) for name in QUEUES),
    task_default_queue=CPU_QUEUE,
    task_serializer="json",
    result_serializer="json",
    accept_content=["json"],
    result_accept_content=["json"],
    # A chord whose parts were sent again leaves its counters behind for so long.
    result_expires=3600,
    # A task is done when it is done, not when it was fetched; a killed child hands its task back.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_acks_on_failure_or_timeout=True,
    worker_prefetch_multiplier=1,
    task_track_started=True,
    task_time_limit=TASK_SECONDS,
    task_soft_time_limit=TASK_SECONDS - 60,
    task_annotations={name: {"time_limit": SEGMENT_SECONDS, "soft_time_limit": SEGMENT_SECONDS - 30} for name in SEGMENT_TASKS},
    broker_connection_retry_on_startup=True,
    broker_transport_options={
        # Fresh lessons and bulk in turn, as long as both wait.
        "queue_order_strategy": "round_robin",
        "visibility_timeout": 2 * TASK_SECONDS,
        "unacked_restore_interval": 2,
        "unacked_restore_throttle": 1,
    },
    result_backend_transport_options={"visibility_timeout": 2 * TASK_SECONDS},
    worker_cancel_long_running_tasks_on_connection_loss=False,
    # Loading models in a child takes longer than the 4 seconds that Celery would wait.
    worker_proc_alive_timeout=_SETTINGS.warm_up_seconds,
    worker_send_task_events=True,
    task_send_sent_event=True,
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
    # One that comes late has been overtaken by the next.
    beat_schedule={
        "reconcile": {
            "task": RECONCILE,
            "schedule": _SETTINGS.reconcile_seconds,
            "options": {"expires": _SETTINGS.reconcile_seconds, "ignore_result": True},
        }
    },
)
heartbeat.install(app)


@before_task_publish.connect  # type: ignore[untyped-decorator]
def name_lesson(headers: dict[str, Any] | None = None, body: Any = None, **_: object) -> None:
    """Write whose message it is where the reconciler can read it without knowing the task."""
    if headers is not None and isinstance(body, tuple) and len(body) >= 2 and (lesson_id := lesson_of(body[0], body[1])):
        headers[LESSON_HEADER] = lesson_id
