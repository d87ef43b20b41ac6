"""The page in a real Chromium: at two widths, by keyboard, without a request, and past axe-core."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.report.lessons import a_document, a_reel, no_reel, span, the_seconds
from workers.report import report_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = Path("/usr/bin/chromium")
QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")
WIDTHS = (1280, 390)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no browser at {CHROMIUM}: install Debian's chromium"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu", *QUIET])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Addresses of a lesson of 45 minutes with all that a page can show, and of one that has nearly nothing."""
    folder = tmp_path_factory.mktemp("pages")
    gaps = {"student": [span(400, 403), span(1620, 1674)], "teacher": [span(2000, 2031)]}
    long_name = "a-folder-whose-name-does-not-end/" * 8
    skips = [{"side": "teacher", "recording": 1, "uri": long_name, "reason": "x" * 300}]
    whole = a_document(2700, smiles=True, disconnects=gaps, skipped=skips, lesson_id="l" * 128)
    made = {
        "whole": report_page(whole, the_seconds(2700, smiles=True), a_reel(), mood_analytics=True),
        "bare": report_page(no_reel("no_face", n_seconds=0), the_seconds(0), None, mood_analytics=False),
    }
    for name, page in made.items():
        (folder / f"{name}.html").write_bytes(page)
    return {name: (folder / f"{name}.html").as_uri() for name in made}


def opened(browser: Browser, address: str, width: int, **options: Any) -> tuple[Page, list[str]]:
    """The page, and what it asked for or complained of."""
    page = browser.new_page(viewport={"width": width, "height": 900}, **options)
    heard: list[str] = []
    page.on("request", lambda request: heard.append(request.url[:80]))
    page.on("console", lambda message: heard.append(message.text))
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.goto(address)
    return page, heard


@pytest.mark.parametrize("name", ["whole", "bare"])
@pytest.mark.parametrize("width", WIDTHS)
def test_it_asks_for_nothing_and_fits_the_window(browser: Browser, pages: dict[str, str], name: str, width: int) -> None:
    page, heard = opened(browser, pages[name], width)
    page.wait_for_load_state("networkidle")
    assert [line for line in heard if line != pages[name][:80] and not line.startswith("data:image/jpeg;base64,")] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    shown = page.evaluate("[...document.querySelectorAll('.report-chart')].map(svg => svg.getBoundingClientRect().width)")
    assert sum(chart > 0 for chart in shown) == len(shown) / 2
    page.close()


@pytest.mark.parametrize("name", ["whole", "bare"])
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light")])
def test_axe_finds_nothing_serious(browser: Browser, pages: dict[str, str], name: str, width: int, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    # The test itself brings a script, which the page's own policy would keep out.
    page, _ = opened(browser, pages[name], width, color_scheme=scheme, bypass_csp=True)
    page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true })")
    found = Axe().run(page).response
    assert len(found["passes"]) > 10
    serious = [rule for rule in found["violations"] if rule["impact"] in {"serious", "critical"}]
    assert [(rule["id"], [node["html"][:120] for node in rule["nodes"]]) for rule in serious] == []
    page.close()


def test_by_keyboard_from_the_skip_link_to_a_picture(browser: Browser, pages: dict[str, str]) -> None:
    page, _ = opened(browser, pages["whole"], 1280)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the report"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Moment 1, at 2:30"
    page.keyboard.press("Enter")
    picture = page.locator("#report-moment-1")
    assert page.url.endswith("#report-moment-1")
    assert picture.evaluate("element => getComputedStyle(element).outlineStyle") == "solid"
    box = picture.bounding_box()
    assert box is not None
    assert 0 <= box["y"] < 900
    page.close()


def test_a_click_on_a_mark_leads_to_its_picture(browser: Browser, pages: dict[str, str]) -> None:
    page, _ = opened(browser, pages["whole"], 390)
    page.locator("svg.report-narrow a[href='#report-moment-7'] path").click()
    assert page.url.endswith("#report-moment-7")
    page.close()


def test_in_print_charts_are_wide_and_the_table_is_there(browser: Browser, pages: dict[str, str]) -> None:
    page, _ = opened(browser, pages["whole"], 700, color_scheme="dark")
    page.emulate_media(media="print")
    assert page.locator("svg.report-wide").first.is_visible()
    assert not page.locator("svg.report-narrow").first.is_visible()
    assert page.locator(".report-data tbody tr").last.is_visible()
    assert page.evaluate("getComputedStyle(document.querySelector('h1')).color") == "rgb(31, 41, 51)"
    assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF-")
    page.close()
