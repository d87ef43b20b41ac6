"""The reel as HTML: what it holds, what it escapes, and that it is nothing where there is no reel or no way to find one."""

from __future__ import annotations

import logging
from html.parser import HTMLParser

import pytest

import shared.client
from shared.answers import PublishedReel
from shared.errors import LedgerAway
from shared.mail.fragment import ReelFragments

from .builders import a_reel, finder

NASTY = "\"><script>alert(1)</script>' onload=x &amp;{{ 7*7 }}{% x %}"


class Tags(HTMLParser):
    """All tags of a piece of HTML with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def one(self, tag: str) -> dict[str, str | None]:
        (attributes,) = [attributes for name, attributes in self.found if name == tag]
        return attributes


def test_what_it_holds() -> None:
    reel = a_reel()
    tags = Tags(ReelFragments(find=finder(reel)).render("lesson-1"))
    assert [name for name, _ in tags.found] == ["a", "picture", "source", "img"]
    img = tags.one("img")
    assert (img["src"], img["width"], img["height"]) == (reel.address, "320", "320")
    assert img["alt"] == "Your child in the lesson: 9 smiles"
    assert tags.one("a")["href"] == reel.address
    assert tags.one("source") == {"media": "(prefers-reduced-motion: reduce)", "srcset": reel.poster_address}


def test_language_name_link_and_still() -> None:
    reel = a_reel()
    html = ReelFragments(find=finder(reel), language="ru").render("lesson-1", name="Аня", link="https://school.example/l/1")
    assert Tags(html).one("img")["alt"] == "Аня на уроке: 9 улыбок"
    assert Tags(html).one("a")["href"] == "https://school.example/l/1"
    still = Tags(ReelFragments(find=finder(reel)).render("lesson-1", still=True))
    assert [name for name, _ in still.found] == ["a", "img"]
    assert still.one("img")["src"] == reel.poster_address
    assert still.one("img")["alt"] == "Your child in the lesson: 1 smile"


def test_a_large_reel_fits_the_column() -> None:
    img = Tags(ReelFragments(find=finder(a_reel(width=1024, height=512))).render("lesson-1")).one("img")
    assert (img["width"], img["height"]) == ("520", "260")


@pytest.mark.parametrize("where", ["name", "language"])
def test_everything_handed_in_is_escaped(where: str) -> None:
    options: dict[str, str] = {where: NASTY}
    tags = Tags(ReelFragments(find=finder(a_reel())).render("lesson-1", **options))  # type: ignore[arg-type]
    assert [name for name, _ in tags.found] == ["a", "picture", "source", "img"]
    assert set(tags.one("img")) == {"class", "src", "width", "height", "alt", "lang", "dir", "style"}
    if where == "name":
        assert tags.one("img")["alt"] == f"{NASTY[:80]} in the lesson: 9 smiles"


def test_an_address_is_escaped() -> None:
    reel = a_reel(address='https://store.example/a"b<c>&d', poster_address="https://store.example/'&p")
    tags = Tags(ReelFragments(find=finder(reel)).render("lesson-1"))
    assert tags.one("img")["src"] == reel.address
    assert tags.one("source")["srcset"] == reel.poster_address


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "data:text/html,x", "//x.example", "https://x.example/a b", "https://\nx", ""]
)
def test_a_link_that_is_no_web_address_is_left_out(link: str, caplog: pytest.LogCaptureFixture) -> None:
    html = ReelFragments(find=finder(a_reel())).render("lesson-1", link=link)
    assert "<img" in html
    assert "<a " not in html
    assert "lesson-1" in caplog.text


@pytest.mark.parametrize("lesson_id", ["unknown", "", None, 7, "'; DROP TABLE lesson; --", "<b>", "../../etc/passwd"])
def test_nothing_without_a_reel(lesson_id: object, caplog: pytest.LogCaptureFixture) -> None:
    assert ReelFragments(find=finder(a_reel())).render(lesson_id) == ""
    assert not caplog.records


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (LedgerAway("The ledger's database cannot be reached."), "The ledger's database cannot be reached."),
        (RuntimeError("postgresql://user:s3cret@db/x"), "RuntimeError"),
    ],
)
def test_a_database_that_is_away_is_a_line_in_the_log(error: Exception, told: str, caplog: pytest.LogCaptureFixture) -> None:
    def away(lesson_id: str) -> PublishedReel | None:
        raise error

    assert ReelFragments(find=away).render("lesson-1\nforged line") == ""
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == f"no reel in the e-mail of lesson 'lesson-1\\nforged line': {told}"


def test_an_address_in_a_folder_helps_nobody(caplog: pytest.LogCaptureFixture) -> None:
    reel = a_reel(address="file:///var/lib/smilereel/reel.gif", poster_address="file:///var/lib/smilereel/poster.jpg")
    assert ReelFragments(find=finder(reel)).render("lesson-1") == ""
    (record,) = caplog.records
    assert "/var/lib" not in record.getMessage()
    assert "lesson-1" in record.getMessage()


def test_it_asks_for_the_consent_to_e_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, dict[str, object]]] = []

    def find_reel(lesson_id: str, **options: object) -> PublishedReel | None:
        asked.append((lesson_id, options))
        return a_reel()

    monkeypatch.setattr(shared.client, "find_reel", find_reel)
    assert "<img" in ReelFragments().render("lesson-1")
    assert [(lesson_id, options["purpose"]) for lesson_id, options in asked] == [("lesson-1", "email")]
