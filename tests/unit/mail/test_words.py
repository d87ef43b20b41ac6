"""Texts by language: plural forms, fallbacks, catalogues that were handed in, and names as people have them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import shared.mail.words as module
from shared.mail.faults import WordsInvalid
from shared.mail.words import TEXTS, languages, parse_words, plain_name, shipped_catalogues, words_for

ENGLISH: dict[str, Any] = json.loads((Path(module.__file__).parent / "catalogues" / "en.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("n", "alt", "subject"),
    [
        (1, "Ваш ребёнок на уроке: 1 улыбка", "1 улыбка с урока"),
        (2, "Ваш ребёнок на уроке: 2 улыбки", "2 улыбки с урока"),
        (5, "Ваш ребёнок на уроке: 5 улыбок", "5 улыбок с урока"),
        (9, "Ваш ребёнок на уроке: 9 улыбок", "9 улыбок с урока"),
        (11, "Ваш ребёнок на уроке: 11 улыбок", "11 улыбок с урока"),
        (12, "Ваш ребёнок на уроке: 12 улыбок", "12 улыбок с урока"),
        (21, "Ваш ребёнок на уроке: 21 улыбка", "21 улыбка с урока"),
        (22, "Ваш ребёнок на уроке: 22 улыбки", "22 улыбки с урока"),
    ],
)
def test_russian_plurals(n: int, alt: str, subject: str) -> None:
    words = words_for("ru")
    assert (words.of_whom("alt", n, None), words.say("subject", n)) == (alt, subject)


def test_the_sentence_agrees_with_the_number() -> None:
    said = {n: words_for("ru").of_whom("sentence", n, "Аня").replace("\u00a0", " ") for n in (1, 2, 9)}
    assert "1 кадр, на котором улыбается Аня." in said[1]
    assert "2 кадра, на которых улыбается Аня." in said[2]
    assert "9 кадров, на которых улыбается Аня." in said[9]


@pytest.mark.parametrize(("n", "alt"), [(1, "1 smile"), (2, "2 smiles"), (9, "9 smiles"), (21, "21 smiles")])
def test_english_plurals(n: int, alt: str) -> None:
    assert words_for("en").of_whom("alt", n, None) == f"Your child in the lesson: {alt}"
    assert words_for("en").of_whom("alt", n, "Ann") == f"Ann in the lesson: {alt}"


@pytest.mark.parametrize(
    ("asked", "got"),
    [("ru", "ru"), ("ru-RU", "ru"), ("RU_ru", "ru"), ("en-GB", "en"), (None, "en"), ("", "en"), ("xx", "en"), ("../../ru", "en")],
)
def test_what_is_not_there_falls_back(asked: str | None, got: str) -> None:
    assert words_for(asked).language == got


def test_two_languages_are_shipped_and_whole() -> None:
    assert languages() == ["en", "ru"]
    for language, words in shipped_catalogues().items():
        assert set(words.forms) == set(TEXTS)
        for key in TEXTS:
            assert all(form.strip() for form in words.forms[key]), (language, key)


def test_dates_in_words() -> None:
    day = datetime(2026, 11, 27, tzinfo=UTC)
    assert words_for("en").date(day) == "27 November 2026"
    assert words_for("ru").date(day) == "27 ноября 2026 г."


def test_a_catalogue_that_is_handed_in() -> None:
    polish_plural = "n==1 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2"
    counted = {key: [f"{{n}} {form}" for form in ("uśmiech", "uśmiechy", "uśmiechów")] for key in TEXTS if "n" in TEXTS[key]}
    polish = parse_words({**ENGLISH, "language": "pl", "plural": polish_plural, **counted})
    told = [words_for("pl-PL", {"pl": polish}).say("alt", n) for n in (1, 3, 5, 13, 23)]
    assert told == ["1 uśmiech", "3 uśmiechy", "5 uśmiechów", "13 uśmiechów", "23 uśmiechy"]
    changed = parse_words({**ENGLISH, "why": "Because."})
    assert words_for("en", {"en": changed}).say("why") == "Because."


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"alt": ["{n} smiles"]}, "alt must have 2 plural forms"),
        ({"alt": "{n} smiles"}, "alt must have 2 plural forms"),
        ({"why": ["a", "b"]}, "why must be a text"),
        ({"why": 7}, "why must be a text"),
        ({"why": "{name}"}, "why may only fill in nothing"),
        ({"alt": ["{n.__class__}", "{n}"]}, "alt may only fill in n"),
        ({"alt": ["{n[0]}", "{n}"]}, "alt may only fill in n"),
        ({"alt": ["{", "{n}"]}, "alt may only fill in n"),
        ({"alt": ["{n:{name}}", "{n}"]}, "alt may only fill in n"),
        ({"plural": "__import__('os')"}, "plural is no plural expression of gettext"),
        ({"plural": "n ="}, "plural is no plural expression of gettext"),
        ({"plural": "n/0"}, "plural is no plural expression of gettext"),
        ({"months": ["January"]}, "months must be a list of twelve names"),
        ({"direction": "up"}, "direction must be ltr or rtl"),
    ],
)
def test_a_wrong_catalogue_is_refused_by_key(change: dict[str, Any], why: str) -> None:
    with pytest.raises(WordsInvalid) as refused:
        parse_words({**ENGLISH, **change})
    assert refused.value.message == f"The catalogue of texts for 'en' cannot be used: {why}; compare it with en.json."


def test_a_missing_key_is_named() -> None:
    with pytest.raises(WordsInvalid, match="withdraw_link is missing"):
        parse_words({key: value for key, value in ENGLISH.items() if key != "withdraw_link"})


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("Anna\r\nBcc: x@y.example", "Anna Bcc: x@y.example"),
        ("  Anna \t Maria ", "Anna Maria"),
        ("\u202eannA\u2066", "annA"),  # turns the line round
        ("نام\u200cخانوادگی", "نام\u200cخانوادگی"),  # joiners belong to the name
        ("x" * 500, "x" * 80),
        ("{n} {0} {name.__class__} %s $reel", "{n} {0} {name.__class__} %s $reel"),
        ("\n", ""),
        (None, ""),
    ],
)
def test_a_name_is_one_line_and_no_template(name: str | None, line: str) -> None:
    assert plain_name(name) == line
    said = words_for("en").of_whom("alt", 9, name)
    assert said == (f"{line} in the lesson: 9 smiles" if line else "Your child in the lesson: 9 smiles")
