"""The endpoint's password: settings in, the password or none out. The command asks before it listens."""

from __future__ import annotations

from shared.errors import SettingsInvalid
from shared.secret_files import read_secret
from shared.settings import Settings
from workers.web.options import is_loopback

PASSWORD_VARIABLE = "SMILEREEL_METRICS_PASSWORD_FILE"  # noqa: S105  (names the setting)


def password_for(settings: Settings, address: str) -> str | None:
    """The password, or None where none is set and only this machine reaches the address.

    Raises:
        SettingsInvalid: it cannot be read, or is missing where others reach the address.
    """
    if settings.metrics_password_file is not None:
        return read_secret(settings.metrics_password_file, PASSWORD_VARIABLE)
    if is_loopback(address):
        return None
    raise SettingsInvalid(f"Others on the network reach {address}: name a file with a password in {PASSWORD_VARIABLE}.")
