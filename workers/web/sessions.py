"""Who is logged in: a signed number in a cookie, everything else kept here in memory, so that logging out really ends it."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from itsdangerous import BadData, TimestampSigner, URLSafeTimedSerializer

MOST_SESSIONS = 5_000
LOGIN_FORM_SECONDS = 3600


@dataclass(slots=True)
class Session:
    """One browser of one person; `mark` stands for the password it was begun with."""

    user: str
    mark: str
    begun: float
    used: float
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    notices: list[str] = field(default_factory=list)


class Sessions:
    """All sessions of this process; they end with it. Safe to use from several threads.

    Args:
        idle_seconds: a session that is not used for so long has ended.
        most_seconds: one that was begun so long ago has ended, too.
        clock: in place of the time, for tests.
    """

    def __init__(self, *, idle_seconds: float, most_seconds: float, clock: Callable[[], float] = time.time) -> None:
        self.idle_seconds, self.most_seconds = idle_seconds, most_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        key = secrets.token_bytes(32)
        self._signer = TimestampSigner(key, salt="session", digest_method=hashlib.sha256)
        self._forms = URLSafeTimedSerializer(key, salt="login", signer_kwargs={"digest_method": hashlib.sha256})

    def begin(self, user: str, mark: str) -> tuple[str, Session]:
        """A new session and its cookie's value."""
        number, now = secrets.token_urlsafe(32), self._clock()
        session = Session(user, mark, begun=now, used=now)
        with self._lock:
            self._sessions[_name(number)] = session
            while len(self._sessions) > MOST_SESSIONS:
                self._sessions.popitem(last=False)
        return self._signer.sign(number).decode(), session

    def find(self, cookie: str | None, mark: str) -> Session | None:
        """The session of a cookie; None where it is forged, has expired, was ended, or was begun with another password."""
        number = self._number(cookie)
        if number is None:
            return None
        with self._lock:
            session, now = self._sessions.get(_name(number)), self._clock()
            if session is None:
                return None
            if now - session.used > self.idle_seconds or now - session.begun > self.most_seconds or session.mark != mark:
                del self._sessions[_name(number)]
                return None
            session.used = now
            return session

    def end(self, cookie: str | None) -> None:
        """Nobody comes in with this cookie any more."""
        number = self._number(cookie)
        if number is not None:
            with self._lock:
                self._sessions.pop(_name(number), None)

    def login_token(self, nonce: str) -> str:
        """What the log-in form holds for a browser with this nonce in a cookie: there is no session yet."""
        return self._forms.dumps(nonce)

    def is_login_token(self, token: str, nonce: str | None) -> bool:
        """Whether the form was made here, for this browser, and lately."""
        try:
            made_for = self._forms.loads(token, max_age=LOGIN_FORM_SECONDS)
        except BadData:
            return False
        return bool(nonce) and isinstance(made_for, str) and secrets.compare_digest(made_for.encode(), str(nonce).encode())

    def _number(self, cookie: str | None) -> str | None:
        try:
            return self._signer.unsign(cookie or "", max_age=int(self.most_seconds)).decode()
        except (BadData, UnicodeDecodeError):
            return None


def _name(number: str) -> str:
    # Whoever reads this process's memory dump finds no cookie in it.
    return hashlib.sha256(number.encode()).hexdigest()
