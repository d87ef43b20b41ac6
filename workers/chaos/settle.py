"""Waits for a fault run's end: the faults' heap while lessons come, then the quiet until all has ended. Called by `run.py`."""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

import redis

from workers import interruption
from workers.chaos.checker import OPEN, judge
from workers.chaos.cluster import Cluster
from workers.chaos.evidence import Evidence, keys_without_expiry, read_receipts, read_tables, waiting_messages
from workers.chaos.faults import Faults, NothingToHit, Undo
from workers.chaos.plan import POISON, Fault, Film, Plan

TICK_SECONDS = 0.05
LATER_SECONDS = 0.4
SETTLE_SECONDS = 120.0
LOOK_SECONDS = 1.0


class Timetable:
    """Does the plan's faults at their seconds and ends those that last; `done` are those that were really done."""

    def __init__(self, plan: Plan, faults: Faults, began: float, tell: Callable[..., None]) -> None:
        self._plan, self._faults, self._began, self._tell = plan, faults, began, tell
        self._order = itertools.count()
        self._due: list[tuple[float, int, Fault | Undo]] = []
        # A poison lesson is a fault that the clients bring.
        self.done = [fault for fault in plan.faults if fault.kind == POISON]
        for fault in plan.faults:
            if fault.kind != POISON:
                self._later(fault.second, fault)

    @property
    def second(self) -> float:
        """Of the run, now."""
        return time.monotonic() - self._began

    def do_what_is_due(self) -> None:
        """Call it many times a second."""
        self._faults.keep_full()
        while self._due and self._due[0][0] <= self.second:
            what = heapq.heappop(self._due)[2]
            if isinstance(what, Fault):
                self._begin(what)
            else:
                what()

    def heal(self) -> None:
        """End what still goes on, and drop what could not be done."""
        for _, _, what in sorted(self._due, key=lambda item: item[:2]):
            if isinstance(what, Fault):
                self._tell(fault="not done", kind=what.kind, role=what.role, planned=what.second)
            else:
                what()

    def _begin(self, fault: Fault) -> None:
        second = self.second
        try:
            undo = self._faults.begin(fault)
        except NothingToHit:
            # It keeps trying until the end of the run: a plan's fault is left out only where there is no time any more.
            self._later(second + LATER_SECONDS, fault)
            return
        self.done.append(fault)
        self._tell(fault="done", kind=fault.kind, role=fault.role, planned=fault.second, second=round(second, 1))
        if undo is not None:
            self._later(second + fault.lasts_seconds, undo)

    def _later(self, second: float, what: Fault | Undo) -> None:
        heapq.heappush(self._due, (second, next(self._order), what))


def run_faults(plan: Plan, cluster: Cluster, faults: Faults, began: float, tell: Callable[..., None]) -> list[Fault]:
    """Let the faults happen until the run's time is over, then undo what still goes on; those that were done."""
    timetable = Timetable(plan, faults, began, tell)
    while timetable.second < plan.seconds:
        interruption.check()
        cluster.keep_running()
        timetable.do_what_is_due()
        time.sleep(TICK_SECONDS)
    timetable.heal()
    return timetable.done


def settle(cluster: Cluster, address: str, films: Mapping[str, Film], tell: Callable[..., None]) -> float:
    """Wait until every accepted lesson has ended and what the dead left is swept, at most 120 seconds; how long it took."""
    started = looked = time.monotonic()
    while time.monotonic() - started < SETTLE_SECONDS:
        interruption.check()
        cluster.keep_running()
        time.sleep(TICK_SECONDS)
        if time.monotonic() - looked < LOOK_SECONDS:
            continue
        looked = time.monotonic()
        clients_done = all(part.pid is None for part in cluster.clients)
        with suppress(Exception):  # the database may be coming up again
            evidence = gather(cluster, address, with_keys=clients_done)
            ended = {row.lesson_id for row in evidence.lessons if row.state not in OPEN}
            if clients_done and ended.issuperset(films) and not judge(evidence, films).orphans and _queues_empty(cluster):
                break
    taken = time.monotonic() - started
    tell(settled_seconds=round(taken, 1))
    return taken


def gather(cluster: Cluster, address: str, *, with_keys: bool) -> Evidence:
    """All evidence as it is now.

    Raises:
        Exception: the database or Valkey does not answer.
    """
    receipts = read_receipts(cluster.receipts(number) for number in range(len(cluster.clients)))
    lessons, reels, events = read_tables(address)
    keys: list[str] = []
    if with_keys:
        with _valkey(cluster) as client:
            keys = keys_without_expiry(client, {row.lesson_id for row in lessons})
    return Evidence(receipts, lessons, reels, events, cluster.places.store, keys)


def _queues_empty(cluster: Cluster) -> bool:
    with _valkey(cluster) as client:
        return waiting_messages(client) == 0


def _valkey(cluster: Cluster) -> redis.Redis:
    return redis.Redis(unix_socket_path=str(cluster.places.socket), socket_timeout=5)
