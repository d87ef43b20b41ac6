"""What the pages show: filters, paging, strange ids and reasons, consent, smile scores, things that are away."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import update

from shared.ledger import Ledger
from shared.lesson import Consent
from shared.settings import Settings
from shared.store import output_key, store_of
from shared.tables import LessonRow
from tests.builders import a_lesson
from tests.unit.web.conftest import Browser, Clock, NewBrowser, a_site
from tests.unit.web.house import DONE, HTML, NO_ANALYTICS, QUARANTINED, WAITING, reel_files, set_reason
from workers.web.connection import advice

IDS = re.compile(r'<a href="/lessons/([^"/]+)">')


def shown(browser: Browser, query: str) -> list[str]:
    """The lessons of a list."""
    answer = browser.get(f"/{query}")
    assert answer.status_code == 200
    return IDS.findall(answer.text)


def test_the_list_and_its_filters(vera: Browser) -> None:
    everything = shown(vera, "")
    assert len(everything) == 8
    assert shown(vera, "?state=done") == [NO_ANALYTICS, DONE]
    assert shown(vera, "?state=quarantined&id=lesson-s") == [QUARANTINED]
    assert shown(vera, "?id=lesson-2026") == [DONE]
    assert shown(vera, "?id=%25") == everything  # a sign of LIKE is no id
    assert shown(vera, "?id=lesson_2026") == []
    assert shown(vera, "?from=2000-01-01&to=2999-12-31") == everything
    assert shown(vera, "?to=9999-12-31") == everything
    assert shown(vera, "?from=2999-01-01") == []
    assert shown(vera, "?to=2000-01-01") == []
    assert "No lesson is like that." in vera.get("/?to=2000-01-01").text
    assert '<span class="number">8</span> all' in vera.get("/").text


@pytest.mark.parametrize(
    "query",
    [
        f"?id={HTML}",
        "?state=<b>",
        "?from=yesterday",
        "?to=2026-13-01",
        "?id=%00",
        "?after=x~y",
        "?after=2026-99-20T10:00:00.000000~a",
    ],
)
def test_filters_that_mean_nothing_are_said_so(vera: Browser, query: str) -> None:
    answer = vera.get(f"/{query}")
    assert answer.status_code == 200
    assert len(IDS.findall(answer.text)) == 8
    assert "<b>" not in answer.text
    assert "<script" not in answer.text
    assert "after" in query or 'role="alert"' in answer.text


def test_older_lessons_are_a_link_away(vera: Browser, ledger: Ledger) -> None:
    for number in range(60):
        ledger.accept(a_lesson(lesson_id=f"page-{number:02}"))
    first = vera.get("/?id=page-&state=accepted").text
    older = re.search(r'href="(/\?[^"]*after[^"]*)"', first)
    assert older
    second = vera.get(older[1].replace("&amp;", "&")).text
    assert IDS.findall(first) + IDS.findall(second) == [f"page-{number:02}" for number in reversed(range(60))]
    assert "Newest" in second


@pytest.mark.parametrize("path", ["/", "/quarantine", f"/lessons/{QUARANTINED}"])
def test_html_and_sql_in_a_reason_are_text(vera: Browser, ledger: Ledger, path: str) -> None:
    text = vera.get(path).text
    assert "<script" not in text
    assert "onerror=alert" in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert ledger.read(QUARANTINED) is not None
    set_reason(ledger, QUARANTINED, "{{ 7*7 }} ${7*7}")
    assert "{{ 7*7 }} ${7*7}" in vera.get(path).text


@pytest.mark.parametrize(
    "strange", ["unknown", "x'%20OR%201=1--", "%3Cscript%3E", "%2e%2e", "a%00b", "a" * 200, "%F0%9F%98%80", "-a"]
)
@pytest.mark.parametrize("rest", ["", "/report", "/reel.gif", "/seconds.csv", "/erase", "/consent"])
def test_an_unknown_lesson_is_not_found(vera: Browser, strange: str, rest: str) -> None:
    answer = vera.get(f"/lessons/{strange}{rest}")
    assert answer.status_code == 404
    assert "<script" not in answer.text
    assert "<h1>Not found</h1>" in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/lessons/../../etc/passwd",
        f"/lessons/{DONE}/..%2f..%2freel.gif",
        f"/lessons/{DONE}%2fv1/reel.gif",
        f"/lessons/{DONE}/v1/reel.gif",
        f"/lessons/{DONE}/lesson.json",
        f"/lessons/..%2f{DONE}/reel.gif",
        f"/lessons/{DONE}/reel.gif%00.jpg",
        "/lessons/%2fetc%2fpasswd/poster.jpg",
        "/lessons/.hidden/poster.jpg",
    ],
)
def test_path_tricks_find_nothing(vera: Browser, path: str) -> None:
    assert vera.get(path).status_code == 404


def test_pictures_come_from_the_store_under_fixed_names(vera: Browser) -> None:
    for name, data in reel_files().items():
        answer = vera.get(f"/lessons/{DONE}/{name}")
        assert answer.content == data
        assert answer.headers["content-type"] in {"image/gif", "image/jpeg"}
        assert answer.headers["cache-control"] == "no-store"


def test_a_picture_that_is_gone_or_a_store_that_is_away(vera: Browser, settings: Settings) -> None:
    store = store_of(settings)
    store.delete(output_key(DONE, "v1", "poster.jpg"))
    gone = vera.get(f"/lessons/{DONE}/poster.jpg")
    assert gone.status_code == 404
    assert "not in the store" in gone.text
    assert str(settings.store_url) not in gone.text


def test_without_consent_nothing_is_shown(vera: Browser, ledger: Ledger) -> None:
    ledger.rights.change_consent(DONE, Consent(process=True, analytics=True), "backend")
    for name in reel_files():
        assert vera.get(f"/lessons/{DONE}/{name}").status_code == 404
    assert "poster.jpg" not in vera.get(f"/lessons/{DONE}").text
    assert "data:image/jpeg" not in vera.get(f"/lessons/{DONE}/report").text
    assert vera.get(f"/lessons/{NO_ANALYTICS}/seconds.csv").status_code == 403
    assert "did not agree to analytics" in vera.get(f"/lessons/{NO_ANALYTICS}/report").text
    ledger.rights.change_consent(DONE, Consent(), "backend")
    for path in ("report", "seconds.csv"):
        assert vera.get(f"/lessons/{DONE}/{path}").status_code == 403
    assert DONE not in vera.get("/connection").text


@pytest.mark.parametrize("withdrawn", ["consent_process", "consent_reel"])
def test_a_reel_that_is_still_there_is_not_shown_without_consent(vera: Browser, ledger: Ledger, withdrawn: str) -> None:
    with ledger.database.transaction() as session:
        session.execute(update(LessonRow).where(LessonRow.lesson_id == DONE).values({withdrawn: False}))
    assert ledger.told.reel(DONE) is not None
    for name in reel_files():
        assert vera.get(f"/lessons/{DONE}/{name}").status_code == 404
    assert "poster.jpg" not in vera.get(f"/lessons/{DONE}").text


def test_the_report_stands_inside_the_page(vera: Browser) -> None:
    answer = vera.get(f"/lessons/{DONE}/report")
    assert answer.status_code == 200
    assert "<svg" in answer.text
    assert "<script" not in answer.text
    assert answer.headers["content-security-policy"].endswith("base-uri 'none'")
    assert "img-src 'self' data:" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert ".report" in vera.get("/static/report.css").text


def test_no_smile_score_is_shown_or_handed_out(
    vera: Browser, stranger: NewBrowser, settings: Settings, clock: Clock, ledger: Ledger
) -> None:
    for path in (f"/lessons/{DONE}", f"/lessons/{DONE}/report", "/", "/connection"):
        assert not re.search(r"0?\.7777|0\.78|78 ?%", vera.get(path).text), path
    handed = vera.get(f"/lessons/{DONE}/seconds.csv")
    assert "0.7777" not in handed.text
    assert handed.text.splitlines()[1].count(",") == 10
    assert handed.headers["content-disposition"] == f'attachment; filename="{DONE}-seconds.csv"'
    assert [(entry.actor, entry.action, entry.detail) for entry in ledger.audit.entries(DONE)] == [
        ("web:Vera", "download", "seconds.csv")
    ]
    on = a_site(settings.model_copy(update={"mood_analytics": True}), clock)
    with_moods = stranger(on)
    with_moods.log_in()
    assert "0.7777" in with_moods.get(f"/lessons/{DONE}/seconds.csv").text


def test_a_lesson_tells_how_far_it_is(vera: Browser) -> None:
    text = vera.get("/lessons/lesson-in-work").text
    assert "detect faces" in text
    assert re.search(r'<progress max="100" value="25"', text)
    assert "2026-11-20 10:00" in vera.get(f"/lessons/{DONE}").text
    assert "Cancel" in text
    assert "Retry" not in text
    waiting = vera.get(f"/lessons/{WAITING}").text
    assert 'value="0"' in waiting


def test_the_reel_stands_still_until_it_is_played(vera: Browser) -> None:
    still, playing = (vera.get(f"/lessons/{DONE}{query}").text for query in ("", "?play=1"))
    assert "/poster.jpg" in still
    assert "/reel.gif" not in still
    assert "/reel.gif" in playing


def test_connections_name_the_worst_first(vera: Browser) -> None:
    text = vera.get("/connection").text
    assert text.index('class="id">pupil<') < text.index('class="id">teacher<')
    assert "pupil-7" in text
    assert "Cut off often" in text
    assert "newest 2 processed lessons" in text
    for odd in ("?lessons=1000000", "?lessons=x"):
        assert vera.get(f"/connection{odd}").status_code == 200


@pytest.mark.parametrize(
    ("disconnects", "off", "length", "sentence"),
    [
        (0, 0, 900, "Steady"),
        (1, 10, 900, "now and then"),
        (6, 60, 900, "Cut off often"),
        (1, 300, 900, "Cut off for long"),
        (2, 10, 3600, "now and then"),
        (1, 1, 0, "Cut off for long"),
    ],
)
def test_advice(disconnects: int, off: float, length: float, sentence: str) -> None:
    assert sentence in advice(disconnects, off, length)


def test_the_audit_log(vera: Browser, ledger: Ledger) -> None:
    assert "Nobody has done anything yet." in vera.get("/audit").text
    vera.do(f"/lessons/{QUARANTINED}/retry")
    assert "web:Vera" in vera.get("/audit").text
    assert "web:Vera" in vera.get(f"/audit?id={QUARANTINED}").text
    assert "Nothing was done to" in vera.get("/audit", params={"id": HTML}).text
    assert "<script" not in vera.get("/audit", params={"id": HTML}).text
    assert vera.get("/audit?id=%00%ff").status_code == 200
    with ledger.database.transaction() as session:
        for number in range(250):
            ledger.audit.note(session, HTML, "consent", "pupil", f"p-{number}", "agreed: nothing")
    text = vera.get("/audit").text
    assert "The newest 200 are shown" in text
    assert "<script" not in text


def test_nothing_there_yet(stranger: NewBrowser, settings: Settings, clock: Clock, tmp_path: object) -> None:
    empty = settings.model_copy(update={"database_url": f"sqlite:///{tmp_path}/empty.sqlite3"})
    site = a_site(empty, clock)
    site.ledger.create_schema()
    browser = stranger(site)
    browser.log_in()
    for path, sentence in {
        "/": "There are no lessons yet.",
        "/quarantine": "No lesson is set aside.",
        "/connection": "nothing to advise",
        "/audit": "Nobody has done anything yet.",
    }.items():
        assert sentence in browser.get(path).text


@pytest.mark.parametrize(
    "url", ["postgresql://u:secret@127.0.0.1:1/x", "sqlite:////nowhere/at/all.sqlite3", "sqlite:///{tmp}/bare.sqlite3"]
)
def test_an_unreachable_ledger_is_a_sentence(
    stranger: NewBrowser, settings: Settings, clock: Clock, tmp_path: object, url: str
) -> None:
    site = a_site(settings.model_copy(update={"database_url": url.format(tmp=tmp_path)}), clock)
    browser = stranger(site)
    assert browser.log_in().status_code == 303  # the password needs no ledger
    token = ""
    for path in ("/", "/quarantine", "/connection", "/audit", f"/lessons/{DONE}", f"/lessons/{DONE}/reel.gif"):
        answer = browser.get(path)
        assert answer.status_code == 503, path
        assert answer.headers["retry-after"] == "10"
        assert "The ledger" in answer.text
        assert "secret" not in answer.text
        token = re.findall(r'name="csrf" value="([^"]+)"', answer.text)[0]
    assert browser.post(f"/lessons/{DONE}/erase", {"csrf": token, "confirm": DONE}).status_code == 503


def test_a_fault_of_ours_tells_nothing(vera: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ledger, "count", lambda _self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        vera.get("/")
    vera.client._transport.raise_server_exceptions = False  # type: ignore[attr-defined]
    answer = vera.get("/")
    assert answer.status_code == 500
    assert "ZeroDivision" not in answer.text
    assert answer.headers["cache-control"] == "no-store"
