"""What a person can do to a lesson, each deed with its entry in the audit log. Behind the gate; `app.py` names their addresses."""

from __future__ import annotations

from collections.abc import Callable

from starlette.responses import Response

from shared import client
from shared.errors import ConsentMissing, LessonNotEnded, LessonUnknown
from shared.lesson import Consent
from shared.sender import send_lesson

from .lessons import PURPOSES, known_lesson
from .site import Visit, lesson_path, page, redirect

QUEUED = "Lesson {id} is processed again."
LATER = "Lesson {id} is processed again as soon as the queue can be reached."


def retry(visit: Visit) -> Response:
    """POST /lessons/ID/retry: go on with a lesson that has ended, with all its attempts."""
    lesson_id = known_lesson(visit).lesson_id

    def deed() -> None:
        record = known_lesson(visit)
        if not visit.ledger.reopen(lesson_id):
            if not record.consent.process:
                raise ConsentMissing(f"Lesson {lesson_id} may not be processed: consent.process was withdrawn.")
            raise LessonNotEnded(f"Lesson {lesson_id} is {record.state} and has not ended.")
        sent = send_lesson(visit.ledger, lesson_id, visit.site.settings)
        visit.tell((QUEUED if sent else LATER).format(id=lesson_id))

    _noted(visit, "retry", lesson_id, deed)
    return redirect("/quarantine" if visit.form.get("from") == "quarantine" else lesson_path(lesson_id))


def reprocess(visit: Visit) -> Response:
    """POST /lessons/ID/reprocess: from the beginning, as a new version."""
    lesson_id = known_lesson(visit).lesson_id

    def deed() -> None:
        job = client.reprocess(lesson_id, settings=visit.site.settings)
        visit.tell((QUEUED if job.sent else LATER).format(id=lesson_id))

    _noted(visit, "reprocess", lesson_id, deed)
    return redirect(lesson_path(lesson_id))


def cancel(visit: Visit) -> Response:
    """POST /lessons/ID/cancel: stop it."""
    lesson_id = known_lesson(visit).lesson_id

    def deed() -> None:
        cancelled = client.cancel(lesson_id, settings=visit.site.settings)
        visit.tell(f"Lesson {lesson_id} is cancelled." if cancelled else f"Lesson {lesson_id} had ended before.")

    _noted(visit, "cancel", lesson_id, deed)
    return redirect(lesson_path(lesson_id))


def _noted(visit: Visit, action: str, lesson_id: str, deed: Callable[[], None]) -> None:
    """The entry first, so that no deed goes without one; a second one where nothing came of it."""
    _note(visit, action, lesson_id)
    try:
        deed()
    except Exception:
        _note(visit, action, lesson_id, "not done")
        raise


def _note(visit: Visit, action: str, lesson_id: str, detail: str | None = None) -> None:
    with visit.ledger.database.transaction() as session:
        visit.ledger.audit.note(session, visit.actor, action, "lesson", lesson_id, detail)


def approve(visit: Visit) -> Response:
    """POST /lessons/ID/approve: the reel that was looked at may be sent; not one that took its place meanwhile."""
    record, seen = known_lesson(visit), visit.form.get("version", "")
    if not record.consent.reel:
        raise ConsentMissing(f"The family of lesson {record.lesson_id} no longer agrees to a reel.")
    if visit.ledger.rights.approve_reel(record.lesson_id, seen, visit.actor):
        visit.tell("The reel is approved: it may be sent.")
    else:
        visit.tell("Nothing was approved: the reel is another one by now, or somebody has approved it already.")
    return redirect(lesson_path(record.lesson_id))


def ask_consent(visit: Visit) -> Response:
    """GET /lessons/ID/consent: what the family agreed to."""
    record = known_lesson(visit)
    return page(visit, "consent.html", record=record, purposes=PURPOSES, complaint="")


def withdraw(visit: Visit) -> Response:
    """POST /lessons/ID/consent: take purposes back. Only the lesson backend can give consent: it has it from the family."""
    record = known_lesson(visit)
    given = record.consent.model_dump()
    taken = [purpose for purpose in PURPOSES if given[purpose] and visit.form.get(f"withdraw-{purpose}") == "yes"]
    if not taken or visit.form.get("sure") != "yes":
        complaint = "Choose what is withdrawn." if not taken else "Tick that you are sure; nothing was withdrawn."
        return page(visit, "consent.html", 400, record=record, purposes=PURPOSES, complaint=complaint)
    consent = Consent(**{purpose: agreed and purpose not in taken for purpose, agreed in given.items()})
    client.change_consent(record.lesson_id, consent, actor=visit.actor, settings=visit.site.settings)
    visit.tell(f"Withdrawn: {', '.join(taken)}.")
    return redirect(lesson_path(record.lesson_id))


def ask_erase(visit: Visit) -> Response:
    """GET /lessons/ID/erase: what goes, and that it does not come back."""
    return page(visit, "erase.html", record=known_lesson(visit), complaint="")


def erase(visit: Visit) -> Response:
    """POST /lessons/ID/erase: with the id written once more."""
    record = known_lesson(visit)
    if visit.form.get("confirm", "").strip() != record.lesson_id:
        complaint = "That is not this lesson's id; nothing was erased."
        return page(visit, "erase.html", 400, record=record, complaint=complaint)
    try:
        receipt = client.erase_lesson(record.lesson_id, actor=visit.actor, settings=visit.site.settings)
    except LessonUnknown:
        # Somebody else was quicker.
        return redirect("/")
    files = "Its files are deleted" if receipt.store_cleared else "Its files are deleted by the workers within minutes"
    visit.tell(f"Lesson {record.lesson_id} is erased. {files}; what is still under way is dropped.")
    return redirect("/")
