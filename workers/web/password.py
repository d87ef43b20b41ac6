"""The page's password: made here, shown once, kept as a hash in a file that only its owner reads. `serve.py` and the log-in use it."""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from contextlib import suppress
from pathlib import Path

from shared.errors import SettingsInvalid

# Without signs that are taken for one another.
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
GROUPS, GROUP_SIGNS = 5, 5
# 64 MB and about 0.2 seconds each time (OWASP's advice for scrypt is N of at least 2^16, r 8, p 1).
LOG2_N, R, P = 16, 8, 1
HASH_BYTES = 32
COST = ["scrypt", str(LOG2_N), str(R), str(P)]
LONGEST_PASSWORD = 200
# Each hash needs its memory; whoever waits longer than this for a place is told to come again.
_places = threading.BoundedSemaphore(2)
PLACE_SECONDS = 3.0


class Busy(Exception):
    """Too many log-ins are being checked at this moment."""


class PasswordFile:
    """The hash in its file; safe to use from several threads. A password that is made anew holds at once, and ends all sessions."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser()

    def exists(self) -> bool:
        return self.path.exists()

    def make(self) -> str:
        """Make another password, write its hash, and return it: nobody can ever read it again.

        Raises:
            SettingsInvalid: the file cannot be written.
        """
        groups = ("".join(secrets.choice(ALPHABET) for _ in range(GROUP_SIGNS)) for _ in range(GROUPS))
        password = "-".join(groups)
        salt = secrets.token_bytes(16)
        parts = (*COST, b64encode(salt).decode(), b64encode(_hash(password, salt)).decode())
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._write("$".join(parts))
        except OSError as error:
            raise SettingsInvalid(
                f"The password's hash cannot be written to {self.path} ({error.strerror}); set SMILEREEL_WEB_PASSWORD_FILE."
            ) from None
        return password

    def _write(self, text: str) -> None:
        temporary = self.path.with_name(f"{self.path.name}.{secrets.token_hex(4)}")
        try:
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(f"{text}\n")
            temporary.replace(self.path)
        finally:
            with suppress(OSError):
                temporary.unlink()

    def mark(self) -> str:
        """Stands for the password that holds now; another one has another mark.

        Raises:
            SettingsInvalid: the file is missing, or others may read it.
        """
        return hashlib.sha256(self._read().encode()).hexdigest()

    def verify(self, password: str) -> bool:
        """Whether this is the password.

        Raises:
            SettingsInvalid: the file is missing, damaged, or others may read it.
            Busy: too many ask at once.
        """
        salt, wanted = self._parts()
        if len(password) > LONGEST_PASSWORD:
            return False
        if not _places.acquire(timeout=PLACE_SECONDS):
            raise Busy
        try:
            return secrets.compare_digest(_hash(password, salt), wanted)
        finally:
            _places.release()

    def _parts(self) -> tuple[bytes, bytes]:
        """Salt and hash."""
        *cost, salt, expected = ["", *self._read().strip().split("$")][-6:]
        try:
            parts = b64decode(salt, validate=True), b64decode(expected, validate=True)
        except (ValueError, Base64Error):
            parts = b"", b""
        if cost != COST or not all(parts):
            raise SettingsInvalid(f"{self.path} holds no password's hash; run `smilereel web --new-password`.")
        return parts

    def _read(self) -> str:
        try:
            with self.path.open(encoding="ascii", errors="replace") as file:
                if os.fstat(file.fileno()).st_mode & 0o077:
                    raise SettingsInvalid(f"{self.path} can be read by others: run `chmod 600` on it.")
                return file.read(1000)
        except OSError as error:
            raise SettingsInvalid(
                f"The password's hash cannot be read from {self.path} ({error.strerror}); run `smilereel web --new-password`."
            ) from None


def _hash(password: str, salt: bytes) -> bytes:
    text = password.encode("utf-8", "replace")
    return hashlib.scrypt(text, salt=salt, n=2**LOG2_N, r=R, p=P, maxmem=2**27, dklen=HASH_BYTES)
