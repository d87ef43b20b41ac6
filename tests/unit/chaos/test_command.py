"""`smilereel chaos` refuses arguments it cannot use, and answers with integers."""

from __future__ import annotations

import argparse

import pytest

from workers.chaos.guards import GUARDS
from workers.commands import chaos


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    chaos.add_arguments(parser)
    return parser.parse_args(arguments)


def test_what_is_not_given_is_a_run_of_forty_lessons() -> None:
    args = parse()
    assert (args.lessons, args.seconds, args.database, args.models) == (40, 75, "sqlite", "stand_in")
    assert args.workers == {"cpu": 2, "gpu": 2}


def test_workers_are_named_by_room() -> None:
    assert parse("--workers", "gpu=1,cpu=3").workers == {"cpu": 3, "gpu": 1}


@pytest.mark.parametrize(
    "arguments",
    [
        ("--lessons", "0"),
        ("--lessons", "many"),
        ("--seconds", "4"),
        ("--seed", "-1"),
        ("--database", "mysql"),
        ("--models", "none"),
        ("--without", "luck"),
        ("--workers", "cpu=2"),
        ("--workers", "cpu=0,gpu=1"),
        ("--workers", "cpu=1,cpu=2,gpu=1"),
        ("--workers", "cpu=1,gpu=99"),
        ("--workers", ""),
    ],
)
def test_other_arguments_are_refused(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        parse(*arguments)
    assert end.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def test_the_command_names_the_guards_that_there_are() -> None:
    assert chaos.GUARDS == GUARDS
