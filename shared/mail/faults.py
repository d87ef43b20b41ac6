"""What can go wrong with an e-mail, as leaves of the error tree in `shared/errors.py`."""

from __future__ import annotations

from ..errors import InputError, ServiceError


class MailRefused(InputError):
    """An e-mail cannot be written with what was handed in, or its receiver does not exist."""


class WordsInvalid(InputError):
    """A catalogue of texts cannot be used."""


class MailNotSent(ServiceError):
    """The mail server is away, slow or refuses: the same e-mail may go out later."""
