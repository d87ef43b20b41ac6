"""A lesson's files, by its id and by names that stand here: no part of an address gets into a key but a checked id. Behind the gate."""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Callable

from starlette.responses import Response

from shared.errors import LessonUnknown, ObjectMissing
from shared.standing import LessonRecord
from shared.store import output_key

from .guard import REPORT_POLICY
from .lessons import known_lesson
from .site import Visit, message, page

PICTURES = {"reel.gif": "image/gif", "poster.jpg": "image/jpeg", "contact-sheet.jpg": "image/jpeg"}
# Drawing a report takes a second of a core and some memory.
_one_report = threading.Lock()


def picture(name: str) -> Callable[[Visit], Response]:
    """GET /lessons/ID/NAME: a picture of the newest reel, as long as the family agrees to it."""

    def show(visit: Visit) -> Response:
        consent = known_lesson(visit).consent
        found = visit.ledger.told.reel(visit.lesson_id)
        if found is None or not (consent.process and consent.reel):
            raise LessonUnknown(f"Lesson {visit.lesson_id} has no reel to show.")
        data = visit.site.store().get(output_key(visit.lesson_id, found.work_version, name))
        return Response(data, media_type=PICTURES[name], headers={"Content-Disposition": "inline"})

    return show


def seconds_csv(visit: Visit) -> Response:
    """GET /lessons/ID/seconds.csv: a row a second, for analysts; noted in the audit log, since the rows leave the house."""
    record = known_lesson(visit)
    if not (record.consent.process and record.consent.analytics):
        return message(visit, 403, "No data to download", "The family did not agree to analytics, so the seconds stay here.")
    data = _seconds(visit, record)
    if data is None:
        raise ObjectMissing(f"The per-second data of lesson {record.lesson_id} is not there, or is no longer kept.")
    with visit.ledger.database.transaction() as session:
        visit.ledger.audit.note(session, visit.actor, "download", "lesson", record.lesson_id, "seconds.csv")
    named = {"Content-Disposition": f'attachment; filename="{record.lesson_id}-seconds.csv"'}
    return Response(data, media_type="text/csv; charset=utf-8", headers=named)


def report(visit: Visit) -> Response:
    """GET /lessons/ID/report: the lesson's report inside this page. Per-second data only where the family agreed to analytics."""
    record = known_lesson(visit)
    if not record.consent.process:
        return message(visit, 403, "No report", "The family no longer agrees that this lesson is looked at.")
    if record.work_version is None:
        raise LessonUnknown(f"Lesson {record.lesson_id} has no report yet.")
    store, settings = visit.site.store(), visit.site.settings
    document = store.get(output_key(record.lesson_id, record.work_version, "lesson.json"))
    seconds = _seconds(visit, record) if record.consent.analytics else None
    try:
        from workers.report import report_parts

        with _one_report:
            parts = report_parts(document, seconds, _reel(visit, record), mood_analytics=settings.mood_analytics)
    except ModuleNotFoundError as error:
        sentence = f"Reports need {error.name}, which is not installed here: pip install 'smilereel[report]'."
        return message(visit, 503, "No report", sentence)
    return page(visit, "report.html", headers={"Content-Security-Policy": REPORT_POLICY}, record=record, parts=parts)


def _reel(visit: Visit, record: LessonRecord) -> bytes | None:
    found = visit.ledger.told.reel(record.lesson_id)
    if found is None or not record.consent.reel or found.work_version != record.work_version:
        return None
    try:
        return visit.site.store().get(output_key(record.lesson_id, found.work_version, "reel.gif"))
    except ObjectMissing:
        return None


def _seconds(visit: Visit, record: LessonRecord) -> bytes | None:
    """The seconds as published, without smile scores unless mood analytics are on; None where they are not kept."""
    if record.work_version is None:
        return None
    try:
        data = visit.site.store().get(output_key(record.lesson_id, record.work_version, "seconds.csv"))
    except ObjectMissing:
        return None
    return data if visit.site.settings.mood_analytics else without_smiles(data)


def without_smiles(seconds: bytes) -> bytes:
    """The same rows with `p_smile` empty: they may have been written while mood analytics were on."""
    rows = list(csv.reader(io.StringIO(seconds.decode("utf-8", "replace"), newline="")))
    column = rows[0].index("p_smile") if rows and "p_smile" in rows[0] else None
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for number, row in enumerate(rows):
        writer.writerow(["" if number and place == column else cell for place, cell in enumerate(row)])
    return text.getvalue().encode()
