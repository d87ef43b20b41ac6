"""The e-mail in a real Chromium: light, dark, without pictures, wide and narrow; and that it asks nobody for anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from shared.mail.message import build_message

from .builders import a_letter, a_reel, as_shown, pictures

pytestmark = pytest.mark.browser
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run",
]  # fmt: skip
# Of the text and of what lies behind it, by WCAG 2.2's formula for relative luminance.
CONTRAST = """selector => {
    const light = colour => colour.match(/[\\d.]+/g).slice(0, 3).map(Number).map(v => v / 255)
        .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    return [...document.querySelectorAll(selector)].map(node => {
        let behind = node;
        while (getComputedStyle(behind).backgroundColor === 'rgba(0, 0, 0, 0)') behind = behind.parentElement;
        const two = [getComputedStyle(node).color, getComputedStyle(behind).backgroundColor].map(light).sort((a, b) => b - a);
        return (two[0] + 0.05) / (two[1] + 0.05);
    });
}"""


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """Drives the system's Chromium."""
    with sync_playwright() as driver:
        yield driver


@contextmanager
def chromium(driver: Playwright, *more: str) -> Iterator[Browser]:
    """A browser with an empty profile."""
    browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=[*ARGUMENTS, *more])
    try:
        yield browser
    finally:
        browser.close()


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """With pictures."""
    with chromium(playwright) as made:
        yield made


def opened(
    browser: Browser, *, width: int = 600, scheme: Any = "light", motion: Any = "no-preference", **letter: Any
) -> tuple[Page, list[str]]:
    """The e-mail as a mail program shows it, and what it asked for, all of which is refused."""
    page = browser.new_context(color_scheme=scheme, reduced_motion=motion, viewport={"width": width, "height": 800}).new_page()
    asked: list[str] = []
    page.route(lambda address: not address.startswith(("data:", "about:")), lambda route: route.abort())
    page.on("request", lambda request: asked.append(request.url))
    page.set_content(as_shown(build_message(a_letter(**letter), a_reel(), pictures())))
    return page, [address for address in asked if not address.startswith("data:")]


@pytest.mark.parametrize("width", [600, 390, 320])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", [None, "W" * 80])
def test_it_fits_and_can_be_read(browser: Browser, width: int, scheme: str, name: str | None) -> None:
    page, asked = opened(browser, width=width, scheme=scheme, language="ru", name=name, withdraw="https://school.example/w")
    assert asked == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    for selector in ("h1", "p", "p a"):
        contrasts = page.evaluate(CONTRAST, selector)
        assert contrasts
        assert min(contrasts) >= 4.5, selector
    brightness = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0]")
    assert (brightness > 128) == (scheme == "light")
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser: Browser, scheme: str) -> None:
    page, _ = opened(browser, scheme=scheme, language="ru", withdraw="https://school.example/w")
    found = Axe().run(page)
    assert found.response["passes"]
    assert [fault["id"] for fault in found.response["violations"]] == []
    page.context.close()


def test_the_reel_is_shown_in_its_size(browser: Browser) -> None:
    for width, shown in ((600, 320), (390, 320), (320, 256)):
        page, _ = opened(browser, width=width)
        size = page.evaluate(
            "(({naturalWidth, clientWidth, clientHeight}) => [naturalWidth, clientWidth, clientHeight])(document.images[0])"
        )
        assert size == [320, shown, shown]
        assert page.evaluate("document.images[0].currentSrc").startswith("data:image/gif")
        page.context.close()


def test_who_asked_for_less_motion_gets_the_poster(browser: Browser) -> None:
    page, _ = opened(browser, motion="reduce")
    assert page.evaluate("document.images[0].currentSrc").startswith("data:image/jpeg")
    assert page.evaluate("document.images[0].naturalWidth") == 320
    page.context.close()


def test_without_pictures_the_alt_text_has_their_place(playwright: Playwright) -> None:
    with chromium(playwright, "--blink-settings=imagesEnabled=false") as browser:
        for scheme in ("light", "dark"):
            page, asked = opened(browser, scheme=scheme, width=390, language="ru")
            assert asked == []
            image = page.get_by_role("img", name="Ваш ребёнок на уроке: 9 улыбок")
            assert image.bounding_box() is not None
            assert page.evaluate("[document.images[0].naturalWidth, document.images[0].clientHeight]") == [0, 320]
            assert page.evaluate(CONTRAST, "img")[0] >= 4.5
            page.context.close()
