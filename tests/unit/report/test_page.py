"""The report's page: what it tells, what it keeps to itself, how large it gets, and that data stays text."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from shared.errors import LessonInvalid
from shared.reel import NoReelReason
from tests.unit.report.lessons import a_document, a_reel, no_reel, span, the_seconds
from workers.report import read_lesson, report_page, report_parts
from workers.report.view import outcome_of

EVIL = '<script>alert(1)</script><img src="//evil.example/x.gif" onerror=alert(1)>\'"&'


class Elements(HTMLParser):
    """Every element with its attributes, the text outside of style, and whether what opens is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in {"meta", "img"}:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.text += data

    def attributes(self, name: str) -> list[str]:
        return [attributes[name] for _, attributes in self.found if name in attributes]

    def named(self, tag: str) -> list[dict[str, str]]:
        return [attributes for found, attributes in self.found if found == tag]


def page(document: bytes, seconds: bytes | None, reel: bytes | None = None, *, mood_analytics: bool = False) -> str:
    return report_page(document, seconds, reel, mood_analytics=mood_analytics).decode()


def elements(*arguments: Any, **options: Any) -> Elements:
    return Elements(page(*arguments, **options))


@pytest.fixture(scope="module")
def whole() -> str:
    """A lesson with all that a page can show."""
    document = a_document(120, smiles=True, skipped=[{"side": "teacher", "recording": 1, "uri": "b.mp4", "reason": "is cut"}])
    return page(document, the_seconds(120, smiles=True), a_reel(), mood_analytics=True)


