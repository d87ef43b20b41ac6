"""What a person does to a lesson, and what the audit log says of it."""

from __future__ import annotations

from contextlib import closing

import pytest

from shared.errors import LedgerAway
from shared.ledger import Ledger, LessonState, open_ledger
from shared.settings import Settings
from shared.store import lesson_output_key, store_of
from tests.unit.web.conftest import Browser, Clock, NewBrowser, a_site
from tests.unit.web.house import DONE, QUARANTINED, WAITING, done_lesson


def deeds(ledger: Ledger) -> list[tuple[str, str, str, str | None]]:
    """The audit log, the oldest first."""
    return [(entry.actor, entry.action, entry.subject_id, entry.detail) for entry in reversed(ledger.audit.entries())]


def state(ledger: Ledger, lesson_id: str) -> LessonState:
    record = ledger.read(lesson_id)
    assert record is not None
    return record.state


def test_erasing_asks_for_the_id_and_takes_everything(vera: Browser, ledger: Ledger, settings: Settings) -> None:
    page = vera.get(f"/lessons/{DONE}/erase")
    assert "do not come back" in page.text
    for wrong in ("", "yes", DONE.upper(), DONE[:-1]):
        answer = vera.do(f"/lessons/{DONE}/erase", confirm=wrong)
        assert answer.status_code == 400
        assert "nothing was erased" in answer.text
    assert deeds(ledger) == []
    done = vera.do(f"/lessons/{DONE}/erase", confirm=f" {DONE} ")
    assert (done.status_code, done.headers["location"]) == (303, "/")
    assert f"Lesson {DONE} is erased." in vera.get("/").text
    assert "is erased" not in vera.get("/").text  # said once
    assert ledger.read(DONE) is None
    assert list(store_of(settings).keys(lesson_output_key(DONE))) == []
    assert deeds(ledger) == [("web:Vera", "erase", DONE, "lessons: 1")]
    for path in ("", "/reel.gif", "/report", "/erase"):
        gone = vera.get(f"/lessons/{DONE}{path}")
        assert gone.status_code == 404
        assert "was erased" in gone.text
    assert vera.do(f"/lessons/{DONE}/erase", confirm=DONE).status_code == 404


def test_retrying_from_the_quarantine(vera: Browser, ledger: Ledger) -> None:
    done = vera.do(f"/lessons/{QUARANTINED}/retry", **{"from": "quarantine"})
    assert done.headers["location"] == "/quarantine"
    text = vera.get("/quarantine").text
    assert "as soon as the queue can be reached" in text  # there is no Redis here
    assert "No lesson is set aside." in text
    assert state(ledger, QUARANTINED) is LessonState.ACCEPTED
    assert deeds(ledger) == [("web:Vera", "retry", QUARANTINED, None)]


def test_what_has_not_ended_is_not_retried(vera: Browser, ledger: Ledger) -> None:
    for deed in ("retry", "reprocess"):
        answer = vera.do(f"/lessons/{WAITING}/{deed}")
        assert answer.status_code == 409
        assert "accepted" in answer.text
    assert [(action, detail) for _, action, _, detail in deeds(ledger)] == [
        ("retry", None),
        ("retry", "not done"),
        ("reprocess", None),
        ("reprocess", "not done"),
    ]


def test_cancelling_and_processing_anew(vera: Browser, ledger: Ledger) -> None:
    assert vera.do(f"/lessons/{WAITING}/cancel").status_code == 303
    assert state(ledger, WAITING) is LessonState.CANCELLED
    assert vera.do(f"/lessons/{DONE}/reprocess").status_code == 303
    record = ledger.require(DONE)
    assert (record.state, record.revision) == (LessonState.ACCEPTED, 2)
    assert "processed again" in vera.get(f"/lessons/{DONE}").text
    vera.do(f"/lessons/{QUARANTINED}/cancel")
    assert "had ended before" in vera.get("/").text
    assert state(ledger, QUARANTINED) is LessonState.QUARANTINED


