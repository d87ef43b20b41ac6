"""`smilereel web`: a page over all lessons, for the people who look after them."""

from __future__ import annotations

import argparse

from workers.listening import port_argument


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="listen on this address (default: 127.0.0.1)")
    parser.add_argument("--port", type=port_argument, default=8300, metavar="N", help="listen on this port (default: 8300)")
    parser.add_argument(
        "--public-url",
        metavar="https://NAME",
        help="what browsers call the page, where a proxy before it speaks TLS; in a container http://127.0.0.1:PORT",
    )
    parser.add_argument("--new-password", action="store_true", help="make another password, print it once, and end")
    parser.add_argument("--proxy-header", metavar="NAME", help="a log-in proxy says in this header who somebody is")
    parser.add_argument(
        "--trusted-proxy", action="append", default=[], metavar="ADDRESS", help="of a proxy that is believed; repeatable"
    )


def main(args: argparse.Namespace) -> int:
    """Serve until told to end; 0."""
    from shared.settings import load_settings
    from workers import preflight
    from workers.web.options import web_options
    from workers.web.serve import new_password, serve

    settings = load_settings()
    if args.new_password:
        new_password(settings)
        return 0
    options = web_options(
        host=args.host,
        port=args.port,
        public_url=args.public_url,
        proxy_header=args.proxy_header,
        trusted_proxies=args.trusted_proxy,
    )
    preflight.require("web", settings)
    serve(settings, options)
    return 0
