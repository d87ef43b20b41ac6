"""The passwords that a compose file's services read from files: made where they are missing. `smilereel secrets` and `smilereel up`."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from pathlib import Path

from shared.errors import SettingsInvalid

SECRET_BYTES = 24


def make_secrets(paths: Iterable[Path], *, shared: bool) -> list[Path]:
    """Write a random password into each file that is not there; those that were written.

    Args:
        paths: of the files; their folder is made for its owner alone.
        shared: the files are readable to all, for containers' users, and the folder keeps everybody else out.

    Raises:
        SettingsInvalid: a file cannot be written.
    """
    written: list[Path] = []
    for path in paths:
        if path.exists():
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.touch(mode=0o600, exist_ok=False)
            # Letters and digits alone: some become part of an address or of JSON.
            path.write_text(f"{secrets.token_hex(SECRET_BYTES)}\n", encoding="ascii")
            path.chmod(0o444 if shared else 0o600)
        except OSError as error:
            raise SettingsInvalid(f"The secret {path} cannot be written ({error.strerror}).") from None
        written.append(path)
    return written
