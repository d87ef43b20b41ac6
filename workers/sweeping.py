"""Removes from the store what no lesson owns: work of lessons that have ended, outputs of other versions than the lesson's own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from shared.duties import RECONCILER
from shared.ledger import Ledger
from shared.store import OUTPUTS, WORK, Store, lesson_output_key, lesson_work_key, output_key
from shared.told import Holding

# A file that is being written is younger than this.
TEMPORARY_SECONDS = 3600.0
LESSONS_AT_ONCE = 500
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
    go_on: Callable[[], bool] = lambda: True,
) -> Swept:
    """Sweep once. A lesson's state is read before its keys are removed, so that one which is opened meanwhile may lose some of its
    work; it makes that again.

    Args:
        ledger: says what is owned.
        store: is swept.
        temporary_seconds: a file that is being written is younger than this.
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
    for lesson_ids in _chunks(outputs):
        if not go_on():
            return Swept(removed, 0)
        owned = ledger.told.holdings(lesson_ids)
        removed += sum(_sweep_outputs(store, lesson_id, outputs[lesson_id], owned.get(lesson_id)) for lesson_id in lesson_ids)
    swept = Swept(removed, store.bytes_used(WORK))
    ledger.duties.note(RECONCILER, work_bytes=swept.work_bytes)
    return swept


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
