"""Runs the endpoint until it is told to end. Called by the command; every sentence a person reads on the terminal stands here."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import uvicorn
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from shared.settings import Settings
from workers.listening import listen
from workers.logs import writes_json

from .collector import SmilereelCollector, registry_of
from .gate import HEADERS, Gate
from .password import password_for

log = logging.getLogger(__name__)


def serve(settings: Settings, address: str, port: int) -> None:
    """Listen, and answer until SIGTERM or Ctrl-C.

    Args:
        settings: where ledger and Redis are, and where the password lies.
        address: to listen on; without a password one that only this machine reaches.
        port: 1 to 65535.

    Raises:
        SettingsInvalid: the password is missing or cannot be read, or the address cannot be listened on.
    """
    password = password_for(settings, address)
    listening = listen(address, port)
    collector = SmilereelCollector(settings)
    app = make_app(registry_of(collector), password, close=collector.close)
    config = uvicorn.Config(
        app, log_config=None, log_level="warning", proxy_headers=False, server_header=False, access_log=False, ws="none",
        limit_concurrency=50, timeout_keep_alive=30, timeout_graceful_shutdown=5,
    )  # fmt: skip
    if writes_json(settings.log_format):
        log.info("listening on port %d of %s", port, address)
    else:
        print(f"http://{address}:{port}/metrics (Ctrl-C ends it)", flush=True)  # noqa: T201
    with listening:
        uvicorn.Server(config).run(sockets=[listening])


def make_app(registry: CollectorRegistry, password: str | None, *, close: Callable[[], None] = lambda: None) -> Gate:
    """The endpoint behind its gate: `/metrics` and `/healthz`, and nothing else."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        close()

    routes = [Route("/metrics", _metrics(registry), methods=["GET"]), Route("/healthz", _healthz, methods=["GET"])]
    app = Starlette(routes=routes, lifespan=lifespan)
    app.router.redirect_slashes = False
    return Gate(app, password)


def _metrics(registry: CollectorRegistry) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        page: bytes = await run_in_threadpool(encode, registry)
        return Response(page, media_type=None, headers={**HEADERS, "Content-Type": content_type})

    return endpoint


async def _healthz(_request: Request) -> Response:
    """The endpoint lives; whether ledger and Redis do, the metrics say."""
    return PlainTextResponse("alive\n", headers=HEADERS)
