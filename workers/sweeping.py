"""Removes from the store what no lesson owns: work of lessons that have ended, outputs of other versions than the lesson's own.

Outputs of a lesson that the ledger does not know stay a while, unless it was erased: a ledger that was restored from a backup does not
know the lessons since, and they are going to be handed in again.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shared.duties import RECONCILER
from shared.ledger import Ledger
from shared.store import OUTPUTS, WORK, Store, lesson_output_key, lesson_work_key, output_key
from shared.told import Holding

# A file that is being written is younger than this.
TEMPORARY_SECONDS = 3600.0
LESSONS_AT_ONCE = 500
UNKNOWN_HOURS = 24.0
# Since when the sweep has seen outputs of lessons that the ledger does not know: a store tells nobody how old its objects are.
UNKNOWN = "sweep/unknown.json"
OF_A_REEL = {"reel.gif", "poster.jpg", "contact-sheet.jpg", "reel.json"}
OF_SECONDS = {"seconds.csv"}


@dataclass(frozen=True, slots=True)
class Swept:
    """How many places were removed, and what the work of open lessons takes."""

    removed: int
    work_bytes: int


def sweep(
    ledger: Ledger,
    store: Store,
    *,
    temporary_seconds: float = TEMPORARY_SECONDS,
    unknown_hours: float = UNKNOWN_HOURS,
    go_on: Callable[[], bool] = lambda: True,
) -> Swept:
    """Sweep once. A lesson's state is read before its keys are removed, so that one which is opened meanwhile may lose some of its
    work; it makes that again.

    Args:
        ledger: says what is owned.
        store: is swept.
        temporary_seconds: a file that is being written is younger than this.
        unknown_hours: how long outputs of lessons that the ledger does not know stay; their work goes at once, it is made again.
        go_on: asked now and then; False where somebody else sweeps by now.

    Raises:
        StoreError, LedgerAway: they cannot be used at the moment.
    """
    removed = store.sweep_temporaries(temporary_seconds)
    for lesson_ids in _chunks({key.split("/")[1] for key in store.keys(WORK)}):
        if not go_on():
            return Swept(removed, 0)
        owned = ledger.told.holdings(lesson_ids)
        for lesson_id in lesson_ids:
            if lesson_id not in owned or owned[lesson_id].ended:
                store.delete(lesson_work_key(lesson_id))
                removed += 1
    outputs: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for key in store.keys(OUTPUTS):
        _, lesson_id, version, name = key.split("/", 3)
        outputs[lesson_id][version].add(name)
    unknown = _Unknown(store, unknown_hours)
    for lesson_ids in _chunks(outputs):
        if not go_on():
            return Swept(removed, 0)
        owned, erased = ledger.told.holdings(lesson_ids), ledger.rights.are_erased(lesson_ids)
        for lesson_id in lesson_ids:
            if lesson_id in owned or lesson_id in erased or not unknown.stays(lesson_id):
                removed += _sweep_outputs(store, lesson_id, outputs[lesson_id], owned.get(lesson_id))
    unknown.close()
    swept = Swept(removed, store.bytes_used(WORK))
    ledger.duties.note(RECONCILER, work_bytes=swept.work_bytes)
    return swept


class _Unknown:
    """Lessons that have outputs and no row, with the time of the first sweep that saw them."""

    def __init__(self, store: Store, hours: float) -> None:
        self._store, self._now = store, datetime.now(UTC)
        self._longest = timedelta(hours=hours)
        self._known: dict[str, str] = json.loads(store.get(UNKNOWN)) if store.exists(UNKNOWN) else {}
        self._seen: dict[str, str] = {}

    def stays(self, lesson_id: str) -> bool:
        """Whether its time is not over yet; a clock that was set back begins anew."""
        since = min(self._known.get(lesson_id, ""), self._now.isoformat()) or self._now.isoformat()
        if self._now - datetime.fromisoformat(since) >= self._longest:
            return False
        self._seen[lesson_id] = since
        return True

    def close(self) -> None:
        """Write down who was seen, where that has changed."""
        if self._seen and self._seen != self._known:
            self._store.put(UNKNOWN, json.dumps(self._seen).encode())
        elif self._known and not self._seen:
            self._store.delete(UNKNOWN)


def _chunks(lesson_ids: Iterable[str]) -> Iterator[list[str]]:
    ordered = sorted(lesson_ids)
    for start in range(0, len(ordered), LESSONS_AT_ONCE):
        yield ordered[start : start + LESSONS_AT_ONCE]


def _sweep_outputs(store: Store, lesson_id: str, versions: Mapping[str, set[str]], holding: Holding | None) -> int:
    """Remove what the lesson does not own: whole versions, pictures that the family no longer agrees to, seconds whose time is over.

    Args:
        store: is swept.
        lesson_id: whose outputs they are.
        versions: the names that lie there, by version.
        holding: what the lesson owns; None where there is no such lesson.
    """
    removed = 0
    for version, names in sorted(versions.items()):
        if holding is None or (holding.ended and version not in holding.versions):
            store.delete(f"{lesson_output_key(lesson_id)}/{version}")
            removed += 1
            continue
        unwanted = set() if holding.reel_allowed else names & OF_A_REEL
        if not holding.seconds_kept:
            unwanted |= names & OF_SECONDS
        for name in unwanted:
            store.delete(output_key(lesson_id, version, name))
        removed += bool(unwanted)
    return removed
