"""Texts by language: a catalogue (a JSON file or a mapping) in, plain texts with the right plural out. Nothing here is escaped.

A catalogue has each key of `TEXTS`; a text that counts is a list of plural forms, and `plural` is the expression that picks one, as in
the Plural-Forms line of GNU gettext, where it stands ready for every language.
"""

from __future__ import annotations

import gettext
import json
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any

from .faults import WordsInvalid

FALLBACK = "en"
# The fields that a text may fill in; those that know `n` are lists of plural forms.
TEXTS: Mapping[str, frozenset[str]] = {
    "subject": frozenset({"n"}),
    "heading": frozenset({"n"}),
    "heading_named": frozenset({"n", "name"}),
    "alt": frozenset({"n"}),
    "alt_named": frozenset({"n", "name"}),
    "sentence": frozenset({"n"}),
    "sentence_named": frozenset({"n", "name"}),
    "enclosed": frozenset(),
    "open": frozenset(),
    "date": frozenset({"day", "month", "year"}),
    "until": frozenset({"date"}),
    "why": frozenset(),
    "withdraw_by_reply": frozenset(),
    "withdraw": frozenset(),
    "withdraw_link": frozenset(),
}
_OTHERS = {"language", "direction", "plural", "months"}
# They shape letters in Persian and Indian names; all else that cannot be printed may turn or break a line.
_JOINERS = "\u200c\u200d"
_LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class Words:
    """One language's texts; `direction` is that of its script, ltr or rtl."""

    language: str
    direction: str
    months: tuple[str, ...]
    forms: Mapping[str, tuple[str, ...]]
    plural: Callable[[int], int]

    def say(self, key: str, n: int | None = None, **values: str) -> str:
        """The text for a key of `TEXTS`, in the form for `n` where it counts."""
        forms = self.forms[key]
        if n is None:
            return forms[0].format_map(values)
        return forms[self.plural(n)].format_map({**values, "n": str(n)})

    def of_whom(self, key: str, n: int, name: str | None) -> str:
        """The text that counts smiles and says whose they are: by name where one was handed in."""
        name = plain_name(name)
        return self.say(f"{key}_named", n, name=name) if name else self.say(key, n)

    def date(self, day: datetime) -> str:
        """The day in words."""
        return self.say("date", day=str(day.day), month=self.months[day.month - 1], year=str(day.year))


def plain_name(name: str | None) -> str:
    """The name on one line, without what would turn or break it, at most 80 characters long; empty for none."""
    if not name:
        return ""
    line = "".join(sign if sign.isprintable() or sign in _JOINERS else " " for sign in name)
    return " ".join(line.split())[:_LONGEST_NAME]


def languages() -> list[str]:
    """The languages that are shipped."""
    return sorted(shipped_catalogues())


def words_for(language: str | None, more: Mapping[str, Words] | None = None) -> Words:
    """The texts in this language, or of its base language (ru for ru-RU), or in English.

    Args:
        language: a tag such as `ru` or `pt-BR`; None for English.
        more: further catalogues by language, which go before the shipped ones.
    """
    known = {**shipped_catalogues(), **(more or {})}
    wanted = (language or FALLBACK).replace("_", "-").lower()
    by_tag = {tag.lower(): words for tag, words in known.items()}
    return by_tag.get(wanted) or by_tag.get(wanted.partition("-")[0]) or known[FALLBACK]


@cache
def shipped_catalogues() -> dict[str, Words]:
    """The catalogues in this package's folder, by language."""
    folder = files(__package__) / "catalogues"
    found = [
        parse_words(json.loads(file.read_text(encoding="utf-8"))) for file in folder.iterdir() if file.name.endswith(".json")
    ]
    return {words.language: words for words in found}


def parse_words(catalogue: Mapping[str, Any]) -> Words:
    """A catalogue from a mapping as in `catalogues/en.json`.

    Raises:
        WordsInvalid: names the language and the first key that cannot be used.
    """
    language = str(catalogue.get("language") or "?")

    def refuse(why: str) -> WordsInvalid:
        return WordsInvalid(f"The catalogue of texts for {language[:20]!r} cannot be used: {why}; compare it with en.json.")

    if lacking := sorted((TEXTS.keys() | _OTHERS) - catalogue.keys()):
        raise refuse(f"{lacking[0]} is missing")
    try:
        plural = gettext.c2py(str(catalogue["plural"]))
        # Up to here every language has shown all its forms.
        n_forms = max(plural(n) for n in range(200)) + 1
    except (ValueError, ZeroDivisionError, RecursionError):
        raise refuse("plural is no plural expression of gettext") from None
    months = catalogue["months"]
    if not isinstance(months, list | tuple) or len(months) != 12 or not all(isinstance(month, str) for month in months):
        raise refuse("months must be a list of twelve names")
    if catalogue["direction"] not in {"ltr", "rtl"}:
        raise refuse("direction must be ltr or rtl")
    forms: dict[str, tuple[str, ...]] = {}
    for key, fields in TEXTS.items():
        wished = n_forms if "n" in fields else 1
        given = catalogue[key]
        texts = (given,) if isinstance(given, str) and wished == 1 else given
        if not isinstance(texts, list | tuple) or len(texts) != wished or not all(isinstance(text, str) for text in texts):
            raise refuse(f"{key} must have {wished} plural forms" if "n" in fields else f"{key} must be a text")
        if not all(_fields(text) <= fields for text in texts):
            raise refuse(f"{key} may only fill in {', '.join(sorted(fields)) or 'nothing'}")
        forms[key] = tuple(texts)
    return Words(language, str(catalogue["direction"]), tuple(months), forms, plural)


def _fields(text: str) -> set[str]:
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError:
        return {"?"}
    return {"?" if spec or conversion else field for _, field, spec, conversion in parts if field is not None}
