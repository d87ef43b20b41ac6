"""Which people a model may learn from: one rule for every data set, by person and never by file."""

from __future__ import annotations

from hashlib import sha256
from typing import Literal

Split = Literal["train", "valid", "test"]

TEST_PERCENT = 20
VALID_PERCENT = 10


def split_of(person: str) -> Split:
    """The side on which everything of this person stands, for good.

    The name's hash decides, so that a person keeps the side when data are added and two data sets that share a person agree.

    Raises:
        ValueError: `person` is empty; pictures without a known person are the caller's to group (by session, room or file).
    """
    if not person:
        raise ValueError("a split needs a person, a session or a room to go by")
    bucket = int(sha256(person.encode()).hexdigest()[:8], 16) % 100
    if bucket < TEST_PERCENT:
        return "test"
    return "valid" if bucket < TEST_PERCENT + VALID_PERCENT else "train"


def file_seed(name: str) -> int:
    """A seed for what is drawn at random for this file, the same on each run and machine."""
    return int(sha256(name.encode()).hexdigest()[8:16], 16)
