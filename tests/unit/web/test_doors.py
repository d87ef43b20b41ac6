"""Forged forms, foreign hosts, proxies, headers: what a browser or somebody on the way may try."""

from __future__ import annotations

import pytest

from shared.errors import SettingsInvalid
from shared.ledger import Ledger, LessonState
from shared.settings import Settings
from tests.unit.web.conftest import Browser, Clock, NewBrowser, a_site, token_of
from tests.unit.web.house import DONE, QUARANTINED
from workers.web.app import DONE as DEEDS
from workers.web.guard import CONTENT_POLICY, HEADERS
from workers.web.options import web_options
from workers.web.site import Site

FORM = "application/x-www-form-urlencoded"
PROXIED = web_options(proxy_header="X-Forwarded-User", trusted_proxies=["10.0.0.7", "fd00::/64"])


def untouched(ledger: Ledger) -> bool:
    """Nobody has done anything."""
    record = ledger.read(DONE)
    return record is not None and record.consent.process and ledger.audit.entries() == []


@pytest.mark.parametrize("path", DEEDS)
@pytest.mark.parametrize("kind", ["missing", "empty", "forged", "of another session", "twice"])
def test_a_form_without_our_token_does_nothing(vera: Browser, stranger: NewBrowser, ledger: Ledger, path: str, kind: str) -> None:
    other = stranger()
    other.log_in("Oleg")
    tokens = {"missing": None, "empty": "", "forged": "x" * 43, "of another session": other.token(), "twice": "twice"}
    form = {"confirm": DONE, "withdraw-process": "yes", "sure": "yes"}
    if (token := tokens[kind]) is not None:
        form["csrf"] = token
    if kind == "twice":
        mine = vera.token()
        answer = vera.client.post(
            path.replace("{lesson_id}", DONE), content=f"csrf={mine}&csrf={mine}&confirm={DONE}", headers={"content-type": FORM}
        )
    else:
        answer = vera.post(path.replace("{lesson_id}", DONE), form)
    assert answer.status_code == 403
    assert "was not sent from this page" in answer.text
    assert untouched(ledger)
    assert vera.get("/").status_code == 200


def test_a_form_from_another_site_does_nothing_even_with_the_token(vera: Browser, ledger: Ledger) -> None:
    for site in ("cross-site", "same-site"):
        form = {"csrf": vera.token(), "confirm": DONE}
        assert vera.post(f"/lessons/{DONE}/erase", form, headers={"sec-fetch-site": site}).status_code == 403
    assert untouched(ledger)


def test_only_small_plain_forms_are_read(vera: Browser, ledger: Ledger) -> None:
    token, path = vera.token(), f"/lessons/{DONE}/erase"
    send = vera.client.post
    assert send(path, json={"csrf": token, "confirm": DONE}).status_code == 403
    assert send(path, files={"csrf": (None, token), "confirm": (None, DONE)}).status_code == 403
    many = "&".join(f"f{n}=1" for n in range(30))
    for body in (f"csrf={token}&confirm={DONE}&{many}", f"csrf={token}&confirm=%ff%fe"):
        assert send(path, content=body, headers={"content-type": FORM}).status_code == 403
    large = send(path, content=f"csrf={token}&confirm=" + "x" * 100_000, headers={"content-type": FORM})
    assert large.status_code in {403, 413}
    assert untouched(ledger)


def test_a_link_does_no_deed(vera: Browser, ledger: Ledger) -> None:
    for path in DEEDS:
        answer = vera.get(path.replace("{lesson_id}", DONE))
        assert answer.status_code in {200, 405}  # some addresses show a form
    assert untouched(ledger)


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "127.0.0.1:8301", "localhost.evil.example:8300", "", "127.0.0.1:8300."]
)
def test_a_name_that_is_not_ours_gets_no_answer(vera: Browser, host: str) -> None:
    for path in ("/", "/login", "/static/web.css", "/nowhere"):
        answer = vera.get(path, headers={"host": host})
        assert answer.status_code == 421
        assert answer.headers["content-security-policy"] == CONTENT_POLICY
        assert host == "" or host not in answer.text


def test_our_own_names_do(vera: Browser) -> None:
    for host in ("127.0.0.1:8300", "localhost:8300", "[::1]:8300", "LOCALHOST:8300"):
        assert vera.get("/", headers={"host": host}).status_code in {200, 303}


@pytest.mark.parametrize(
    "path", ["/", "/login", f"/lessons/{DONE}", f"/lessons/{DONE}/poster.jpg", "/nowhere", "/lessons/unknown", "/static/nowhere"]
)
def test_every_answer_shuts_the_browsers_doors(vera: Browser, path: str) -> None:
    answer = vera.get(path)
    for name, value in HEADERS.items():
        assert answer.headers[name] == value
    assert "script-src" not in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert "no-store" in answer.headers["cache-control"]
    assert "server" not in answer.headers


def test_no_page_holds_script_or_inline_style(vera: Browser) -> None:
    for path in (
        "/",
        "/quarantine",
        "/connection",
        "/audit",
        f"/lessons/{DONE}",
        f"/lessons/{DONE}/erase",
        f"/lessons/{DONE}/consent",
    ):
        text = vera.get(path).text
        for sign in ("<script", "<style", " style=", " onclick", "javascript:", "http://", "https://"):
            assert sign not in text, (path, sign)


