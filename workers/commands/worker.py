"""`smilereel worker list|drain|resume`: which workers there are, and taking work away from them without losing any."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workers.roster import Roster, WorkerEntry

COLUMNS = ("NODE", "STATE", "DEVICE", "WEIGHTS", "RELEASE", "AT ONCE", "LOAD S", "WARM S", "UP S", "SEEN S AGO")
ANSWER_SECONDS = 5.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    deeds = parser.add_subparsers(dest="deed", metavar="list|drain|resume", required=True)
    shown = deeds.add_parser("list", help="show the workers and what each does")
    shown.add_argument("--json", action="store_true", help="print a JSON object a line")
    drain = deeds.add_parser("drain", help="let workers finish what they have in hand, and take nothing more")
    drain.add_argument("--stay", action="store_true", help="they keep running until `resume`; otherwise they end, with code 0")
    drain.add_argument(
        "--wait", type=_seconds, metavar="SECONDS", help="wait until nothing is in hand any more, or they have ended"
    )
    resume = deeds.add_parser("resume", help="let workers that were drained with --stay take work again")
    for deed in (drain, resume):
        deed.add_argument("nodes", nargs="*", metavar="NODE", help="names as `smilereel worker list` shows them")
        deed.add_argument("--all", action="store_true", help="all workers")
        deed.add_argument("--room", choices=("cpu", "gpu"), help="with --all: those of one room")


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 86400 seconds")
    return seconds


def main(args: argparse.Namespace) -> int:
    """Look into the roster, or ask workers; 2 if one is unknown, 1 if one does not answer or is not done in time."""
    from kombu.exceptions import OperationalError
    from redis.exceptions import RedisError

    from shared.errors import ServiceError
    from shared.settings import load_settings
    from workers.roster import Roster, connect

    redis_url = load_settings().redis_url
    try:
        with connect(redis_url) as redis:
            roster = Roster(redis)
            if args.deed == "list":
                return _list(roster, as_json=args.json)
            return _ask(args, roster, redis_url)
    except (RedisError, OperationalError) as error:
        raise ServiceError(
            f"Redis cannot be used ({type(error).__name__}); see that it runs and SMILEREEL_REDIS_URL is right."
        ) from None


def _list(roster: Roster, *, as_json: bool) -> int:
    import json
    from dataclasses import asdict

    entries, now = roster.workers(), roster.now()
    if as_json:
        for entry in entries:
            print(json.dumps(asdict(entry)))  # noqa: T201
        return 0
    if not entries:
        print("No worker was heard of within the last minute.")  # noqa: T201
        return 0
    rows = [COLUMNS, *(_row(entry, now) for entry in entries)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())  # noqa: T201
    for entry in entries:
        for task in entry.doing:
            print(f"{entry.node}: {task}")  # noqa: T201
    return 0


def _row(entry: WorkerEntry, now: float) -> tuple[str, ...]:
    state = ("draining" if entry.doing else "drained") if entry.draining else ("busy" if entry.doing else "waits")
    timed = [f"{seconds:.1f}" if seconds is not None else "-" for seconds in (entry.model_load_seconds, entry.warm_seconds)]
    since = f"{max(now - entry.started_at, 0):.0f}", f"{max(now - entry.seen_at, 0):.0f}"
    return entry.node, state, entry.device or "-", entry.weights or "-", entry.release, str(entry.concurrency), *timed, *since


def _ask(args: argparse.Namespace, roster: Roster, redis_url: str) -> int:
    from celery import Celery

    from workers.leaving import DRAIN, RESUME

    nodes = _chosen(args, roster.workers())
    if not nodes:
        print("No worker was heard of within the last minute.")  # noqa: T201
        return 0
    stays = args.deed == "resume" or args.stay
    command, arguments = (RESUME, {}) if args.deed == "resume" else (DRAIN, {"stay": args.stay})
    answers: dict[str, Any] = {}
    app = Celery("smilereel-worker", broker=redis_url, set_as_current=False)
    with app.connection_for_write(redis_url) as connection:
        wanted: dict[str, Any] = {"destination": nodes, "reply": True, "limit": len(nodes), "timeout": ANSWER_SECONDS}
        for answer in app.control.broadcast(command, arguments=arguments, connection=connection, **wanted):
            answers |= answer
    failed = False
    for node in nodes:
        said = answers.get(node, {"error": f"did not answer within {ANSWER_SECONDS:.0f} seconds; is it still running?"})
        failed = failed or "error" in said
        done = (
            "takes work again" if args.deed == "resume" else f"takes nothing more{'' if stays else ', and ends when it is done'}"
        )
        print(f"{node}: {said.get('error', done)}")  # noqa: T201
    if args.deed == "drain" and args.wait:
        failed = not _wait(roster, [node for node in nodes if "ok" in answers.get(node, {})], args.wait, stays=stays) or failed
    return int(failed)


def _chosen(args: argparse.Namespace, entries: Sequence[WorkerEntry]) -> list[str]:
    """The nodes that are meant.

    Raises:
        WorkerUnknown: one is not in the roster, or none was named.
    """
    from shared.errors import WorkerUnknown

    if bool(args.nodes) == args.all or (args.room and not args.all):
        raise WorkerUnknown("Name workers as `smilereel worker list` shows them, or give --all, with --room for one room's.")
    known = {entry.node for entry in entries}
    for node in args.nodes:
        if node not in known:
            raise WorkerUnknown(
                f"No worker {node[:80]!r} was heard of within the last minute; `smilereel worker list` shows them."
            )
    return list(dict.fromkeys(args.nodes)) or [entry.node for entry in entries if args.room in {None, entry.room}]


def _wait(roster: Roster, nodes: Sequence[str], seconds: float, *, stays: bool) -> bool:
    """Whether all are done in time; says who is not."""
    import time

    deadline, left = time.monotonic() + seconds, set(nodes)
    # The roster tells what was true some seconds ago: a worker that stays is done once it says so after it was asked.
    asked_at = roster.now()
    while left:
        entries = {entry.node: entry for entry in roster.workers()}
        left = {node for node in left if not _is_done(entries.get(node), asked_at, stays=stays)}
        if left and time.monotonic() > deadline:
            print(f"Not done within {seconds:.0f} seconds: {', '.join(sorted(left))}.")  # noqa: T201
            return False
        time.sleep(0.2 if left else 0)
    return True


def _is_done(entry: WorkerEntry | None, asked_at: float, *, stays: bool) -> bool:
    if entry is None:
        return True
    return stays and entry.draining and not entry.doing and entry.seen_at > asked_at
