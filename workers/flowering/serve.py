"""Runs Flower until it is told to end: options and the Celery app in, a site behind the gate out. Called by the command."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from celery import Celery
from flower.options import default_options
from flower.urls import settings as site_settings
from flower.utils import prepend_url
from flower.views.tasks import TASK_COLUMNS
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop

from shared.errors import ServiceError
from workers.listening import listen

from .gate import USER, GuardedFlower
from .history import History, ReadableInspector
from .pages import COLUMNS, LABELS, Styled

# A worker that left is shown for so long as offline.
OFFLINE_SECONDS = 3600
SAVE_SECONDS = 60
MOST_WORKERS = 1000
LARGEST_REQUEST_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class FlowerOptions:
    """How Flower is run; `history` is the file that outlives a restart, `tasks` how many of the last ones it remembers."""

    address: str
    port: int
    password: str
    history: Path | None = None
    tasks: int = 20_000
    url_prefix: str = ""
    behind_proxy: bool = False


def serve(capp: Celery, options: FlowerOptions) -> None:
    """Listen, and answer until SIGTERM or Ctrl-C.

    Raises:
        ServiceError: the address cannot be listened on, or the history's file cannot be kept.
    """
    listening = listen(options.address, options.port)
    listening.setblocking(False)
    # Every client of kombu puts back what others took too long ago; Flower may not, and has only keys of its own to look at.
    own = {name: f"_kombu.flower.{name}" for name in ("unacked_key", "unacked_index_key", "unacked_mutex_key")}
    capp.conf.broker_transport_options = {**capp.conf.broker_transport_options, **own}
    with listening:
        if options.history is not None:
            _check_history(options.history)
        # The history is nobody else's.
        os.umask(0o077)
        asyncio.run(_run(capp, options, listening))
    # What has to be saved is saved; Flower's threads wait for Redis and for workers' answers, up to minutes where Redis is away.
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)


async def _run(capp: Celery, options: FlowerOptions, listening: socket.socket) -> None:
    application = make_site(capp, options)
    server = HTTPServer(application, xheaders=options.behind_proxy, max_body_size=LARGEST_REQUEST_BYTES)
    server.add_socket(listening)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    application.events.start()
    inspecting = application.update_workers()
    host = f"[{options.address}]" if ":" in options.address else options.address
    where = f"http://{host}:{listening.getsockname()[1]}{options.url_prefix}/"
    print(f"{where} (user {USER}; Ctrl-C ends it)", flush=True)  # noqa: T201
    await ended.wait()
    server.stop()
    inspecting.cancel()
    application.events.stop()


def make_site(capp: Celery, options: FlowerOptions) -> GuardedFlower:
    """Flower for this app; needs a running loop.

    Args:
        capp: whose workers are watched.
        options: of the command.
    """
    chosen = {
        "address": options.address,
        "port": options.port,
        # Also told to Flower itself, so that it knows that somebody is asked for.
        "basic_auth": [f"{USER}:{options.password}"],
        "read_only": True,
        "persistent": options.history is not None,
        "max_tasks": options.tasks,
        "max_workers": MOST_WORKERS,
        "purge_offline_workers": OFFLINE_SECONDS,
        "inspect_timeout": 2000.0,
        "tasks_columns": COLUMNS,
        "url_prefix": options.url_prefix,
        "xheaders": options.behind_proxy,
    }
    for name, value in chosen.items():
        setattr(default_options, name, value)
    TASK_COLUMNS.update(LABELS)
    settings = {**site_settings, "ui_modules": {"Template": Styled}}
    if options.url_prefix:
        settings |= {name: prepend_url(settings[name], options.url_prefix) for name in ("login_url", "static_url_prefix")}
    loop = IOLoop.current()
    history = History(
        capp,
        io_loop=loop,
        db=str(options.history) if options.history is not None else None,
        persistent=options.history is not None,
        state_save_interval=SAVE_SECONDS * 1000,
        max_workers_in_memory=MOST_WORKERS,
        max_tasks_in_memory=options.tasks,
    )
    site = GuardedFlower(password=options.password, options=default_options, capp=capp, events=history, io_loop=loop, **settings)
    site.inspector = ReadableInspector(loop, capp, default_options.inspect_timeout / 1000)
    return site


def _check_history(path: Path) -> None:
    """Its format is Python's pickle: whoever may write there could make Flower run anything."""
    folder = path.absolute().parent
    try:
        mode = folder.stat().st_mode
    except OSError as error:
        raise ServiceError(f"The history cannot be kept in {folder} ({error.strerror}); give another --db.") from None
    if path.is_dir() or not os.access(folder, os.W_OK):
        raise ServiceError(f"The history cannot be written to {path}; give another --db.")
    if mode & 0o022:
        raise ServiceError(f"Others may write to {folder}, so the history in it could not be trusted: run `chmod 700` on it.")
