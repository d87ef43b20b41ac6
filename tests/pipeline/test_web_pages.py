"""`smilereel web` as people meet it: the command's own process and a real Chromium, wide and narrow, by mouse and by keyboard."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from shared.settings import Settings
from tests.unit.web.house import DONE, LONGEST_ID, NO_ANALYTICS, QUARANTINED, furnish, lengthen, settings_in

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no Chromium at {CHROMIUM}: install it to see the pages"),
]
PAGES = {
    "lessons": "/",
    "nothing found": "/?state=cancelled&id=x",
    "set aside": "/quarantine",
    "connections": "/connection",
    "audit": "/audit",
    "lesson": f"/lessons/{DONE}",
    "lesson in work": "/lessons/lesson-in-work",
    "lesson set aside": f"/lessons/{QUARANTINED}",
    "report": f"/lessons/{DONE}/report",
    "consent": f"/lessons/{DONE}/consent",
    "erase": f"/lessons/{DONE}/erase",
    "longest": f"/lessons/{LONGEST_ID[:-1]}",
    "longest, erase": f"/lessons/{LONGEST_ID}/erase",
    "longest, set aside": f"/lessons/{LONGEST_ID}",
    "not found": "/lessons/unknown",
}
WIDE, NARROW = 1280, 390


@dataclass(frozen=True)
class Served:
    """A running page and how to get in."""

    address: str
    password: str
    settings: Settings


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


@contextmanager
def web(settings: Settings, **more: str) -> Iterator[Served]:
    """The command in a process of its own."""
    values = {name: str(getattr(settings, name)) for name in ("database_url", "store_url", "redis_url", "web_password_file")}
    environment = {**os.environ, **{f"SMILEREEL_{name}".upper(): value for name, value in {**values, **more}.items()}}
    command = [sys.executable, "-m", "workers", "web", "--port", str(free_port())]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        said = ""
        while "Ctrl-C" not in said:
            line = process.stdout.readline()
            assert line, f"the page did not start: {said}"
            said += line
        password, address = re.search(r"password: (\S+)", said), re.search(r"^(http\S+)/ ", said, re.MULTILINE)
        assert password, said
        assert address, said
        assert said.count(password[1]) == 1
        yield Served(address[1], password[1], settings)
    finally:
        process.terminate()
        assert process.wait(20) in {0, -15, 143}
        if process.stdout:
            process.stdout.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One for the tests that only look."""
    settings = settings_in(tmp_path_factory.mktemp("web"))
    furnish(settings)
    lengthen(settings)
    with web(settings, reel_approval="true") as running:
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


class Visitor:
    """A browser window that notes what it asked for and what it complained about."""

    def __init__(self, context: BrowserContext, served: Served) -> None:
        self.page, self.served = context.new_page(), served
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda said: self.complaints.append(said.text) if said.type in {"error", "warning"} else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def open(self, path: str) -> Page:
        self.page.goto(self.served.address + path)
        return self.page

    def log_in(self, name: str = "Vera") -> None:
        self.open("/login")
        self.page.get_by_label("Your name").fill(name)
        self.page.get_by_label("Password").fill(self.served.password)
        self.page.get_by_role("button", name="Log in").click()
        expect(self.page.get_by_role("heading", level=1)).to_have_text("Lessons")

    def asked_only_us(self) -> bool:
        ours = urlsplit(self.served.address).netloc
        return all(urlsplit(url).netloc == ours for url in self.asked if not url.startswith("data:"))


@contextmanager
def visiting(chromium: Browser, served: Served, width: int = WIDE, **options: Any) -> Iterator[Visitor]:
    context = chromium.new_context(viewport={"width": width, "height": 800}, **options)
    context.set_default_timeout(10_000)
    try:
        yield Visitor(context, served)
    finally:
        context.close()


