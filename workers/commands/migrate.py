"""`smilereel migrate`: bring the ledger's tables up to date."""

from __future__ import annotations

import argparse
import json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--check", action="store_true", help="change nothing; exit code 1 if the tables are not up to date")
    parser.add_argument("--json", action="store_true", help="print a JSON object instead of a sentence")


def main(args: argparse.Namespace) -> int:
    """Upgrade the ledger named by SMILEREEL_DATABASE_URL, or only look."""
    from shared.database import open_database
    from shared.errors import SchemaMissing
    from shared.schema import SCHEMA_HEAD, check, upgrade, version_of
    from shared.settings import load_settings

    database = open_database(load_settings().database_url)
    try:
        if not args.check:
            found = upgrade(database)
            _tell(args, found, max(found or SCHEMA_HEAD, SCHEMA_HEAD))
            return 0
        found = version_of(database)
        try:
            check(database)
        except SchemaMissing as behind:
            _tell(args, found, found, behind.message)
            return 1
        _tell(args, found, found)
        return 0
    finally:
        database.close()


def _tell(args: argparse.Namespace, found: str | None, left: str | None, complaint: str | None = None) -> None:
    """`found` is the version before, `left` the version now; None stands for no tables."""
    from shared.schema import SCHEMA_HEAD

    if args.json:
        current = complaint is None and left is not None and left >= SCHEMA_HEAD
        print(json.dumps({"from": found, "to": left, "head": SCHEMA_HEAD, "current": current}))  # noqa: T201
    elif complaint is not None:
        print(complaint)  # noqa: T201
    elif found == left:
        print(f"The ledger's tables are up to date, of version {left}.")  # noqa: T201
    elif found is None:
        print(f"Made the ledger's tables, of version {left}.")  # noqa: T201
    else:
        print(f"Brought the ledger's tables from version {found} to {left}.")  # noqa: T201
