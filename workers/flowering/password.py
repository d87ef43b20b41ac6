"""Flower's password: from the file that SMILEREEL_FLOWER_PASSWORD_FILE names. `serve.py` and the health check read it."""

from __future__ import annotations

from pathlib import Path

from shared.errors import ServiceError, SettingsInvalid
from shared.secret_files import read_secret

VARIABLE = "SMILEREEL_FLOWER_PASSWORD_FILE"
SHORTEST_PASSWORD = 16
# Where containers find their secrets; the folder on the host keeps others out.
_MOUNTED = Path("/run/secrets")


def read_password(path: Path | None) -> str:
    """The password.

    Args:
        path: of the file; None: the setting is not there.

    Raises:
        ServiceError: there is none, it is too short or holds other signs than a password's, or others may get at the file.
    """
    if path is None or path == Path():
        raise ServiceError(
            f"Flower does not start without a password: write one into a file (`openssl rand -hex 32`) and name it in {VARIABLE}."
        )
    try:
        password = read_secret(path, VARIABLE)
    except SettingsInvalid as error:
        raise ServiceError(error.message) from None
    if len(password) < SHORTEST_PASSWORD:
        raise ServiceError(
            f"The password in {path} is shorter than {SHORTEST_PASSWORD} signs: make one with `openssl rand -hex 32`."
        )
    if not (password.isascii() and password.isprintable()) or " " in password:
        raise ServiceError(f"The password in {path} may hold letters, digits and marks of ASCII on one line, nothing else.")
    if fault := _fault_of(path):
        raise ServiceError(f"{path} can be {fault} by others: run `chmod 600` on it.")
    return password


def _fault_of(path: Path) -> str:
    mode = path.stat().st_mode
    if mode & 0o022:
        return "changed"
    resolved = path.absolute()
    closed_above = _MOUNTED in resolved.parents or any(not folder.stat().st_mode & 0o001 for folder in resolved.parents)
    return "read" if mode & 0o004 and not closed_above else ""
