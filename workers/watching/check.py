"""Asks a running endpoint whether it lives. Called by `smilereel metrics --check`, in containers every half minute: no heavy imports."""

from __future__ import annotations

from base64 import b64encode
from http.client import HTTPConnection, HTTPException

from shared.errors import ServiceError

TIMEOUT_SECONDS = 4.0
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  (turned into an address that can be asked)


def check(address: str, port: int, password: str | None) -> None:
    """Come back if the endpoint answers and lets us in; ledger and Redis may be away all the same.

    Args:
        address: it listens on; of all addresses this machine's own is asked.
        port: likewise.
        password: of the user `metrics`, None where it asks for none.

    Raises:
        ServiceError: it does not.
    """
    connection = HTTPConnection(_ANYWHERE.get(address, address), port, timeout=TIMEOUT_SECONDS)
    known = "" if password is None else "Basic " + b64encode(f"metrics:{password}".encode()).decode()
    try:
        connection.request("GET", "/healthz", headers={"Authorization": known} if known else {})
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        raise ServiceError(
            f"The endpoint for metrics does not answer on port {port} of {address} ({type(error).__name__})."
        ) from None
    finally:
        connection.close()
    if status != 200:
        raise ServiceError(f"The endpoint for metrics on port {port} of {address} answers with {status} instead of 200.")