def stays_inside(page: Page) -> bool:
    """Nothing has to be scrolled sideways."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


def faults(page: Page) -> list[str]:
    """What axe-core finds serious or critical."""
    found = Axe().run(page).response["violations"]
    return [f"{each['id']}: {each['nodes'][0]['html']}" for each in found if each["impact"] in {"serious", "critical"}]


@pytest.mark.parametrize(("width", "scheme"), [(WIDE, "light"), (NARROW, "light"), (NARROW, "dark")])
def test_each_page_fits_is_accessible_and_asks_nobody_else(chromium: Browser, served: Served, width: int, scheme: Any) -> None:
    with visiting(chromium, served, width, color_scheme=scheme) as visitor:
        page = visitor.open("/")
        assert faults(page) == []
        assert stays_inside(page)
        visitor.log_in()
        for name, path in PAGES.items():
            page = visitor.open(path)
            assert stays_inside(page), name
            assert page.get_by_role("heading", level=1).count() == 1, name
            visitor.complaints = [text for text in visitor.complaints if "404" not in text or name != "not found"]
            assert visitor.complaints == [], name
            assert faults(page) == [], name
        assert visitor.asked_only_us()


def test_the_reel_plays_and_stands_still_again(chromium: Browser, served: Served) -> None:
    with visiting(chromium, served) as visitor:
        visitor.log_in()
        page = visitor.open(f"/lessons/{DONE}")
        for button, file in (("Play", "reel.gif"), ("Stop", "poster.jpg")):
            page.get_by_role("link", name=button).click()
            picture = page.locator(f"img[src$='{file}']")
            expect(picture).to_be_visible()
            assert picture.evaluate("async node => (await node.decode(), node.naturalWidth)") > 0
        assert visitor.complaints == []


def test_filters_and_the_way_to_a_lesson_on_a_telephone(chromium: Browser, served: Served) -> None:
    with visiting(chromium, served, NARROW) as visitor:
        visitor.log_in()
        page = visitor.page
        page.get_by_label("State", exact=True).select_option(label="reel made")
        page.get_by_label("Id begins with").fill("lesson-no")
        page.get_by_role("button", name="Show").click()
        page.get_by_role("link", name=NO_ANALYTICS).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(NO_ANALYTICS)
        page.get_by_role("button", name="Approve this reel").click()
        expect(page.get_by_role("status")).to_contain_text("The reel is approved")


def test_wrong_passwords_and_logging_out(chromium: Browser, served: Served) -> None:
    with visiting(chromium, served) as visitor:
        page = visitor.open(f"/lessons/{DONE}")
        page.get_by_label("Your name").fill("Vera")
        page.get_by_label("Password").fill("not this one")
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("alert")).to_have_text("That is not the password.")
        page.get_by_label("Your name").fill("Vera")
        page.get_by_label("Password").fill(served.password)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text(DONE)
        cookie = next(each for each in page.context.cookies() if each["name"] == "smilereel")
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
        page.go_back()
        expect(page.get_by_role("heading", level=1)).to_have_text("Log in")


def tab_to(page: Page, name: str) -> None:
    """Press Tab until the focus stands on what has this name, and see that the focus can be seen."""
    page.wait_for_load_state("load")  # A heading can be read before the stylesheet that draws the focus has come.
    for _ in range(60):
        page.keyboard.press("Tab")
        focused = page.evaluate(
            "(() => { const on = document.activeElement; const look = getComputedStyle(on);"
            " const label = on.labels && on.labels.length ? on.labels[0].innerText : on.innerText;"
            " return [(label || '').trim(), look.outlineStyle, parseFloat(look.outlineWidth)]; })()"
        )
        if focused[0] == name:
            assert focused[1] != "none", name
            assert focused[2] >= 2, name
            return
    raise AssertionError(f"the keyboard does not reach {name!r}")


def test_by_keyboard_alone_from_the_log_in_to_an_erased_lesson(chromium: Browser, tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    furnish(settings)
    with web(settings) as served, visiting(chromium, served) as visitor:
        page, keys = visitor.open("/"), visitor.page.keyboard
        tab_to(page, "Your name")
        keys.type("Vera")
        tab_to(page, "Password")
        keys.type(served.password)
        keys.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Lessons")
        tab_to(page, "Skip to the content")
        keys.press("Enter")
        tab_to(page, DONE)
        keys.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text(DONE)
        tab_to(page, "Erase …")
        keys.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Erase this lesson?")
        tab_to(page, "Write the lesson’s id to erase it")
        keys.type("another")
        keys.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("nothing was erased")
        tab_to(page, "Write the lesson’s id to erase it")
        keys.type(DONE)
        tab_to(page, "Erase for good")
        keys.press("Enter")
        expect(page.get_by_role("status")).to_contain_text(f"Lesson {DONE} is erased.")
        expect(page.get_by_role("link", name=DONE)).to_have_count(0)
        visitor.open("/audit")
        expect(page.get_by_role("cell", name="web:Vera")).to_be_visible()
        assert visitor.asked_only_us()
