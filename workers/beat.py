"""`celery -A workers.app beat --scheduler workers.beat:OneBeat`: the app's schedule, sent by one beat at a time, kept in no file.

Which beat has the duty stands in the ledger; a second one says so and ends, and takes over where the first has died.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from uuid import uuid4

from celery.beat import ScheduleEntry, Scheduler, SchedulingError
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError
from sqlalchemy import NullPool

from shared.errors import LedgerAway, ServiceError
from shared.ledger import Ledger, open_ledger
from shared.settings import load_settings
from workers import alive, preflight
from workers.doctor.fleet import BEAT

# So often it says that it is alive, whatever the schedule.
TICK_SECONDS = 5.0
# So many ticks may pass before another takes the duty over.
DUTY_TICKS = 3
SHORTEST_LEASE_SECONDS = 2.0
LOOK_SECONDS = 0.2
REDIS_IS_AWAY = (OperationalError, RedisError, OSError)

log = logging.getLogger(__name__)


class AnotherBeat(ServiceError):
    """Another beat has the duty."""


@dataclass
class Claim:
    """This process's claim to the duty; a ledger that is away neither gives nor takes it."""

    ledger: Ledger
    lease_seconds: float
    holder: str = field(default_factory=lambda: uuid4().hex)
    _renew_at: float = field(default=0.0, init=False)
    _away: bool = field(default=False, init=False)
    _busy: bool = field(default=False, init=False)

    def take(self) -> None:
        """Take the duty; where another beat has it, wait whether that is alive.

        Raises:
            AnotherBeat: it is: it has renewed its lease meanwhile.
        """
        if self.keep():
            return
        seen, deadline = self._lease(), time.monotonic() + self.lease_seconds + 2 * LOOK_SECONDS
        while time.monotonic() < deadline and self._lease() == seen:
            time.sleep(LOOK_SECONDS)
            if self.keep(now=True):
                return
        raise AnotherBeat("Another beat runs already, and one is enough; stop it first, or leave this one out.")

    def keep(self, *, now: bool = False) -> bool:
        """Hold the duty, now or when it is time to; False where another has it."""
        if not now and time.monotonic() < self._renew_at:
            return True
        self._busy = True
        try:
            held = self.ledger.duties.hold(BEAT, self.holder, self.lease_seconds)
        except LedgerAway as error:
            if not self._away:
                log.warning("beat goes on without its duty: %s", error.message)
            self._away = held = True
        else:
            self._away = False
        finally:
            self._busy = False
        self._renew_at = time.monotonic() + self.lease_seconds / (2 * DUTY_TICKS) if held else 0.0
        return held

    def give_back(self) -> None:
        """Let another beat have it at once, where it is ours; a signal's handler may call this in the midst of `keep`."""
        if self._busy:
            return  # Celery calls again, once the transaction is over.
        try:
            self.ledger.duties.hold(BEAT, self.holder, 0.0)
        except ServiceError:
            return  # It runs out by itself.

    def _lease(self) -> object:
        try:
            duty = self.ledger.duties.read(BEAT)
        except LedgerAway:
            return None
        return duty and (duty.holder, duty.lease_until)


@cache
def _claim(lease_seconds: float) -> Claim:
    """This process's; Celery makes one scheduler for its banner and another to run."""
    settings = load_settings()
    preflight.require(BEAT, settings)
    ledger = open_ledger(settings.database_url, poolclass=NullPool)
    try:
        ledger.prepare()
    except LedgerAway:
        log.warning("beat starts without the ledger, which is away")
    claim = Claim(ledger, lease_seconds)
    claim.take()
    return claim


class OneBeat(Scheduler):  # type: ignore[misc]  # celery has no types
    """Celery's scheduler in memory, for entries that come round every few seconds."""

    max_interval = TICK_SECONDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.max_interval = min(self.max_interval, TICK_SECONDS)
        self._redis_away = False
        self._untold = True
        try:
            self._claim = _claim(max(DUTY_TICKS * self.max_interval, SHORTEST_LEASE_SECONDS))
        except ServiceError as error:
            _complain(error.message)
            raise SystemExit(1) from None

    def setup_schedule(self) -> None:
        """Whoever cannot be reached is asked again at the next tick, and not for seconds at this one."""
        super().setup_schedule()
        for entry in self.schedule.values():
            entry.options = {**entry.options, "retry": False}

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what is due; seconds until the next."""
        self._say_alive()
        if not self._claim.keep():
            _complain("Another beat has taken over while this one stood still; this one ends.")
            logging.shutdown()
            # Celery would make an exit with code 0 of it.
            os._exit(1)
        if not self._connected():
            return min(self.max_interval, SHORTEST_LEASE_SECONDS)
        return min(float(super().tick(*args, **kwargs)), self.max_interval)

    def apply_entry(self, entry: ScheduleEntry, producer: Any = None) -> None:
        """Send one; Celery's own way logs a line each time, and a stack where Redis is away."""
        try:
            self.apply_async(entry, producer=producer, advance=False)
        except SchedulingError as error:
            self._tell_away(error.__cause__ or error.__context__ or error)
        else:
            self._redis_away = False

    def close(self) -> None:
        """Called at the end, by a signal's handler too."""
        self._claim.give_back()
        super().close()

    def _say_alive(self) -> None:
        try:
            alive.touch()
        except OSError as error:
            if self._untold:
                log.warning("the file of SMILEREEL_ALIVE_FILE cannot be written (%s)", error.strerror)
            self._untold = False

    def _connected(self) -> bool:
        try:
            return self.producer is not None
        except REDIS_IS_AWAY as error:
            self._tell_away(error)
            return False

    def _ensure_connected(self) -> Any:
        return self.connection.ensure_connection(max_retries=1, interval_start=0, timeout=2)

    def _tell_away(self, error: BaseException) -> None:
        if not self._redis_away:
            log.warning("Redis cannot be used (%s); beat goes on when it can", type(error).__name__)
        self._redis_away = True


def _complain(message: str) -> None:
    print(f"smilereel: {message}", file=sys.stderr, flush=True)  # noqa: T201
