"""The example queries of `docs/analytics.md`, as they stand there, on both databases, with the answers worked out by hand."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from shared.ledger import Ledger
from tests.analysts import FIRST_WEEK, SECOND_WEEK, fill

DOCS = Path(__file__).parents[3] / "docs" / "analytics.md"
QUERIES = {
    int(number): query
    for number, query in re.findall(
        r"^### (\d+)\. .*?```sql\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
}
# What `tests/analysts.py` tells: seven processed lessons of two minutes each.
ANSWERS: dict[int, list[tuple[Any, ...]]] = {
    1: [(FIRST_WEEK, 3, 1.0, 0.33), (SECOND_WEEK, 4, 0.5, 0.13)],
    2: [(1, 200, 0.3), (2, 164, 0.398), (3, 218, 0.447)],
    3: [(FIRST_WEEK, 3, 1), (SECOND_WEEK, 4, 2)],
    4: [("student", "ben", 3, 2, 72), ("teacher", "cleo", 2, 2, 50)],
    5: [(FIRST_WEEK, 3, 0.667), (SECOND_WEEK, 4, 0.25)],
    6: [
        (FIRST_WEEK, "too_few_smiles", 1),
        (SECOND_WEEK, "no_child_alone", 1),
        (SECOND_WEEK, "no_face", 1),
        (SECOND_WEEK, "too_few_smiles", 1),
    ],
    7: [("ben", 2, 30.0)],
    8: [(0, 7, 4.8), (1, 7, 12.4)],
    9: [("c-2", 2.0, 0, 100), ("b-2", 1.4, 21, 0)],
    10: [(FIRST_WEEK, 2, 520, 0), (SECOND_WEEK, 1, 524, 1)],
}


def ask(ledger: Ledger, query: str) -> list[tuple[Any, ...]]:
    with ledger.database.reading() as session:
        return [tuple(map(_plain, row)) for row in session.execute(text(query))]


def _plain(value: Any) -> Any:
    """The two databases' drivers have other types for numbers and days."""
    if isinstance(value, Decimal):
        return float(value)
    return value.isoformat() if isinstance(value, date) else value


def test_there_are_ten() -> None:
    assert sorted(QUERIES) == sorted(ANSWERS) == list(range(1, 11))


def test_each_query_gives_the_answer(ledger: Ledger) -> None:
    fill(ledger)
    ledger.rights.approve_reel("a-2", next(iter(ledger.told.reel_versions("a-2"))), "somebody")
    for number, query in QUERIES.items():
        found = ask(ledger, query)
        assert len(found) == len(ANSWERS[number]), f"query {number}: {found}"
        for row, expected in zip(found, ANSWERS[number], strict=True):
            assert row == pytest.approx(expected), f"query {number}: {found}"


def test_without_mood_analytics_only_the_smiles_are_missing(ledger: Ledger) -> None:
    fill(ledger, mood_analytics=False)
    assert ask(ledger, QUERIES[2]) == [(1, 0, None), (2, 0, None), (3, 0, None)]
    assert ask(ledger, QUERIES[8]) == ANSWERS[8]


def test_without_lessons_each_query_is_empty(ledger: Ledger) -> None:
    for number, query in QUERIES.items():
        assert ask(ledger, query) == [], f"query {number}"
