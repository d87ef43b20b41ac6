"""`smilereel webhooks`: which ends of lessons the backend's webhook was told, which not and why; and telling it again."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from workers.commands.lessons import add_listing_arguments

if TYPE_CHECKING:
    from shared.deliveries import Deliveries

STATES = ("pending", "delivered", "dead", "unasked")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = "An event that is sent again keeps its id, so a receiver that has seen it can tell."
    parser.add_argument(
        "--state", action="append", default=[], choices=STATES, help="only events that stand so; repeatable (dead: given up)"
    )
    add_listing_arguments(parser)
    again = parser.add_mutually_exclusive_group()
    again.add_argument("--redeliver", action="append", default=[], metavar="EVENT", help="send this event again; repeatable")
    again.add_argument("--all-dead", action="store_true", help="send all again that were given up")


def main(args: argparse.Namespace) -> int:
    """Print a line an event, the newest first, or mark events to be sent again; 2 if one of them is unknown."""
    from contextlib import closing

    from shared.ledger import open_ledger
    from shared.schema import check
    from shared.settings import load_settings

    settings = load_settings()
    with closing(open_ledger(settings.database_url)) as ledger:
        # Before anything is asked, since SQLite would make the file of a mistyped address.
        check(ledger.database)
        if args.redeliver or args.all_dead:
            return _redeliver(ledger.deliveries, args, has_webhook=bool(settings.webhook_url))
        _show(ledger.deliveries, args)
        return 0


def _redeliver(deliveries: Deliveries, args: argparse.Namespace, *, has_webhook: bool) -> int:
    from shared.errors import InputError

    code = 0
    for event_id in dict.fromkeys(args.redeliver):
        known = deliveries.redeliver(event_id)
        code = code if known else InputError.exit_code
        print(f"{_shown(event_id)}: {'is sent again' if known else 'is no event; `smilereel webhooks` shows them'}")  # noqa: T201
    if args.all_dead:
        print(f"{deliveries.redeliver_dead()} events are sent again")  # noqa: T201
    if not has_webhook:
        print("SMILEREEL_WEBHOOK_URL is not set here; they wait for a worker that has it")  # noqa: T201
    return code


def _show(deliveries: Deliveries, args: argparse.Namespace) -> None:
    from shared.deliveries import Delivery

    for record in deliveries.find([Delivery(state) for state in args.state], limit=args.limit):
        if args.json:
            times = {"ended_at": record.ended_at, "next_try_at": record.next_try_at, "delivered_at": record.delivered_at}
            shown = {name: time.isoformat(timespec="seconds") if time else None for name, time in times.items()}
            ids = {"event_id": record.event_id, "lesson_id": record.lesson_id, "state": record.state}
            print(json.dumps({**ids, "delivery": record.delivery, "tries": record.attempts, **shown, "fault": record.fault}))  # noqa: T201
        else:
            tries = f"{record.attempts} tries" + (f", next {record.next_try_at:%Y-%m-%dT%H:%M:%SZ}" if record.next_try_at else "")
            line = f"{record.event_id}  {record.lesson_id:32} {record.state:11} {record.delivery:9} {tries}  {record.fault or ''}"
            print(line.rstrip())  # noqa: T201
    if not args.json:
        print(", ".join(f"{n} {state}" for state, n in sorted(deliveries.count().items())) or "no lesson has ended")  # noqa: T201


def _shown(text: str) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in text)[:80]
