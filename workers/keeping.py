"""Keeps erasures and changed consent in the store as well, so that a ledger restored from a backup can be told of them again.

Called by the sweep. A ledger that is older than the marks was set back: it is told at once, and not only when somebody runs
`smilereel restored`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from shared.accepting import consent_of
from shared.ledger import Ledger
from shared.marks import ConsentMark, mark_consent, mark_erased, newest, prune_marks, read_marks, set_newest
from shared.store import Store
from shared.tables import LessonRow
from shared.told_tables import AuditRow, TombstoneRow

ACTOR = "restored"
# The ledger's own notes: up to when it was looked through, the last writing of marks, consents whose lesson it does not know.
DUTY = "marks"
SINCE, NEWEST, PENDING = "since", "newest", "pending"
# A transaction that takes longer to commit what it has dated is missed.
OVERLAP_SECONDS = 300.0
AT_ONCE = 500
# The first time, in a ledger that has erased for years, it takes a few sweeps.
MOST_MARKS = 5000

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Told:
    """What a ledger was told again from the marks: lessons erased, consents changed, consents whose lesson it does not know yet."""

    erased: tuple[str, ...]
    consents: tuple[str, ...]
    pending: tuple[str, ...]


def keep_marks(ledger: Ledger, store: Store, *, keep_days: float = 0) -> Told | None:
    """Write the marks of what has happened since the last call; first tell the ledger all of them, if it is older than they are.

    Args:
        ledger: is looked through, and told if it was set back.
        store: holds the marks.
        keep_days: marks of older days are removed; 0: none.

    Returns:
        what the ledger was told, None where it was not set back.

    Raises:
        StoreError, LedgerAway: they cannot be used at the moment.
    """
    told = None
    if is_set_back(ledger, store):
        told = tell_again(ledger, store)
        log.warning(
            "the ledger is older than the store's marks: %d lessons erased again, %d consents changed; run `smilereel restored`",
            len(told.erased),
            len(told.consents),
        )
    elif pending := _note(ledger).get(PENDING):
        _tell(ledger, {lesson_id: ConsentMark.load(facts) for lesson_id, facts in pending.items()})
    _write_new(ledger, store)
    if keep_days:
        with ledger.database.reading() as session:
            before = ledger.database.now(session) - timedelta(days=keep_days)
        prune_marks(store, before.date())
    return told


def is_set_back(ledger: Ledger, store: Store) -> bool:
    """Whether marks were written of which the ledger knows nothing."""
    name = newest(store)
    return name is not None and _note(ledger).get(NEWEST) != name


def tell_again(ledger: Ledger, store: Store, *, dry_run: bool = False) -> Told:
    """Erase again what was erased, and change consent as it was changed, wherever the ledger does not know of it.

    Raises what `keep_marks` raises.
    """
    marks = read_marks(store)
    erased = ledger.rights.unburied(marks.erased)
    consents = {lesson_id: mark for lesson_id, mark in marks.consents.items() if lesson_id not in marks.erased}
    if dry_run:
        changed, pending = _changes(ledger, consents)
        return Told(tuple(erased), tuple(changed), tuple(pending))
    for some in _chunks(erased):
        ledger.rights.bury_again(some, ACTOR)
    changed, pending = _tell(ledger, consents)
    _write_note(ledger, **{NEWEST: newest(store)})
    return Told(tuple(erased), tuple(changed), tuple(pending))


def _tell(ledger: Ledger, marks: Mapping[str, ConsentMark]) -> tuple[list[str], list[str]]:
    """Change these consents; what the ledger does not know is noted, for the lesson may be handed in again."""
    changed, pending = _changes(ledger, marks)
    for lesson_id in changed:
        ledger.rights.change_consent(lesson_id, marks[lesson_id].consent, ACTOR)
    _write_note(ledger, **{PENDING: {lesson_id: marks[lesson_id].dump() for lesson_id in pending}})
    return changed, pending


def _changes(ledger: Ledger, marks: Mapping[str, ConsentMark]) -> tuple[list[str], list[str]]:
    """Whose consent the ledger has to change, and of whom it does not know."""
    changed: list[str] = []
    pending: list[str] = []
    for some in _chunks(marks):
        with ledger.database.reading() as session:
            rows = {row.lesson_id: row for row in session.scalars(select(LessonRow).where(LessonRow.lesson_id.in_(some)))}
            noted = _consents_noted(session, some)
        erased = ledger.rights.are_erased(some)
        for lesson_id in some:
            row, mark = rows.get(lesson_id), marks[lesson_id]
            if row is None:
                pending += [] if lesson_id in erased else [lesson_id]
            # What the family said after the mark was written counts.
            elif consent_of(row) != mark.consent and noted.get(lesson_id, mark.at - timedelta(seconds=1)) < mark.at:
                changed.append(lesson_id)
    return changed, pending


def _consents_noted(session: Session, lesson_ids: Iterable[str]) -> dict[str, datetime]:
    """When each lesson's consent was changed last, as the audit log says."""
    query = select(AuditRow.subject_id, func.max(AuditRow.at)).where(
        AuditRow.action == "consent", AuditRow.subject_id.in_(lesson_ids)
    )
    return dict(session.execute(query.group_by(AuditRow.subject_id)).all())


