"""What went wrong, as a page with a sentence. `app.py` hands these to Starlette."""

from __future__ import annotations

import logging
from collections.abc import Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from shared.errors import (
    InputError,
    LedgerAway,
    LessonUnknown,
    ObjectMissing,
    SchemaMissing,
    ServiceError,
    SettingsInvalid,
    SmilereelError,
    StoreError,
)

from .site import Site, Visit, message

log = logging.getLogger(__name__)

# The first that fits; a fault of ours may be over when the page is asked for again.
_ANSWERS: tuple[tuple[type[SmilereelError], int, str], ...] = (
    (LessonUnknown, 404, "Not found"),
    (ObjectMissing, 404, "Not found"),
    (LedgerAway, 503, "The ledger cannot be reached"),
    (SchemaMissing, 503, "The ledger is not ready"),
    (StoreError, 503, "The store cannot be reached"),
    (SettingsInvalid, 503, "A setting is in the way"),
    (InputError, 409, "Nothing was done"),
    (ServiceError, 500, "Something went wrong here"),
)
# Keys of the store say nothing to a reader.
_SENTENCES: dict[type[SmilereelError], str] = {
    ObjectMissing: "The file is not in the store: it was never made, or was kept long enough.",
    StoreError: "The store with the lessons' files cannot be used at the moment. Try again in a minute.",
}
_HTTP = {
    404: ("Not found", "There is no such page."),
    405: ("Not like this", "This address does nothing by itself; use the buttons."),
}


def handlers(site: Site) -> dict[type[Exception], Callable[[Request, Exception], Response]]:
    """One for each kind of exception."""

    def ours(request: Request, error: Exception) -> Response:
        for kind, status, title in _ANSWERS:
            if isinstance(error, kind):
                if status >= 500:
                    log.warning("%s %s: %s", request.method, request.url.path, error)
                headers = {"Retry-After": "10"} if status == 503 else None
                return _told(site, request, status, title, _SENTENCES.get(kind, str(error)), headers)
        raise error

    def of_http(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        title, sentence = _HTTP.get(status, ("Not like this", "The request cannot be answered."))
        headers = dict(error.headers or {}) if isinstance(error, HTTPException) else None
        return _told(site, request, status, title, sentence, headers)

    def unexpected(_request: Request, _error: Exception) -> Response:
        # As little as possible, since anything may be broken; Starlette raises the exception again for the log.
        return PlainTextResponse("Something went wrong here; the log tells what. Nothing more is known to this page.\n", 500)

    return {SmilereelError: ours, HTTPException: of_http, Exception: unexpected}


def _told(site: Site, request: Request, status: int, title: str, sentence: str, headers: dict[str, str] | None) -> Response:
    visit = getattr(request.state, "visit", None) or Visit(site, request, None)
    return message(visit, status, title, sentence, headers)
