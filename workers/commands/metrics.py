"""`smilereel metrics`: the endpoint for Prometheus."""

from __future__ import annotations

import argparse

from workers.listening import port_argument


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--address", default="127.0.0.1", metavar="ADDRESS", help="listen on this address (default: 127.0.0.1)")
    parser.add_argument("--port", type=port_argument, default=9540, metavar="N", help="listen on this port (default: 9540)")
    parser.add_argument("--check", action="store_true", help="ask the endpoint that runs there whether it lives, and end")


def main(args: argparse.Namespace) -> int:
    """Serve until told to end, or ask; 0."""
    from shared.settings import load_settings
    from workers.watching.password import password_for

    settings = load_settings()
    if args.check:
        from workers.watching.check import check

        check(args.address, args.port, password_for(settings, args.address))
        return 0
    from workers import preflight
    from workers.logs import log_to_terminal
    from workers.watching.serve import serve

    password_for(settings, args.address)
    log_to_terminal("metrics", settings.log_format)
    preflight.require("metrics", settings)
    serve(settings, args.address, args.port)
    return 0
