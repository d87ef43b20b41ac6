"""Variables in a compose file, by the compose specification's own rules."""

from __future__ import annotations

import pytest

from shared.errors import SettingsInvalid
from workers.up.interpolate import interpolate, names_in, read_env_file

GIVEN = {"NAME": "Ann", "EMPTY": ""}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$NAME and ${NAME}", "Ann and Ann"),
        ("${EMPTY:-default}", "default"),
        ("${EMPTY-default}", ""),
        ("${MISSING:-default}", "default"),
        ("${MISSING-default}", "default"),
        ("${MISSING}", ""),
        ("${MISSING:-}", ""),
        ("$$NAME $$(date)", "$NAME $(date)"),
        ("${EMPTY?told}", ""),
        ("${NAME:-a}-${MISSING:-b}", "Ann-b"),
        ("5 $", "5 $"),
    ],
)
def test_a_variable_is_replaced(text: str, expected: str) -> None:
    assert interpolate(text, GIVEN) == expected


def test_every_text_in_a_value_is_looked_at_and_nothing_else() -> None:
    assert interpolate({"$NAME": ["${NAME}", 1, {"x": "$NAME"}, None, True]}, GIVEN) == {
        "$NAME": ["Ann", 1, {"x": "Ann"}, None, True]
    }


@pytest.mark.parametrize("text", ["${EMPTY:?set it, please}", "${MISSING?set it, please}", "${MISSING:?set it, please}"])
def test_a_variable_that_must_be_set_is_asked_for_in_the_files_words(text: str) -> None:
    with pytest.raises(SettingsInvalid, match=r"needs the variable (EMPTY|MISSING): set it, please\.$"):
        interpolate(text, GIVEN)


def test_names_come_with_their_defaults() -> None:
    assert names_in({"a": ["${ONE:-1}", "${TWO}"], "b": "$$NO ${THREE:?why}"}) == {"ONE": "1", "TWO": "", "THREE": ""}


def test_an_env_file_is_read_as_docker_reads_it() -> None:
    text = '# comment\nA=1\n B = two words \nexport C="quoted # not a comment"\nnothing\nD=\nE=a=b\n'
    assert read_env_file(text) == {"A": "1", "B": "two words", "C": "quoted # not a comment", "D": "", "E": "a=b"}
