"""The pages that only show: lists, a lesson, connections, the audit log. Behind the gate; `app.py` names their addresses."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.responses import Response

from shared.errors import LessonUnknown
from shared.lesson import Consent
from shared.progress import status_of
from shared.standing import LessonRecord
from shared.states import LessonState
from shared.tables import LessonRow
from shared.told_tables import PresenceRow

from . import connection
from .listing import UNAPPROVED, Wanted, explained, list_lessons, wanted_of
from .site import Visit, is_lesson_id, page

COUNTED_LESSONS = (50, 200, 1000)
AUDIT_ENTRIES = 200
PURPOSES = {name: field.description or "" for name, field in Consent.model_fields.items()}


def lessons(visit: Visit) -> Response:
    """GET /: all lessons, by state, id and day."""
    wanted = wanted_of(visit.request.query_params)
    listed = list_lessons(visit.ledger.database, wanted)
    counts = visit.ledger.count()
    return page(
        visit,
        "lessons.html",
        wanted=wanted,
        lines=listed.lines,
        older=_query(wanted, listed.next_mark) if listed.next_mark else None,
        newest=_query(wanted, None) if wanted.after else None,
        counts=counts,
        n_all=sum(counts.values()),
        approval=visit.site.settings.reel_approval,
        unapproved=UNAPPROVED,
    )


def _query(wanted: Wanted, after: str | None) -> str:
    values = {"state": wanted.state, "id": wanted.prefix, "from": wanted.first_day, "to": wanted.last_day, "after": after}
    return "/?" + urlencode({name: str(value) for name, value in values.items() if value})


def quarantine(visit: Visit) -> Response:
    """GET /quarantine: the lessons that were set aside."""
    asked = {"state": str(LessonState.QUARANTINED), "after": visit.query("after")}
    wanted = wanted_of(asked)
    listed = list_lessons(visit.ledger.database, wanted)
    older = f"/quarantine?{urlencode({'after': listed.next_mark})}" if listed.next_mark else None
    return page(visit, "quarantine.html", lines=listed.lines, older=older, wanted=wanted)


def known_lesson(visit: Visit) -> LessonRecord:
    """The lesson of the address.

    Raises:
        LessonUnknown: there is none; says whether it was erased.
    """
    record = visit.ledger.read(visit.lesson_id)
    if record is None:
        if visit.ledger.rights.are_erased([visit.lesson_id]):
            raise LessonUnknown(f"Lesson {visit.lesson_id} was erased; nothing is left of it but its id and the audit log.")
        raise LessonUnknown(f"There is no lesson of the id {visit.lesson_id}.")
    return record


def lesson(visit: Visit) -> Response:
    """GET /lessons/ID: where it stands, its reel, and what can be done."""
    record = known_lesson(visit)
    with visit.ledger.database.reading() as session:
        row = session.get(LessonRow, record.lesson_id)
        presence = session.get(PresenceRow, record.lesson_id)
        times = (row.starts_at, row.ends_at) if row else (None, None)
    found = visit.ledger.told.reel(record.lesson_id)
    consent = record.consent
    return page(
        visit,
        "lesson.html",
        record=record,
        standing=status_of(record, visit.ledger.runs.progress(record.lesson_id, record.work_version or "")),
        reason=explained(record.state, record.reason),
        starts_at=times[0],
        ends_at=times[1],
        presence=presence if consent.process else None,
        reel=found if found and consent.process and consent.reel else None,
        plays=visit.query("play") == "1",
        approval=visit.site.settings.reel_approval,
        has_report=record.work_version is not None
        and record.state in {LessonState.DONE, LessonState.NO_REEL}
        and consent.process,
        purposes=PURPOSES,
        entries=visit.ledger.audit.entries(record.lesson_id, 20),
    )


def connections(visit: Visit) -> Response:
    """GET /connection: whose connection is poor, over the newest lessons."""
    n_lessons = next((n for n in COUNTED_LESSONS if str(n) == visit.query("lessons")), COUNTED_LESSONS[1])
    found = connection.side_lessons(visit.ledger.database, n_lessons)
    return page(
        visit,
        "connection.html",
        n_lessons=n_lessons,
        choices=COUNTED_LESSONS,
        n_found=len({lesson.lesson_id for lesson in found}),
        sides=connection.by_side(found),
        pupils=connection.by_pupil(found),
        worst=connection.worst_lessons(found),
        advice=connection.advice,
    )


def audit(visit: Visit) -> Response:
    """GET /audit: who did what, of all or of one lesson or pupil."""
    subject_id = visit.query("id").strip()
    # A pupil's id is the backend's and may be any text; NUL alone is none that a database takes.
    asked = subject_id[:128].replace("\0", "")
    entries = visit.ledger.audit.entries(asked or None, AUDIT_ENTRIES + 1)
    linked = {entry.subject_id for entry in entries if entry.subject == "lesson" and is_lesson_id(entry.subject_id)}
    return page(
        visit,
        "audit.html",
        entries=entries[:AUDIT_ENTRIES],
        has_more=len(entries) > AUDIT_ENTRIES,
        subject_id=asked,
        linked=linked,
        most=AUDIT_ENTRIES,
    )
