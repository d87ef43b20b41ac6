"""Asks a running Flower how it is. Called by `smilereel flower --check`, in containers every half minute: no heavy imports."""

from __future__ import annotations

from base64 import b64encode
from http.client import HTTPConnection, HTTPException

from shared.errors import ServiceError

TIMEOUT_SECONDS = 4.0
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  (turned into an address that can be asked)


def check(address: str, port: int, url_prefix: str, password: str) -> None:
    """Come back if Flower answers and lets us in.

    Args:
        address: it listens on; of all addresses this machine's own is asked.
        port: likewise.
        url_prefix: "" or "/name".
        password: of the user `flower`.

    Raises:
        ServiceError: it does not.
    """
    connection = HTTPConnection(_ANYWHERE.get(address, address), port, timeout=TIMEOUT_SECONDS)
    authorization = "Basic " + b64encode(f"flower:{password}".encode()).decode()
    try:
        connection.request("GET", f"{url_prefix}/healthcheck", headers={"Authorization": authorization})
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        raise ServiceError(f"Flower does not answer on port {port} of {address} ({type(error).__name__}).") from None
    finally:
        connection.close()
    if status != 200:
        raise ServiceError(f"Flower on port {port} of {address} answers with {status} instead of 200.")
