"""Who comes in: the password, sessions, guessers, cookies."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable

import pytest

from shared.errors import SettingsInvalid
from shared.settings import Settings
from tests.unit.web.conftest import Browser, Clock, NewBrowser, a_site
from tests.unit.web.house import DONE, QUARANTINED
from workers.web.app import DONE as DEEDS
from workers.web.app import SHOWN
from workers.web.options import web_options
from workers.web.password import PasswordFile
from workers.web.site import Site


@pytest.mark.parametrize("path", SHOWN)
def test_nobody_sees_a_page_without_logging_in(stranger: NewBrowser, path: str) -> None:
    answer = stranger().get(path.replace("{lesson_id}", DONE))
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login")
    assert DONE not in answer.text


@pytest.mark.parametrize("path", DEEDS)
def test_nobody_does_anything_without_logging_in(stranger: NewBrowser, path: str, site: Site) -> None:
    for form in ({}, {"csrf": "x", "confirm": DONE}):
        answer = stranger().post(path.replace("{lesson_id}", DONE), form)
        assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert site.ledger.read(DONE) is not None
    assert site.ledger.audit.entries() == []


def test_the_password_leads_to_the_page_that_was_asked_for(stranger: NewBrowser) -> None:
    browser = stranger()
    asked = browser.get(f"/lessons/{DONE}?play=1")
    form = browser.get(asked.headers["location"])
    assert f'value="/lessons/{DONE}?play=1"' in form.text
    done = browser.log_in(wanted=f"/lessons/{DONE}?play=1")
    assert (done.status_code, done.headers["location"]) == (303, f"/lessons/{DONE}?play=1")
    page = browser.get(f"/lessons/{DONE}")
    assert page.status_code == 200
    assert "Vera" in page.text


@pytest.mark.parametrize(
    "elsewhere", ["//evil.example", "/\\evil.example", "https://evil.example", "/\tevil", "/%0d%0aX:1\r\n", "x"]
)
def test_it_leads_nowhere_else(stranger: NewBrowser, elsewhere: str) -> None:
    assert stranger().log_in(wanted=elsewhere).headers["location"] == "/"
    assert "evil" not in stranger().get("/login", params={"next": elsewhere}).text


def test_a_wrong_password_or_a_nameless_person_stays_outside(stranger: NewBrowser) -> None:
    browser = stranger()
    wrong = browser.log_in(password="wrong")
    assert wrong.status_code == 401
    assert "That is not the password." in wrong.text
    for nameless in ("", "   ", "a\x00b", "x" * 101):
        assert browser.log_in(user=nameless).status_code == 400
    assert browser.get("/").status_code == 303


def test_guessers_wait_and_others_do_not(stranger: NewBrowser) -> None:
    guesser = stranger()
    assert [guesser.log_in(password=f"guess-{n}").status_code for n in range(5)] == [401] * 5
    refused = guesser.log_in()  # the right one, too late
    assert refused.status_code == 429
    assert 800 < int(refused.headers["retry-after"]) <= 900
    assert "15 minutes" in refused.text
    assert stranger(address="127.0.0.9").log_in().status_code == 303


def test_a_log_in_form_of_another_browser_or_of_somebody_elses_page_is_refused(stranger: NewBrowser) -> None:
    mine, theirs = stranger(), stranger()
    theirs_token = theirs.token("/login")
    mine.get("/login")
    for token in ("", "x", theirs_token):
        answer = mine.post("/login", {"csrf": token, "user": "Vera", "password": mine.password})
        assert answer.status_code == 403
    assert mine.get("/").status_code == 303


def test_a_new_number_with_each_log_in(stranger: NewBrowser) -> None:
    browser = stranger()
    browser.log_in()
    first = browser.client.cookies["smilereel"]
    browser.log_in()
    second = browser.client.cookies["smilereel"]
    assert first != second
    planted = stranger()
    planted.client.cookies.set("smilereel", first)
    assert planted.get("/").status_code == 303


def test_logging_out_ends_the_session_itself(vera: Browser, stranger: NewBrowser) -> None:
    cookie = vera.client.cookies["smilereel"]
    out = vera.do("/logout")
    assert (out.status_code, out.headers["location"]) == (303, "/login")
    assert "smilereel" not in vera.client.cookies
    thief = stranger()
    thief.client.cookies.set("smilereel", cookie)
    assert thief.get("/").status_code == 303


@pytest.mark.parametrize(
    "forge",
    [lambda c: c[:9] + ("A" if c[9] != "A" else "B") + c[10:], lambda c: "x" + c, lambda c: c.split(".")[0], lambda _: "é"],
)
def test_a_forged_cookie_is_none(vera: Browser, stranger: NewBrowser, forge: Callable[[str], str]) -> None:
    forger = stranger()
    forged = forge(vera.client.cookies["smilereel"])
    answer = forger.get("/", headers={"cookie": f"smilereel={forged}".encode("latin-1")})
    assert answer.status_code == 303


def test_sessions_expire(vera: Browser, stranger: NewBrowser, clock: Clock) -> None:
    for _ in range(12):
        clock.seconds += 3500  # never idle for an hour
        assert vera.get("/").status_code == 200
    clock.seconds += 3500  # begun more than twelve hours ago
    assert vera.get("/").status_code == 303
    idle = stranger()
    idle.log_in()
    clock.seconds += 3601
    assert idle.get("/").status_code == 303
    answer = idle.post(f"/lessons/{QUARANTINED}/retry", {"csrf": "x"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")


def test_another_password_ends_all_sessions(vera: Browser, site: Site) -> None:
    new = site.password.make()
    assert vera.get("/").status_code == 303
    assert vera.log_in().status_code == 401
    assert vera.log_in(password=new).status_code == 303


def test_cookies_are_for_this_browser_alone(settings: Settings, stranger: NewBrowser, clock: Clock) -> None:
    here = stranger().log_in().headers["set-cookie"]
    assert re.fullmatch(r"smilereel=[^;]+; HttpOnly; Max-Age=43200; Path=/; SameSite=strict", here)
    far = a_site(settings, clock, web_options(host="0.0.0.0", public_url="https://lessons.example"))
    browser = stranger(far, "https://lessons.example")
    there = browser.log_in().headers["set-cookie"]
    assert re.fullmatch(r"__Host-smilereel=[^;]+; HttpOnly; Max-Age=43200; Path=/; SameSite=strict; Secure", there)
    assert browser.get("/").status_code == 200
    out = browser.do("/logout").headers["set-cookie"]
    assert out.startswith('__Host-smilereel="";')
    assert "Secure" in out


def test_the_password_is_kept_as_a_hash_for_its_owner_alone(site: Site, password: str) -> None:
    file = site.password.path
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert re.fullmatch(r"[a-z2-9]{5}(-[a-z2-9]{5}){4}", password)
    text = file.read_text()
    assert password not in text
    assert text.startswith("scrypt$10$8$1$")  # the tests' cost
    assert site.password.verify(password)
    assert not site.password.verify(password + "x")
    assert not site.password.verify("x" * 1_000_000)
    assert [path.name for path in file.parent.iterdir() if path.name.startswith("web-password.")] == []


def test_a_password_file_that_cannot_be_used(site: Site, password: str, stranger: NewBrowser) -> None:
    file = site.password
    file.path.chmod(0o640)
    with pytest.raises(SettingsInvalid, match="chmod 600"):
        file.verify(password)
    file.path.chmod(0o600)
    for text in ("", "scrypt$1$8$1$eA==$eA==", "scrypt$10$8$1$!$eA==", "scrypt$10$8$1$$", "x$" * 9):
        file.path.write_text(text)
        with pytest.raises(SettingsInvalid, match="holds no password's hash"):
            file.verify(password)
    file.path.unlink()
    with pytest.raises(SettingsInvalid, match="--new-password"):
        file.mark()
    answer = stranger().get("/")
    assert answer.status_code == 503
    assert "--new-password" in answer.text


def test_a_folder_that_cannot_be_made(settings: Settings) -> None:
    blocked = settings.web_password_file.with_name("a-file")
    blocked.write_text("")
    with pytest.raises(SettingsInvalid, match="SMILEREEL_WEB_PASSWORD_FILE"):
        PasswordFile(blocked / "web-password").make()
