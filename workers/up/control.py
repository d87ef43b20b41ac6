"""Orders to a run that is under way, over its socket: `smilereel up --scale gpu=4`, `--ps` and `--down` from another terminal."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from shared.errors import ServiceError, SettingsInvalid, SmilereelError

ANSWER_SECONDS = 10.0
LONGEST_ORDER_BYTES = 65536

Order = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


@asynccontextmanager
async def listening(path: Path, carry_out: Order) -> AsyncIterator[None]:
    """Take orders while the block lasts; a sentence goes back where one cannot be carried out.

    Args:
        path: of the socket, open to its owner alone.
        carry_out: one order.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            order = json.loads(await asyncio.wait_for(reader.readline(), ANSWER_SECONDS))
            answer = await carry_out(order)
        except SmilereelError as error:
            answer = {"error": error.message}
        except (ValueError, TypeError, KeyError, TimeoutError):
            answer = {"error": "That is no order."}
        writer.write(json.dumps(answer).encode() + b"\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(serve, path, limit=LONGEST_ORDER_BYTES)
    path.chmod(0o600)
    async with server:
        yield


def is_running(path: Path) -> bool:
    """Whether a run listens there."""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(ANSWER_SECONDS)
        try:
            line.connect(str(path))
        except OSError:
            return False
    return True


def order(path: Path, wish: dict[str, Any]) -> dict[str, Any]:
    """Give one order and return the answer.

    Raises:
        ServiceError: nothing runs there, or it does not answer.
        SettingsInvalid: the order cannot be carried out.
    """
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(ANSWER_SECONDS)
        try:
            line.connect(str(path))
            line.sendall(json.dumps(wish).encode() + b"\n")
            with line.makefile("rb") as said:
                answer: dict[str, Any] = json.loads(said.readline())
        except (OSError, ValueError):
            raise ServiceError("No `smilereel up` of this compose file runs here, or it does not answer.") from None
    if "error" in answer:
        raise SettingsInvalid(answer["error"])
    return answer
