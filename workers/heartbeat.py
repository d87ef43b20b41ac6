"""Every other second a worker that can take work says so: in the roster, and by its alive file. Loaded by `app.py`.

A step of Celery's consumer: its timer runs in the worker's event loop and only while it is connected, so that a worker which has
lost its loop, its Redis or its way back to it falls silent. Celery's own signal would also be sent while nothing is consumed, and
falls silent where somebody switches events off.
"""

from __future__ import annotations

import logging
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from celery import Celery, bootsteps
from celery.worker import state
from redis.exceptions import RedisError

from shared.catalogue import DETECT_FACES, LESSON_HEADER, stage_of
from shared.settings import load_settings
from workers import alive, children, leaving
from workers.roster import Roster, WorkerEntry, connect

BEAT_SECONDS = 2.0

log = logging.getLogger(__name__)


class Heartbeat(bootsteps.StartStopStep):  # type: ignore[misc]
    """Beats from the moment on in which the worker consumes."""

    requires = {"celery.worker.consumer.tasks:Tasks"}  # noqa: RUF012  (Celery's own name for it)

    def __init__(self, consumer: Any, **options: Any) -> None:
        self._timer: Any = None
        self._silent = False
        self._started_at: float | None = None
        self._roster: Roster | None = None
        super().__init__(consumer, **options)

    def start(self, consumer: Any) -> None:
        self._roster = self._roster or Roster(connect(load_settings().redis_url))
        self._beat(consumer)
        self._timer = consumer.timer.call_repeatedly(BEAT_SECONDS, self._beat, (consumer,))

    def stop(self, _consumer: Any) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def shutdown(self, consumer: Any) -> None:
        """The worker leaves: nobody should wait a minute to see that."""
        self.stop(consumer)
        if self._roster is not None:
            try:
                self._roster.remove([consumer.hostname])
            except RedisError:
                return  # it goes stale by itself

    def _beat(self, consumer: Any) -> None:
        assert self._roster is not None  # noqa: S101  (made in start)
        try:
            if self._started_at is None:
                self._roster.remove_stale()
                self._started_at = self._roster.now()
            self._roster.write(self._entry(consumer, self._started_at, self._roster.now()))
            alive.touch()
        except (RedisError, OSError) as error:
            if not self._silent:
                log.warning("the worker's heartbeat fails: %s", type(error).__name__)
            self._silent = True
            return
        self._silent = False

    @staticmethod
    def _entry(consumer: Any, started_at: float, seen_at: float) -> WorkerEntry:
        warm = children.warm_children()
        return WorkerEntry(
            node=consumer.hostname,
            room="gpu" if DETECT_FACES in consumer.app.tasks else "cpu",
            release=_release(),
            device=warm[0].device if warm else None,
            weights=warm[0].weights if warm else None,
            concurrency=consumer.controller.concurrency,
            model_load_seconds=max((one.load_seconds for one in warm), default=None),
            warm_seconds=max((one.warm_seconds for one in warm), default=None),
            started_at=started_at,
            seen_at=seen_at,
            draining=leaving.is_draining(),
            doing=tuple(sorted(_told(request) for request in state.active_requests)),
        )


def _told(request: Any) -> str:
    """A task in hand as its stage and its lesson's id."""
    lesson_id = (request.request_dict or {}).get(LESSON_HEADER)
    return f"{stage_of(request.name)} {lesson_id}" if lesson_id else stage_of(request.name)


def _release() -> str:
    try:
        return version("smilereel")
    except PackageNotFoundError:
        return "unknown"


def install(app: Celery) -> None:
    """Let workers of this app beat."""
    app.steps["consumer"].add(Heartbeat)