@pytest.fixture
def approver(stranger: NewBrowser, settings: Settings, clock: Clock) -> Browser:
    """Somebody on a page that asks for approval."""
    browser = stranger(a_site(settings.model_copy(update={"reel_approval": True}), clock))
    browser.log_in("Olga")
    return browser


def test_a_reel_is_approved_once_by_name(approver: Browser, ledger: Ledger) -> None:
    assert DONE in approver.get("/?state=unapproved").text
    assert "Approve this reel" in approver.get(f"/lessons/{DONE}").text
    approver.do(f"/lessons/{DONE}/approve", version="v1")
    text = approver.get(f"/lessons/{DONE}").text
    assert "The reel is approved" in text
    assert "Approve this reel" not in text
    assert DONE not in approver.get("/?state=unapproved").text
    approver.do(f"/lessons/{DONE}/approve", version="v1")
    assert "already" in approver.get("/").text
    assert deeds(ledger) == [("web:Olga", "approve", DONE, "version v1")]
    found = ledger.told.reel(DONE)
    assert found is not None
    assert found.approved_at is not None


def test_a_reel_that_nobody_looked_at_is_not_approved(approver: Browser, ledger: Ledger, settings: Settings) -> None:
    token = approver.token(f"/lessons/{DONE}")
    ledger.reopen(DONE, anew=True)
    done_lesson(ledger, store_of(settings), DONE, pupil_id="pupil-7", version="v2")
    for version in ("v1", "", "v3"):
        approver.post(f"/lessons/{DONE}/approve", {"csrf": token, "version": version})
        assert "Nothing was approved" in approver.get("/").text
    found = ledger.told.reel(DONE)
    assert found is not None
    assert (found.work_version, found.approved_at) == ("v2", None)


def test_no_approval_where_nobody_asks_for_it(vera: Browser) -> None:
    assert "pprove" not in vera.get(f"/lessons/{DONE}").text
    assert "unapproved" not in vera.get("/").text


def test_consent_can_only_be_withdrawn(vera: Browser, ledger: Ledger) -> None:
    path = f"/lessons/{DONE}/consent"
    assert "training" in vera.get(path).text
    assert vera.do(path, sure="yes").status_code == 400
    assert vera.do(path, **{"withdraw-reel": "yes"}).status_code == 400
    assert vera.do(path, **{"withdraw-training": "yes", "sure": "yes"}).status_code == 400  # was never given
    assert deeds(ledger) == []
    vera.do(
        path, **{"withdraw-reel": "yes", "withdraw-email": "yes", "sure": "yes", "consent_training": "yes", "training": "true"}
    )
    consent = ledger.require(DONE).consent
    assert (consent.process, consent.reel, consent.email, consent.analytics, consent.training) == (
        True,
        False,
        False,
        True,
        False,
    )
    assert "Withdrawn: reel, email." in vera.get(f"/lessons/{DONE}").text
    assert deeds(ledger) == [("web:Vera", "consent", DONE, "agreed: process, analytics")]
    vera.do(path, **{"withdraw-process": "yes", "sure": "yes"})
    assert state(ledger, DONE) is LessonState.CANCELLED
    assert vera.do(f"/lessons/{DONE}/reprocess").status_code == 409
    assert vera.do(f"/lessons/{DONE}/retry").status_code == 409


def test_a_ledger_that_goes_away_in_the_middle_leaves_an_entry(
    vera: Browser, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> bool:
        raise LedgerAway("The ledger's database cannot be used (gone); see that it runs and has room.")

    monkeypatch.setattr(Ledger, "reopen", away)
    answer = vera.do(f"/lessons/{QUARANTINED}/retry")
    assert answer.status_code == 503
    assert "cannot be used (gone)" in answer.text
    with closing(open_ledger(settings.database_url)) as ledger:
        assert [(action, detail) for _, action, _, detail in deeds(ledger)] == [("retry", None), ("retry", "not done")]
