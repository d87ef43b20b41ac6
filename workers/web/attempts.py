"""Log-ins that failed, by address: who fails too often waits. In memory; the log-in asks."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from ipaddress import IPv6Address, ip_network

from .options import parsed_address

MOST_FAILURES = 5
WINDOW_SECONDS = 15 * 60.0
MOST_ADDRESSES = 10_000


class Attempts:
    """Counts failures; safe to use from several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def begin(self, address: str | None) -> float:
        """Count an attempt as failed until `succeeded` says otherwise; 0, or the seconds to wait where there were too many.

        It counts before the password is looked at, so that a hundred attempts at once are not a hundred tries.
        """
        name, now = _neighbourhood(address), self._clock()
        with self._lock:
            failures = self._failures.setdefault(name, deque())
            self._failures.move_to_end(name)
            while failures and failures[0] <= now - WINDOW_SECONDS:
                failures.popleft()
            if len(failures) >= MOST_FAILURES:
                return failures[0] + WINDOW_SECONDS - now
            failures.append(now)
            while len(self._failures) > MOST_ADDRESSES:
                self._failures.popitem(last=False)
            return 0.0

    def succeeded(self, address: str | None) -> None:
        """The attempt was none of a guesser."""
        with self._lock:
            self._failures.pop(_neighbourhood(address), None)


def _neighbourhood(address: str | None) -> str:
    """Who has one address of IPv6 has all of its /64."""
    parsed = parsed_address(address)
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, 64), strict=False))
    return str(parsed)