def test_nothing_runs_and_nothing_is_fetched(whole: str) -> None:
    found = Elements(whole)
    assert not found.named("script") + found.named("link") + found.named("iframe") + found.named("base") + found.named("form")
    assert [attributes for _, attributes in found.found if any(name.startswith("on") for name in attributes)] == []
    addresses = found.attributes("src") + found.attributes("href") + found.attributes("xlink:href")
    assert [address[:30] for address in addresses if not address.startswith(("#report-", "data:image/jpeg;base64,"))] == []
    assert "url(" not in whole
    assert "@import" not in whole
    policy = next(meta["content"] for meta in found.named("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline';")


def test_parts_hold_no_style_of_their_own() -> None:
    parts = report_parts(a_document(), the_seconds(), a_reel(), mood_analytics=False)
    found = Elements(parts.head_html + parts.body_html)
    assert found.attributes("style") == []
    assert found.named("style") == []
    assert [name for name in found.attributes("id") if not name.startswith("report-")] == []
    outside = [rule for rule in re.findall(r"([^{}]+)\{", parts.css) if not rule.strip().startswith(("@media", ".report"))]
    assert outside == []


def test_links_lead_somewhere_and_ids_are_unique(whole: str) -> None:
    found = Elements(whole)
    ids = found.attributes("id")
    assert len(ids) == len(set(ids))
    referred = {target.removeprefix("#") for target in found.attributes("href")}
    referred |= {
        name for key in ("aria-labelledby", "aria-describedby") for value in found.attributes(key) for name in value.split()
    }
    assert referred <= set(ids)
    # Each moment has a mark in both sizes of the chart, and a way back.
    assert sum(target == "#report-moment-4" for target in found.attributes("href")) == 2
    assert "#report-overview" in found.attributes("href")


def test_charts_are_named_and_the_page_has_an_order(whole: str) -> None:
    found = Elements(whole)
    charts = [svg for svg in found.named("svg") if "report-chart" in svg["class"]]
    # Lanes, parent, smile, each in both sizes; whoever holds links is no picture.
    assert [svg["role"] for svg in charts] == ["group"] * 2 + ["img"] * 4
    assert all(svg["aria-labelledby"] and svg["aria-describedby"] for svg in charts)
    levels = [int(tag[1]) for tag, _ in found.found if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert set(levels[1:]) == {2}
    tables = [tag for tag, _ in found.found if tag in {"table", "caption"}]
    assert tables == ["table", "caption"] * (len(tables) // 2)
    assert found.named("html") == [{"lang": "en"}]


def test_pictures_stand_in_order_of_time_and_the_first_of_the_reel_is_told(whole: str) -> None:
    found = Elements(whole)
    pictures = [picture for picture in found.named("img") if picture["src"].startswith("data:image/jpeg")]
    assert [picture["alt"] for picture in pictures][:2] == ["Moment 1, at 0:06", "Moment 2, at 0:20"]
    assert len(pictures) == len({picture["src"] for picture in pictures}) == 9
    fifth = whole[whole.index('id="report-moment-5"') : whole.index('id="report-moment-6"')]
    assert "Opens the reel" in fifth
    assert whole.count("Opens the reel") == 1


def test_smiles_are_shown_if_they_may_be(whole: str) -> None:
    assert "P(smile), smoothed" in whole
    assert "P(smile) 0.88" in whole
    assert ">P(smile)</th>" in whole


@pytest.mark.parametrize("kept_in_files", [True, False])
def test_without_mood_analytics_no_smile_score_is_anywhere(kept_in_files: bool) -> None:
    shown = page(a_document(smiles=kept_in_files), the_seconds(smiles=kept_in_files))
    assert "mood analytics is switched off" in shown
    assert "P(smile" not in shown
    assert "0.88" not in re.sub(r"<svg.*?</svg>", "", shown, flags=re.DOTALL)
    assert shown == page(a_document(), the_seconds())


def test_without_per_second_data_the_rest_is_shown() -> None:
    shown = elements(a_document(smiles=True), None, a_reel(), mood_analytics=True)
    assert "no per-second data" in shown.text
    assert "P(smile" not in shown.text
    assert "off once, 2 s in all" in shown.text
    assert len(shown.named("img")) == 9


@pytest.mark.parametrize("reason", NoReelReason)
def test_every_reason_is_told_in_plain_words(reason: NoReelReason) -> None:
    said = outcome_of(read_lesson(no_reel(str(reason), "3 of 9"), None))
    assert said == f"There is no reel: {reason.explanation} (3 of 9)."


def test_a_reason_of_a_later_release_is_told_as_it_stands() -> None:
    assert outcome_of(read_lesson(no_reel("rain"), None)) == "There is no reel: rain."


def test_a_lesson_without_a_reel_says_why_at_the_top_and_in_place_of_pictures() -> None:
    shown = elements(no_reel("too_few_smiles"), the_seconds())
    assert shown.text.count("There is no reel: there were too few good smiles.") == 2
    assert shown.named("img") == []


def test_a_lesson_without_a_teacher() -> None:
    shown = elements(a_document(bounded_by="student"), the_seconds(every={"teacher_on": ""}))
    assert "Teacher's camera: no recording" in shown.text
    assert "no recording of the teacher" in shown.text


def test_nominal_times_are_not_shown_as_a_date() -> None:
    shown = elements(a_document(clock="nominal"), the_seconds())
    assert "2026" not in shown.text
    assert "UTC" not in shown.text
    assert "count from the lesson's start" in shown.text


def test_a_lesson_without_faces_has_no_curve_of_an_adult_or_a_smile() -> None:
    nobody = {"faces": 0, "child_faces": 0, "adult_faces": 0, "p_smile": "", "p_adult_face": "", "p_child": ""}
    shown = elements(no_reel("no_face"), the_seconds(every=nobody), mood_analytics=True)
    assert "P(an adult looks into the camera): never known." in shown.text
    assert "There is no smile curve, as no face was seen." in shown.text


def test_an_empty_lesson_is_a_page() -> None:
    shown = elements(no_reel("too_short", n_seconds=0, disconnects={}, parent_shoulder=[]), the_seconds(0))
    assert "There is no reel: the lesson is shorter than a reel needs." in shown.text
    assert "no second of the recordings could be looked at" in shown.text


def test_markup_in_data_stays_text() -> None:
    skipped = [{"side": "student", "recording": 0, "uri": EVIL, "from_second": 1, "to_second": 2, "reason": EVIL}]
    document = no_reel(EVIL, EVIL, lesson_id=EVIL, subject=EVIL, bounded_by=EVIL, skipped=skipped)
    shown = elements(document, the_seconds())
    assert not shown.named("script") + shown.named("img")
    assert shown.text.count(EVIL) >= 5
    assert shown.attributes("onerror") == []


def test_template_syntax_in_data_stays_text() -> None:
    shown = elements(no_reel("{{ 7 * 7 }}{% raw %}", skipped=[]), the_seconds())
    assert "{{ 7 * 7 }}{% raw %}" in shown.text


@pytest.mark.parametrize("n_seconds", [2700, 21_600])
def test_a_long_lesson_stays_below_a_megabyte(n_seconds: int) -> None:
    gaps = [span(second, second + 5) for second in range(0, n_seconds, 20)]
    skip = {"side": "student", "recording": 0, "from_second": 1, "to_second": 2, "reason": "cut " * 20}
    skips = [skip] * n_seconds
    document = a_document(n_seconds, smiles=True, disconnects={"student": gaps, "teacher": gaps}, skipped=skips)
    shown = page(document, the_seconds(n_seconds, smiles=True), a_reel(), mood_analytics=True)
    assert len(shown.encode()) < 1_000_000
    assert f"And {n_seconds - 200} more." in shown


@pytest.mark.parametrize("reel", [a_reel(3), None])
def test_pictures_that_do_not_fit_the_moments_are_left_out(reel: bytes | None) -> None:
    shown = elements(a_document(), the_seconds(), reel)
    assert shown.named("img") == []
    assert "The pictures are not at hand" in shown.text


@pytest.mark.parametrize("reel", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n" + bytes(40), a_reel()[:5000]])
def test_a_reel_that_is_no_gif_is_named(reel: bytes) -> None:
    with pytest.raises(LessonInvalid, match=r"The file reel\.gif cannot be read"):
        page(a_document(), the_seconds(), reel)
