"""What must outlive a database that is restored from a backup: marks in the store of erased lessons and of changed consent, ids only.

The sweep writes them (`workers/keeping.py`), the client's erasure as well where it reaches the store; `workers/restoring.py` applies them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from .lesson import Consent
from .store import Store, lesson_output_key, lesson_work_key
from .stores.rules import MARKS

__all__ = [
    "MARKS",
    "ConsentMark",
    "Marks",
    "clear_and_mark",
    "mark_consent",
    "mark_erased",
    "newest",
    "prune_marks",
    "read_marks",
    "set_newest",
]

ERASED, CONSENT = f"{MARKS}/erased", f"{MARKS}/consent"
# The name of the last writing of marks: a ledger that has not heard of it is older than they are.
NEWEST = f"{MARKS}/newest"


@dataclass(frozen=True, slots=True)
class ConsentMark:
    """What the family agreed to from `at` on."""

    consent: Consent
    at: datetime

    def dump(self) -> dict[str, Any]:
        """As an object of JSON."""
        return {"at": self.at.astimezone(UTC).isoformat(), **self.consent.model_dump()}

    @classmethod
    def load(cls, facts: Mapping[str, Any]) -> ConsentMark:
        """From an object of JSON."""
        agreed = {purpose: bool(facts.get(purpose)) for purpose in Consent.model_fields}
        return cls(Consent(**agreed), datetime.fromisoformat(facts["at"]))


@dataclass(frozen=True, slots=True)
class Marks:
    """All marks of a store by lesson: when it was erased, what the family agreed to last."""

    erased: Mapping[str, datetime]
    consents: Mapping[str, ConsentMark]


def mark_erased(store: Store, lesson_id: str, at: datetime) -> bool:
    """Note that a lesson was erased; whether that was new. Raises what the store raises."""
    return _write(store, _key(ERASED, lesson_id, at), {"at": at.astimezone(UTC).isoformat()}, over=False)


def clear_and_mark(store: Store, lesson_id: str, at: datetime) -> None:
    """Remove an erased lesson's files, and note that it was erased: first of all, so that no restore brings it back."""
    mark_erased(store, lesson_id, at)
    store.delete(lesson_work_key(lesson_id))
    store.delete(lesson_output_key(lesson_id))


def mark_consent(store: Store, lesson_id: str, mark: ConsentMark) -> bool:
    """Note what the family agrees to from now on; whether that was new. Raises what the store raises."""
    return _write(store, _key(CONSENT, lesson_id, mark.at), mark.dump(), over=True)


def read_marks(store: Store) -> Marks:
    """All of them; of several about one lesson the newest. Raises what the store raises."""
    erased: dict[str, datetime] = {}
    consents: dict[str, ConsentMark] = {}
    for key in store.keys(ERASED):
        erased[_lesson_of(key)] = datetime.combine(_day_of(key), datetime.min.time(), UTC)
    # The days sort as text, so that the newest comes last.
    for key in store.keys(CONSENT):
        consents[_lesson_of(key)] = ConsentMark.load(json.loads(store.get(key)))
    return Marks(erased, consents)


def prune_marks(store: Store, before: date) -> int:
    """Remove the marks of days before this one; how many days of marks it was."""
    days = {(kind, day) for kind, day in _days(store) if day < before}
    for kind, day in days:
        store.delete(f"{kind}/{day.isoformat()}")
    return len(days)


def newest(store: Store) -> str | None:
    """The name of the last writing of marks; None where there never was any."""
    return store.get(NEWEST).decode() if store.exists(NEWEST) else None


def set_newest(store: Store, name: str) -> None:
    """Marks were written, and this is what the ledger calls it."""
    store.put(NEWEST, name.encode())


def _write(store: Store, key: str, facts: Mapping[str, Any], *, over: bool) -> bool:
    data = json.dumps(facts).encode()
    if store.exists(key) and not (over and store.get(key) != data):
        return False
    store.put(key, data)
    return True


def _days(store: Store) -> Iterator[tuple[str, date]]:
    for kind in (ERASED, CONSENT):
        for key in store.keys(kind):
            yield kind, _day_of(key)


def _key(kind: str, lesson_id: str, at: datetime) -> str:
    return f"{kind}/{at.astimezone(UTC).date().isoformat()}/{lesson_id}"


def _lesson_of(key: str) -> str:
    return key.split("/", 3)[3]


def _day_of(key: str) -> date:
    return date.fromisoformat(key.split("/", 3)[2])
