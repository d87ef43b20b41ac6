"""Passwords that lie in files, as containers get them, and addresses that they belong into. Read once by `settings.py`."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from .errors import SettingsInvalid

LONGEST_SECRET_BYTES = 4096


def read_secret(path: Path, variable: str) -> str:
    """The secret in a file, without the line's end.

    Args:
        path: of the file.
        variable: the setting that names it, for the sentence.

    Raises:
        SettingsInvalid: it is missing, empty, longer than 4,096 bytes or no text.
    """
    try:
        with path.open("rb") as file:
            text = file.read(LONGEST_SECRET_BYTES + 1).decode().strip()
    except OSError as error:
        raise SettingsInvalid(f"The file {path} that {variable} names cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError:
        text = ""
    if not text or len(text) > LONGEST_SECRET_BYTES:
        raise SettingsInvalid(f"The file {path} that {variable} names holds no secret: write one line of text into it.")
    return text


def with_password(url: str, password: str, variable: str) -> str:
    """The address with the password of its user in it: `redis://worker@host/0` becomes `redis://worker:PASSWORD@host/0`.

    Args:
        url: scheme://user@host...; without a user only the password is put in.
        password: as it is, any signs.
        variable: the address's setting, for the sentence.

    Raises:
        SettingsInvalid: the address has another password already, or leads to a socket or a file.
    """
    scheme, _, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    user, at, host = authority.rpartition("@")
    quoted = quote(password, safe="")
    if host and user.endswith(f":{quoted}"):
        return url
    if not host or "socket" in scheme or ":" in user:
        raise SettingsInvalid(
            f"{variable} takes no password from a file: it has one, or names no host; leave one of the two out."
        )
    return f"{scheme}://{user if at else ''}:{quoted}@{host}{slash}{path}"
