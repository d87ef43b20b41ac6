"""Brings ledger, store and Redis together again after the ledger's database was restored from a backup. Called by `smilereel restored`."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from sqlalchemy import select, update

from shared.ledger import Ledger
from shared.retention import ALL, NOTHING, REEL
from shared.settings import Settings
from shared.states import OPEN_STATES, PUBLISH, LessonState
from shared.store import OUTPUTS, Store
from shared.tables import LessonRow
from workers.keeping import tell_again

# More sendings than a lesson can have had since the backup: no message that still waits anywhere is taken for a newer one.
GENERATIONS = 1000
LESSONS_AT_ONCE, MOST_LESSONS = 500, 2**31 - 1


@dataclass(frozen=True, slots=True)
class Restored:
    """What was done, or would be; lists of lessons' ids.

    Attributes:
        erased: erased since the backup, and now again.
        consents: the family had changed its consent since; changed again.
        pending: the same of lessons that the ledger does not know; changed as soon as they are handed in again.
        open: in work by the backup; sent again, however far they had come.
        reopened: ended by the backup, but their outputs are not in the store; processed again.
        unknown: outputs in the store of lessons that the ledger does not know; to be handed in again.
    """

    erased: tuple[str, ...]
    consents: tuple[str, ...]
    pending: tuple[str, ...]
    open: tuple[str, ...]
    reopened: tuple[str, ...]
    unknown: tuple[str, ...]


def restore(ledger: Ledger, store: Store, settings: Settings, *, dry_run: bool = False) -> Restored:
    """Do all that a restored ledger needs; doing it twice does no harm. No worker and no web page may run meanwhile.

    Args:
        ledger: of the restored database.
        store: as it was left, of now.
        settings: the workers' own, for how long what is kept.
        dry_run: change nothing.

    Raises:
        StoreError, LedgerAway: they cannot be used at the moment; do it again.
    """
    told = tell_again(ledger, store, dry_run=dry_run)
    in_store = _outputs(store)
    missing = _missing(ledger, in_store) - _purged(ledger, settings) - set(told.erased)
    reopened = [lesson_id for lesson_id in sorted(missing) if dry_run or ledger.reopen(lesson_id)]
    unknown = _unknown(ledger, set(in_store)) - set(told.erased)
    opened = [lesson_id for lesson_id in _send_anew(ledger, dry_run=dry_run) if lesson_id not in {*told.erased, *reopened}]
    return Restored(told.erased, told.consents, told.pending, tuple(opened), tuple(reopened), tuple(sorted(unknown)))


def _purged(ledger: Ledger, settings: Settings) -> set[str]:
    """Lessons whose time is over: their files may have been purged since the backup, and the workers purge their rows again."""
    reels = ledger.retention.due((ALL, REEL), settings.retention_reel_days, MOST_LESSONS)
    return {*reels, *ledger.retention.due((ALL, REEL), settings.retention_ledger_days, MOST_LESSONS)}


def _outputs(store: Store) -> dict[str, set[str]]:
    """What lies in the store of each lesson, as `version/name`."""
    found: dict[str, set[str]] = defaultdict(set)
    for key in store.keys(OUTPUTS):
        _, lesson_id, rest = key.split("/", 2)
        found[lesson_id].add(rest)
    return found


def _missing(ledger: Ledger, in_store: dict[str, set[str]]) -> set[str]:
    """Ended lessons whose record or reel is not in the store, as after a later version of them took its place."""
    columns = (LessonRow.lesson_id, LessonRow.state, LessonRow.work_version, LessonRow.consent_reel)
    query = select(*columns).where(LessonRow.state.in_(PUBLISH.enters), LessonRow.keeps != NOTHING)
    with ledger.database.reading() as session:
        ended = session.execute(query).all()
    missing = set()
    for lesson_id, state, version, reel_allowed in ended:
        needed = {f"{version}/lesson.json"}
        if state == LessonState.DONE and reel_allowed:
            needed |= {f"{version}/reel.gif", f"{version}/poster.jpg"}
        if not needed <= in_store.get(lesson_id, set()):
            missing.add(lesson_id)
    return missing


def _unknown(ledger: Ledger, lesson_ids: set[str]) -> set[str]:
    ordered, unknown = sorted(lesson_ids), set(lesson_ids)
    for start in range(0, len(ordered), LESSONS_AT_ONCE):
        some = ordered[start : start + LESSONS_AT_ONCE]
        unknown -= set(ledger.told.holdings(some)) | ledger.rights.are_erased(some)
    return unknown


def _send_anew(ledger: Ledger, *, dry_run: bool) -> list[str]:
    """Let the reconciler send every open lesson, under a generation that no message of before the restore can have."""
    with ledger.database.transaction() as session:
        opened = list(session.scalars(select(LessonRow.lesson_id).where(LessonRow.state.in_(OPEN_STATES))))
        if not dry_run:
            values = {"generation": LessonRow.generation + GENERATIONS, "attempts": 0, "lease_until": None}
            session.execute(update(LessonRow).where(LessonRow.state.in_(OPEN_STATES)).values(**values))
    return sorted(opened)
