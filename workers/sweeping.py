"""Removes from the store what no lesson owns: work of lessons that have ended, outputs of other versions than the lesson's own."""

from __future__ import annotations

from dataclasses import dataclass

from shared.duties import RECONCILER
from shared.ledger import Ledger, LessonRecord, LessonState
from shared.store import OUTPUTS, WORK, Store, lesson_output_key, lesson_work_key, output_key

# A file that is being written is younger than this.
TEMPORARY_SECONDS = 3600.0
PUBLISHED = {LessonState.DONE, LessonState.NO_REEL}
OF_A_REEL = ("reel.gif", "poster.jpg", "contact-sheet.jpg", "reel.json")


@dataclass(frozen=True, slots=True)
class Swept:
    """How many places were removed, and what the work of open lessons takes."""

    removed: int
    work_bytes: int


def sweep(ledger: Ledger, store: Store, *, temporary_seconds: float = TEMPORARY_SECONDS) -> Swept:
    """Sweep once. A lesson's state is read before its keys are removed, so that one which is opened meanwhile may lose some of its
    work; it makes that again.

    Raises:
        StoreError, LedgerAway: they cannot be used at the moment.
    """
    removed = store.sweep_temporaries(temporary_seconds)
    for lesson_id in sorted({key.split("/")[1] for key in store.keys(WORK)}):
        record = ledger.read(lesson_id)
        if record is None or record.state.final:
            store.delete(lesson_work_key(lesson_id))
            removed += 1
    for lesson_id, version in sorted({(key.split("/")[1], key.split("/")[2]) for key in store.keys(OUTPUTS)}):
        record = ledger.read(lesson_id)
        if record is None or (record.state.final and version not in _kept(ledger, record)):
            store.delete(f"{lesson_output_key(lesson_id)}/{version}")
            removed += 1
        elif record.state.final and not record.consent.reel:
            removed += _delete_reel(store, lesson_id, version)
    swept = Swept(removed, store.bytes_used(WORK))
    ledger.duties.note(RECONCILER, work_bytes=swept.work_bytes)
    return swept


def _kept(ledger: Ledger, record: LessonRecord) -> set[str]:
    """Versions whose outputs stay: the published one, and one whose reel is shown until there is a newer."""
    published = {record.work_version} if record.state in PUBLISHED and record.work_version else set()
    return published | ledger.told.reel_versions(record.lesson_id)


def _delete_reel(store: Store, lesson_id: str, version: str) -> int:
    """The family no longer agrees to a reel: its pictures go, the lesson's record stays."""
    gone = 0
    for name in OF_A_REEL:
        key = output_key(lesson_id, version, name)
        if store.exists(key):
            store.delete(key)
            gone = 1
    return gone
