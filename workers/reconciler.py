"""Looks after the whole: sends again what nobody works on, sets aside what has no attempts left, and asks for the store to be swept
and the webhook to be told.

One process at a time does it (`ledger.duties`), every few seconds: beat's task or a CPU worker's own timer (`reconciling.py`).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import time
from typing import Any
from uuid import uuid4

from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from shared.catalogue import CPU_QUEUE, LESSON_HEADER, QUEUES, SWEEP
from shared.duties import RECONCILER
from shared.ledger import Ledger, LessonState
from shared.sender import plan_sender
from shared.settings import Settings
from workers import delivering

# Lives as long as what Redis holds: where it is missing, all messages are gone with it.
EPOCH_KEY = "smilereel:epoch"
MESSAGES_AT_ONCE = 500
# So many ticks may pass before somebody else takes the duty over.
DUTY_TICKS = 3
REDIS_IS_AWAY = (OperationalError, RedisError, OSError)

log = logging.getLogger(__name__)


@dataclass
class Reconciler:
    """One process's claim to the duty.

    Args:
        settings: paces and limits.
        ledger: the truth.
        app: the Celery app whose broker carries the messages.
    """

    settings: Settings
    ledger: Ledger
    app: Celery
    holder: str = field(default_factory=lambda: uuid4().hex)
    _redis_away: bool = field(default=False, init=False)

    def tick(self) -> int:
        """Do what is due; how many lessons were sent.

        Raises:
            LedgerAway: the database is; the next tick tries again.
        """
        if not self.ledger.duties.hold(RECONCILER, self.holder, max(DUTY_TICKS * self.settings.reconcile_seconds, 2.0)):
            return 0
        self._set_aside()
        return self._send()

    def _set_aside(self) -> None:
        for lesson_id, reason in self.ledger.sending.spent(self.settings.lesson_attempts):
            text = f"sent {self.settings.lesson_attempts} times without any progress; last: {reason or 'its workers died or lost it'}"
            if self.ledger.finish(lesson_id, LessonState.QUARANTINED, text, most_attempts=self.settings.lesson_attempts):
                # The reason may name a recording, so it stays in the ledger.
                log.error("lesson %s quarantined; `smilereel quarantine` says why", lesson_id)

    def _send(self) -> int:
        try:
            with self._redis() as (connection, redis):
                if self._sweep_is_due():
                    self._ask_for_sweep(connection)
                    self._forgo_webhook()
                delivering.ask(self.settings, self.ledger, self.app, connection)
                lost = self._look_for_loss(redis)
                stalled = self.ledger.sending.stalled()
                fresh, bulk = self.ledger.sending.places_by_kind()
                free = self.settings.lessons_in_work - fresh - bulk
                room = free > 0 and self.ledger.duties.room_for_work(self.settings.store_max_bytes)
                waiting = self.ledger.sending.waiting(free, max(self.settings.bulk_places - bulk, 0)) if room else []
                if stalled or waiting:
                    queued = queued_lessons(redis)
                    self.ledger.sending.renew_waiting(queued.intersection([*stalled, *waiting]), self.settings.lease_seconds)
                    stalled = [lesson_id for lesson_id in stalled if lesson_id not in queued]
                    waiting = [lesson_id for lesson_id in waiting if lesson_id not in queued]
            sent = self._send_all([*stalled, *waiting], counted=not lost)
        except REDIS_IS_AWAY as error:
            if not self._redis_away:
                log.warning("Redis cannot be used (%s); lessons are sent again when it can", _kind(error))
            self._redis_away = True
            return 0
        self._redis_away = False
        return sent

    def _send_all(self, lesson_ids: list[str], *, counted: bool) -> int:
        lease, most, n_sent = self.settings.lease_seconds, self.settings.lesson_attempts, 0
        with plan_sender(self.settings.redis_url) as send:
            for lesson_id in lesson_ids:
                sent = self.ledger.sending.take(lesson_id, lease_seconds=lease, most_attempts=most, counted=counted)
                if sent is None:
                    continue
                if not send(sent):
                    self.ledger.sending.not_sent(sent)
                    break
                n_sent += 1
                log.info("lesson %s sent, generation %d", sent.lesson_id, sent.generation)
        return n_sent

    def _look_for_loss(self, redis: Any) -> bool:
        """Whether Redis is another one, or emptier, than the one that the ledger remembers."""
        redis.set(EPOCH_KEY, uuid4().hex, nx=True)
        epoch = redis.get(EPOCH_KEY).decode()
        duty = self.ledger.duties.read(RECONCILER)
        known = duty.note.get("epoch") if duty else None
        if epoch == known:
            return False
        n_lessons = self.ledger.sending.everything_lost() if known else 0
        self.ledger.duties.note(RECONCILER, epoch=epoch)
        if known:
            self.ledger.duties.drop(delivering.DUTY)  # whoever was asked never hears of it
        if n_lessons:
            log.warning("Redis holds none of the messages of %d lessons; they are sent again", n_lessons)
        return known is not None

    @contextmanager
    def _redis(self) -> Iterator[tuple[Any, Any]]:
        with self.app.connection_for_write(self.settings.redis_url) as connection:
            connection.ensure_connection(max_retries=1, timeout=2)
            yield connection, connection.default_channel.client

    def _sweep_is_due(self) -> bool:
        """Whoever asked last; where a clock was set back, it is."""
        duty = self.ledger.duties.read(RECONCILER)
        asked_at = duty.note.get("sweep_asked_at", 0.0) if duty else 0.0
        return not 0 <= time() - asked_at < self.settings.sweep_seconds

    def _ask_for_sweep(self, connection: Any) -> None:
        """As a task: it is in no hurry, and S3's client must not be touched in a process that forks others."""
        seconds = self.settings.sweep_seconds
        self.app.send_task(SWEEP, queue=CPU_QUEUE, expires=seconds, ignore_result=True, retry=False, connection=connection)
        self.ledger.duties.note(RECONCILER, sweep_asked_at=time())

    def _forgo_webhook(self) -> None:
        """Without a webhook nobody is told; one that is set later should not be told of years."""
        if not self.settings.webhook_url:
            self.ledger.deliveries.forgo(delivering.FORGO_SECONDS)


def _kind(error: BaseException) -> str:
    """What Redis said, in whatever kombu has wrapped it."""
    while error.__cause__ is not None:
        error = error.__cause__
    return type(error).__name__


def queued_lessons(redis: Any) -> set[str]:
    """Ids of the lessons of which a message waits in a queue, for nobody to have taken it yet."""
    found: set[str] = set()
    for queue in QUEUES:
        start = 0
        while items := redis.lrange(queue, start, start + MESSAGES_AT_ONCE - 1):
            for item in items:
                lesson_id = json.loads(item).get("headers", {}).get(LESSON_HEADER)
                if lesson_id:
                    found.add(lesson_id)
            start += MESSAGES_AT_ONCE
    return found
