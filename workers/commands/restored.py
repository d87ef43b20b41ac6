"""`smilereel restored`: after the ledger's database was restored from a backup, bring it together with the store and Redis again."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

SHOWN = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = "Stop the workers and the web page first, and give this command the workers' settings."
    parser.add_argument("--dry-run", action="store_true", help="change nothing, only say what would be done")
    parser.add_argument("--json", action="store_true", help="print a JSON object with all ids")


def main(args: argparse.Namespace) -> int:
    """Print what was done, a line each; what is left to the operator comes last."""
    from contextlib import closing

    from shared.ledger import open_ledger
    from shared.schema import check
    from shared.settings import load_settings
    from shared.store import store_of
    from workers.restoring import restore

    settings = load_settings()
    if not args.dry_run:
        _refuse_beside_workers(settings.redis_url)
    with closing(open_ledger(settings.database_url)) as ledger:
        # Before anything is asked, since SQLite would make the file of a mistyped address.
        check(ledger.database)
        done = restore(ledger, store_of(settings), settings, dry_run=args.dry_run)
    if args.json:
        print(json.dumps({"dry_run": args.dry_run, **asdict(done)}))  # noqa: T201
        return 0
    would = "would be " if args.dry_run else ""
    _tell(f"{would}erased again, since they were erased after the backup", done.erased)
    _tell(f"{would}given the consent that the family changed after the backup", done.consents)
    _tell("with changed consent are not in the ledger, and get it when they are handed in again", done.pending)
    _tell(f"open; {would}sent again", done.open)
    _tell(f"{would}processed again, since their outputs are not in the store", done.reopened)
    _tell(
        f"have outputs but no row: hand them in again within {settings.sweep_unknown_hours:g} hours, or they are swept",
        done.unknown,
    )
    return 0


def _refuse_beside_workers(redis_url: str) -> None:
    """Raises ServiceError while workers are heard of; where Redis is away nobody can tell, and none can work."""
    from redis.exceptions import RedisError

    from shared.errors import ServiceError
    from workers.roster import Roster, connect

    try:
        with connect(redis_url) as redis:
            nodes = [worker.node for worker in Roster(redis).workers()]
    except (RedisError, OSError):
        return
    if nodes:
        raise ServiceError(
            f"{len(nodes)} workers still run ({', '.join(nodes[:3])}): stop them first, or wait a minute if they were killed."
        )


def _tell(what: str, lesson_ids: tuple[str, ...]) -> None:
    some = ", ".join(lesson_ids[:SHOWN]) + (", … (--json names all)" if len(lesson_ids) > SHOWN else "")
    print(f"{len(lesson_ids)} lessons {what}{': ' if some else ''}{some}")  # noqa: T201
