"""A port to serve on: from the command line's word to a socket that listens. Used by the commands that serve."""

from __future__ import annotations

import argparse
import os
import socket

from shared.errors import SettingsInvalid

WAITING_CONNECTIONS = 128


def port_argument(text: str) -> int:
    """A port from 1 to 65535; for `argparse`, which tells what is raised."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port from 1 to 65535")
    return int(text)


def listen(address: str, port: int) -> socket.socket:
    """A socket that takes connections.

    Raises:
        SettingsInvalid: the address is none of this machine, or the port is in use or not allowed.
    """
    try:
        family, _, _, _, found = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server((str(found[0]), port), family=family, backlog=WAITING_CONNECTIONS)
    except OSError as error:
        # Python adds the address to the system's words; a name that is not known has words of its own.
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise SettingsInvalid(f"Nothing can listen on port {port} of {address} ({why}); give another port or address.") from None