def test_style_sheets_need_no_log_in_and_nothing_else_lies_there(stranger: NewBrowser) -> None:
    browser = stranger()
    assert browser.get("/static/web.css").headers["content-type"].startswith("text/css")
    for path in ("/static/", "/static/../app.py", "/static/%2e%2e/app.py", "/static/web.css/", "/static/..%2fapp.py"):
        assert browser.get(path).status_code == 404


@pytest.fixture
def proxied(settings: Settings, clock: Clock) -> Site:
    return a_site(settings, clock, PROXIED)


def test_whom_the_proxy_vouches_for_comes_in(stranger: NewBrowser, proxied: Site, ledger: Ledger) -> None:
    browser = stranger(proxied, address="10.0.0.7")
    browser.client.headers["X-Forwarded-User"] = "vera@school.example"
    page = browser.get("/")
    assert page.status_code == 200
    assert "vera@school.example" in page.text
    assert "Log out" not in page.text
    assert browser.get("/login").headers["location"] == "/"
    assert browser.post(f"/lessons/{QUARANTINED}/retry", {"csrf": token_of(browser.get("/quarantine"))}).status_code == 303
    assert [(entry.actor, entry.action) for entry in ledger.audit.entries()] == [("proxy:vera@school.example", "retry")]


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.8", "testclient", "::1"])
def test_the_header_of_anybody_else_is_not_believed(stranger: NewBrowser, proxied: Site, address: str) -> None:
    browser = stranger(proxied, address=address)
    answer = browser.get("/", headers={"X-Forwarded-User": "vera", "X-Forwarded-For": "10.0.0.7"})
    assert answer.status_code == 403
    assert DONE not in answer.text


def test_a_proxy_that_says_nothing_or_too_much(stranger: NewBrowser, proxied: Site) -> None:
    browser = stranger(proxied, address="::ffff:10.0.0.7")
    for headers in ([], [("X-Forwarded-User", "")], [("X-Forwarded-User", "a"), ("X-Forwarded-User", "b")]):
        assert browser.get("/", headers=headers).status_code == 401
    assert browser.get("/", headers=[("X-Forwarded-User", "vera")]).status_code == 200


def test_the_session_of_another_user_is_not_this_users(stranger: NewBrowser, proxied: Site, ledger: Ledger) -> None:
    browser = stranger(proxied, address="10.0.0.7")
    token = token_of(browser.get("/quarantine", headers={"X-Forwarded-User": "vera"}))
    answer = browser.post(f"/lessons/{QUARANTINED}/retry", {"csrf": token}, headers={"X-Forwarded-User": "oleg"})
    assert answer.status_code == 403
    assert untouched(ledger)
    assert token not in browser.get("/quarantine", headers={"X-Forwarded-User": "oleg"}).text
    record = ledger.read(QUARANTINED)
    assert record is not None
    assert record.state is LessonState.QUARANTINED


def test_the_header_means_nothing_where_it_was_not_switched_on(stranger: NewBrowser) -> None:
    assert stranger().get("/", headers={"X-Forwarded-User": "vera"}).status_code == 303


def test_guessers_behind_a_trusted_proxy_are_told_apart(stranger: NewBrowser, settings: Settings, clock: Clock) -> None:
    site = a_site(settings, clock, web_options(public_url="https://lessons.example", trusted_proxies=["10.0.0.7"]))
    browser = stranger(site, "https://lessons.example", "10.0.0.7")
    bad, good = {"X-Forwarded-For": "203.0.113.1"}, {"X-Forwarded-For": "203.0.113.1, 203.0.113.2"}
    assert [browser.log_in(password="x", headers=bad).status_code for _ in range(6)] == [401] * 5 + [429]
    assert browser.log_in(headers=good).status_code == 303


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"proxy_header": "X-Forwarded-User"}, "--proxy-header needs --trusted-proxy"),
        ({"proxy_header": "a b", "trusted_proxies": ["::1"]}, "takes the name of a header"),
        ({"trusted_proxies": ["proxy.example"]}, "--trusted-proxy takes an address"),
        ({"host": "0.0.0.0"}, "needs --public-url"),
        ({"host": "lessons.example"}, "needs --public-url"),
        ({"public_url": "http://lessons.example"}, "must be https, or http of this machine alone"),
        ({"public_url": "http://127.0.0.1"}, "must be https, or http of this machine alone"),
        ({"public_url": "http://127.0.0.1:8300/path"}, "must be https, or http of this machine alone"),
        ({"public_url": "https://lessons.example/path"}, "must look like https://"),
        ({"public_url": "https://user@lessons.example"}, "must look like https://"),
        ({"public_url": "https://lessons.example:port"}, "must look like https://"),
        ({"public_url": "lessons.example"}, "must look like https://"),
    ],
)
def test_options_that_do_not_go_together(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(SettingsInvalid, match=sentence):
        web_options(**options)  # type: ignore[arg-type]


def test_names_by_which_the_page_is_called() -> None:
    assert web_options(public_url="https://Lessons.Example/").allowed_hosts == {"lessons.example", "lessons.example:443"}
    assert web_options(public_url="https://[fd00::1]:8443").allowed_hosts == {"[fd00::1]:8443"}
    assert "127.0.0.1" in web_options(port=80).allowed_hosts
    assert web_options(host="::1").is_local
    contained = web_options(host="0.0.0.0", public_url="http://127.0.0.1:8301")
    assert (contained.secure, "127.0.0.1:8301" in contained.allowed_hosts, "8301" in contained.allowed_hosts) == (
        False,
        True,
        False,
    )
    assert not web_options(host="0.0.0.0", public_url="https://a.example").is_local
