"""Which people a model may learn from: one rule for every data set, by person and never by file."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Literal

Split = Literal["train", "valid", "test"]

TEST_PERCENT = 20
VALID_PERCENT = 10
# All-Age-Faces numbers its files by sex, age and origin: pictures of one child of one age stand a few numbers apart.
AAF_RUN = 20
# UTKFace's names end in a time stamp; what one query found, often one child several times, was stored within minutes.
UTK_STAMP_DIGITS = 11


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


def aaf_group(file: str) -> str:
    """Whom a picture of All-Age-Faces belongs to, which names no persons: a run of twenty numbers, `…00648A11.jpg` and its neighbours.

    Raises:
        ValueError: the file's name is none of All-Age-Faces.
    """
    number = re.search(r"(\d{5})A\d+\.jpg$", file)
    if not number:
        raise ValueError(f"{file} is not named like a picture of All-Age-Faces (00648A11.jpg)")
    return f"aaf-run{int(number[1]) // AAF_RUN}"


def utk_group(file: str) -> str:
    """Whom a picture of UTKFace belongs to, which names no persons: all that was stored within the same ten minutes.

    Raises:
        ValueError: the file's name is none of UTKFace.
    """
    stamp = re.search(r"_(\d{8,17})\D*$", file)
    if not stamp:
        raise ValueError(f"{file} is not named like a picture of UTKFace (10_1_0_20170109205141310.jpg)")
    return f"utk-{stamp[1][:UTK_STAMP_DIGITS]}"


def age_owner(file: str) -> str:
    """Whom a picture of the age sets belongs to, as near as its name tells."""
    return aaf_group(file) if file.startswith("aaf") else utk_group(file)


def file_seed(name: str) -> int:
    """A seed for what is drawn at random for this file, the same on each run and machine."""
    return int(sha256(name.encode()).hexdigest()[8:16], 16)
