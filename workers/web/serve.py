"""Runs the page until it is told to end. Called by the command; every sentence a person reads on the terminal stands here."""

from __future__ import annotations

import logging
import sys
from contextlib import closing

import uvicorn

from shared.errors import LedgerAway
from shared.ledger import open_ledger
from shared.schema import check
from shared.settings import Settings
from workers.listening import listen
from workers.logs import log_to_terminal

from .app import make_app, make_site
from .options import WebOptions
from .password import PasswordFile


def new_password(settings: Settings) -> None:
    """Make a password and print it, this once."""
    file = PasswordFile(settings.web_password_file)
    password = file.make()
    print(f"password: {password}")  # noqa: T201
    print(f"It is shown this once; {file.path} keeps only a hash of it. `smilereel web --new-password` makes another.")  # noqa: T201


def serve(settings: Settings, options: WebOptions) -> None:
    """Listen, and answer until SIGTERM or Ctrl-C.

    Raises:
        SettingsInvalid: the address cannot be listened on, or the password's file cannot be used.
        SchemaMissing: the ledger has no tables of this release.
    """
    with closing(open_ledger(settings.database_url)) as ledger:
        try:
            check(ledger.database)
        except LedgerAway as away:
            # It passes by itself; until then every page says so.
            _warn(f"{away} The page starts nevertheless.")
    listening = listen(options.host, options.port)
    file = PasswordFile(settings.web_password_file)
    if options.proxy_header is None:
        if not file.exists():
            new_password(settings)
        file.mark()
    if options.secure and not options.is_local:
        _warn(
            f"Listening on {options.host}: others on the network reach this page with children's pictures."
            " Let nothing but a proxy that speaks TLS reach it."
        )
    log_to_terminal("web", settings.log_format, logging.WARNING)
    names = [name for name in sorted(options.allowed_hosts) if options.secure or name.startswith("127.")]
    print(f"{'https' if options.secure else 'http'}://{names[0]}/ (Ctrl-C ends it)", flush=True)  # noqa: T201
    config = uvicorn.Config(
        make_app(make_site(settings, options)),
        proxy_headers=False,  # the gate decides whom it believes
        server_header=False,
        access_log=False,  # addresses hold lessons' ids
        log_config=None,
        log_level="warning",
        ws="none",
        limit_concurrency=200,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=10,
    )
    with listening:
        uvicorn.Server(config).run(sockets=[listening])


def _warn(sentence: str) -> None:
    print(f"smilereel: {sentence}", file=sys.stderr)  # noqa: T201
