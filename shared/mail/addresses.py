"""What goes into a message's headers: an e-mail address or a name in, a checked one out. Nothing unchecked reaches a header."""

from __future__ import annotations

import re
from email.errors import MessageError
from email.headerregistry import Address

from .faults import MailRefused
from .fragment import is_web_address
from .words import plain_name

_NAMED = re.compile(r'\s*"?(?P<name>[^<>"]*?)"?\s*<(?P<address>[^<>]*)>\s*')
_PLAIN = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")

# A line of a header holds 998 signs, its name and brackets among them.
_LONGEST_ADDRESS = 900


def parse_address(text: str, what: str) -> Address:
    """One address, plain or as `Name <address>`; a domain of other letters becomes ASCII, as DNS wants it.

    Args:
        text: the address.
        what: whose it is, for the sentence.

    Raises:
        MailRefused: it is none, or more than one, or holds a line end or another sign that no header may hold.
    """
    shown = "".join(sign if sign.isprintable() else "?" for sign in text[:80])
    refused = MailRefused(f"{what} {shown!r} is no e-mail address; write one address like name@school.example.")
    if not text.isprintable():
        raise refused
    named = _NAMED.fullmatch(text)
    name, address = (plain_name(named["name"]), named["address"]) if named else ("", text.strip())
    local, _, domain = address.rpartition("@")
    try:
        address = f"{local}@{domain.encode('idna').decode()}"
        if not _PLAIN.fullmatch(address):
            raise refused
        return Address(display_name=name, addr_spec=address)
    except (UnicodeError, ValueError, IndexError, MessageError):
        raise refused from None


def checked_withdrawal(address: str) -> str:
    """Where a parent withdraws the consent: an https address or `mailto:` and an e-mail address.

    Raises:
        MailRefused: it is neither, or could end a header.
    """
    if address.isascii() and address.isprintable() and len(address) <= _LONGEST_ADDRESS and not set(address) & set(" <>,"):
        scheme, _, rest = address.partition(":")
        if scheme == "mailto" and parse_address(rest.partition("?")[0], "The address for withdrawals"):
            return address
        if scheme == "https" and is_web_address(address):
            return address
    shown = "".join(sign if sign.isprintable() else "?" for sign in address[:80])
    raise MailRefused(
        f"The address for withdrawals {shown!r} cannot be used; give an https address or mailto:name@school.example."
    )
