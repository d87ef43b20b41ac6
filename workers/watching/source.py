"""Something that is read for metrics and may be slow, frozen or away: the answer never waits longer for it than its patience."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Look(Generic[T]):
    """What the last reading brought: None where the source is away; `seconds` is what the reading took."""

    facts: T | None
    seconds: float


class Source(Generic[T]):
    """Reads in a thread of its own, one reading at a time; safe to use from several threads.

    Args:
        name: for the log.
        read: brings the facts or raises.
        away: what `read` raises where the source cannot be used at the moment.
        patience_seconds: a look waits for a reading no longer.
        keep_seconds: facts younger than this are not read anew.
    """

    def __init__(
        self,
        name: str,
        read: Callable[[], T],
        away: tuple[type[Exception], ...],
        *,
        patience_seconds: float,
        keep_seconds: float,
    ) -> None:
        self._name, self._read, self._away = name, read, away
        self._patience_seconds, self._keep_seconds = patience_seconds, keep_seconds
        self._lock = threading.Lock()
        self._look: Look[T] = Look(None, 0.0)
        self._read_at = float("-inf")
        self._done: threading.Event | None = None
        self._was_away = False

    def look(self) -> Look[T]:
        """The facts, none older than `keep_seconds`; without any where the reading failed or has not ended in time."""
        with self._lock:
            if time.monotonic() - self._read_at < self._keep_seconds:
                return self._look
            if self._done is None:
                self._done = threading.Event()
                threading.Thread(target=self._run, args=(self._done,), daemon=True, name=f"reads {self._name}").start()
            done = self._done
        if done.wait(self._patience_seconds):
            with self._lock:
                return self._look
        return Look(None, self._patience_seconds)

    def _run(self, done: threading.Event) -> None:
        started = time.monotonic()
        facts: T | None = None
        try:
            facts = self._read()
        except self._away as error:
            if not self._was_away:
                log.warning("%s cannot be used: %s", self._name, type(error).__name__)
        except Exception:
            log.exception("%s could not be read", self._name)
        with self._lock:
            self._look = Look(facts, time.monotonic() - started)
            self._read_at, self._was_away, self._done = time.monotonic(), facts is None, None
        done.set()
