"""`smilereel retention`: how long what is kept, and how many lessons are due."""

from __future__ import annotations

import argparse
import json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--json", action="store_true", help="a line of JSON an artefact")


def main(args: argparse.Namespace) -> int:
    """Show; the workers' sweep does the purging, every ten minutes."""
    from contextlib import closing

    from shared.ledger import open_ledger
    from shared.schema import check
    from shared.settings import load_settings

    settings = load_settings()
    with closing(open_ledger(settings.database_url)) as ledger:
        check(ledger.database)
        standings = ledger.retention.standings(settings)
    for standing in standings:
        rule = standing.rule
        if args.json:
            told = {"artefact": rule.artefact, "days": rule.days or None, "lessons": standing.lessons, "due": standing.due}
            print(json.dumps({**told, "setting": rule.setting or None, "what": rule.what}))  # noqa: T201
            continue
        kept = "until the end" if not rule.setting else f"{rule.days:g} days" if rule.days else "for ever"
        setting = f" ({rule.setting})" if rule.setting else ""
        print(f"{rule.artefact:8} {kept:14} {standing.lessons:7} kept {standing.due:7} due   {rule.what}{setting}")  # noqa: T201
    return 0