def _write_new(ledger: Ledger, store: Store) -> None:
    note = _note(ledger)
    since = datetime.fromisoformat(note[SINCE]) if note.get(SINCE) else None
    with ledger.database.reading() as session:
        now = ledger.database.now(session)
        tombs = select(TombstoneRow.lesson_id, TombstoneRow.erased_at)
        consents = select(AuditRow.subject_id, func.max(AuditRow.at)).where(AuditRow.action == "consent")
        if since is not None:
            after = since - timedelta(seconds=OVERLAP_SECONDS)
            tombs, consents = tombs.where(TombstoneRow.erased_at >= after), consents.where(AuditRow.at >= after)
        erased: dict[str, datetime] = dict(session.execute(tombs.order_by(TombstoneRow.erased_at).limit(MOST_MARKS)).all())
        noted: dict[str, datetime] = dict(session.execute(consents.group_by(AuditRow.subject_id)).all())
        agreed = {row.lesson_id: consent_of(row) for some in _chunks(noted) for row in _rows(session, some)}
    # Each is written whatever the others were: `any` would stop at the first. The client may have written it before us.
    new = [mark_erased(store, lesson_id, at) or since is None or at > since for lesson_id, at in erased.items()]
    new += [mark_consent(store, lesson_id, ConsentMark(consent, noted[lesson_id])) for lesson_id, consent in agreed.items()]
    if len(erased) == MOST_MARKS:
        now = min(now, max(erased.values()) + timedelta(seconds=OVERLAP_SECONDS))
    told: dict[str, Any] = {SINCE: now.isoformat()}
    if any(new):
        # The store first: a ledger that misses this name is told all marks once more, which does no harm.
        told[NEWEST] = f"{now.isoformat()} {uuid4().hex}"
        set_newest(store, told[NEWEST])
    _write_note(ledger, **told)


def _rows(session: Session, lesson_ids: Iterable[str]) -> Iterator[LessonRow]:
    yield from session.scalars(select(LessonRow).where(LessonRow.lesson_id.in_(lesson_ids)))


def _chunks(lesson_ids: Iterable[str]) -> Iterator[list[str]]:
    ordered = sorted(lesson_ids)
    for start in range(0, len(ordered), AT_ONCE):
        yield ordered[start : start + AT_ONCE]


def _note(ledger: Ledger) -> dict[str, Any]:
    duty = ledger.duties.read(DUTY)
    return duty.note if duty else {}


def _write_note(ledger: Ledger, **facts: Any) -> None:
    ledger.duties.hold(DUTY, ACTOR, 0)
    ledger.duties.note(DUTY, **facts)
