"""`smilereel flower`: Flower for the workers of this installation, behind a password, read-only."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from workers.listening import port_argument

_PREFIX = re.compile(r"/?([A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+)*)/?")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--address", default="127.0.0.1", help="listen on this address (default: 127.0.0.1)")
    parser.add_argument("--port", type=port_argument, default=5555, metavar="N", help="listen on this port (default: 5555)")
    parser.add_argument(
        "--db", type=Path, metavar="FILE", help="keep what was seen in this file (default: SMILEREEL_FLOWER_DB, else nowhere)"
    )
    parser.add_argument(
        "--max-tasks", type=_tasks, default=20_000, metavar="N", help="remember so many of the last tasks (default: 20000)"
    )
    parser.add_argument("--url-prefix", type=_prefix, metavar="PATH", help="where a proxy has put it, like /flower")
    parser.add_argument("--behind-proxy", action="store_true", help="believe X-Real-Ip and X-Scheme of the proxy before it")
    parser.add_argument("--check", action="store_true", help="ask the Flower that runs there whether it is well, and end")


def main(args: argparse.Namespace) -> int:
    """Serve until told to end, or ask; 0."""
    from shared.settings import load_settings
    from workers.flowering.password import read_password

    settings = load_settings()
    password = read_password(settings.flower_password_file)
    url_prefix = args.url_prefix or ""
    if args.check:
        from workers.flowering.health import check

        check(args.address, args.port, url_prefix, password)
        return 0
    import logging

    from workers import preflight
    from workers.app import app
    from workers.flowering.serve import FlowerOptions, serve
    from workers.logs import log_to_terminal

    log_to_terminal("flower", settings.log_format, logging.WARNING)
    preflight.require("flower", settings)
    # They would tell who asked for what; that somebody is refused is said by the gate.
    for name in ("tornado.access", "tornado.general"):
        logging.getLogger(name).setLevel(logging.ERROR)
    history = args.db or (Path(settings.flower_db) if settings.flower_db else None)
    options = FlowerOptions(
        address=args.address,
        port=args.port,
        password=password,
        history=history,
        tasks=args.max_tasks,
        url_prefix=url_prefix,
        behind_proxy=args.behind_proxy,
    )
    serve(app, options)
    return 0


def _tasks(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 100 <= int(text) <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 100 to 1000000")
    return int(text)


def _prefix(text: str) -> str:
    found = _PREFIX.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no path like /flower")
    return f"/{found[1]}"
