"""A message in, handed to the mail server of the settings. Called by `smilereel email` and by a backend without a mailer of its own."""

from __future__ import annotations

import smtplib
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ..errors import SettingsInvalid
from ..settings import Settings
from .faults import MailNotSent, MailRefused

_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where e-mails are handed in, and with which encryption: none, STARTTLS or from the first byte."""

    host: str
    port: int
    scheme: str
    user: str = ""
    password: str = field(default="", repr=False)
    ca_file: Path | None = None
    timeout_seconds: float = 30.0


def mail_server_of(settings: Settings) -> MailServer:
    """The server that `SMILEREEL_SMTP_URL` names.

    Raises:
        SettingsInvalid: it names none; the message does not repeat the address, which may hold a password.
    """
    wrong = SettingsInvalid(
        "SMILEREEL_SMTP_URL must look like smtp+starttls://user:password@host:587, smtps://host or smtp://host."
    )
    try:
        parts = urlsplit(settings.smtp_url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise wrong from None
    if parts.scheme not in _PORTS or not host or parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise wrong
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if user and parts.scheme == "smtp" and host not in _LOOPBACK:
        raise SettingsInvalid("SMILEREEL_SMTP_URL would send its password unencrypted; write smtp+starttls:// or smtps://.")
    return MailServer(
        host, port or _PORTS[parts.scheme], parts.scheme, user, password, settings.smtp_ca_file, settings.smtp_timeout_seconds
    )


def send(message: EmailMessage, server: MailServer) -> None:
    """Hand the message over; once this returns, the server has taken it.

    Raises:
        MailRefused: the server knows no such receiver.
        MailNotSent: it is away, slow, or refuses for another reason; the sentence holds its code, not its words.
        SettingsInvalid: the file of certificates cannot be read.
    """
    try:
        connection = _connected(message, server)
        try:
            connection.send_message(message)
            # Only politeness: the e-mail is out, and must not count as failed and be sent again.
            with suppress(OSError, smtplib.SMTPException):
                connection.quit()
        finally:
            connection.close()
    except smtplib.SMTPRecipientsRefused as error:
        code = next(iter(error.recipients.values()), (0, b""))[0]
        if 500 <= code < 600:
            raise MailRefused(f"The mail server refuses the receiver (code {code}); correct the address.") from None
        raise MailNotSent(f"The mail server does not take mail for this receiver now (code {code}); try again later.") from None
    except smtplib.SMTPAuthenticationError as error:
        raise MailNotSent(
            f"The mail server refuses the log-in (code {error.smtp_code}); correct the password in SMILEREEL_SMTP_URL."
        ) from None
    except smtplib.SMTPResponseException as error:
        raise MailNotSent(f"The mail server refuses the e-mail (code {error.smtp_code}); look at its log.") from None
    except smtplib.SMTPNotSupportedError:
        raise MailNotSent("The mail server does not offer what SMILEREEL_SMTP_URL asks for (STARTTLS or a log-in).") from None
    except ssl.SSLError as error:
        reason = error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else error.reason or "no TLS"
        raise MailNotSent(
            f"The mail server's encryption cannot be trusted or used: {reason}; see SMILEREEL_SMTP_CA_FILE."
        ) from None
    except (OSError, smtplib.SMTPException) as error:
        # Where it waits for an answer, smtplib turns its own timeout into a hung-up server.
        if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
            raise MailNotSent(
                f"The mail server did not answer within {server.timeout_seconds:g} s; look at it before sending again."
            ) from None
        raise MailNotSent(
            f"The mail server cannot be reached or hung up ({type(error).__name__}); look at SMILEREEL_SMTP_URL."
        ) from None


def _connected(message: EmailMessage, server: MailServer) -> smtplib.SMTP:
    """A connection that is encrypted and logged in as far as the server's address says."""
    # By default smtplib looks up this machine's full name, which may take seconds, and tells it; the receiver would read it.
    greeting = message["From"].addresses[0].domain
    if server.scheme == "smtps":
        connection: smtplib.SMTP = smtplib.SMTP_SSL(
            server.host, server.port, greeting, timeout=server.timeout_seconds, context=_tls(server)
        )
    else:
        connection = smtplib.SMTP(server.host, server.port, greeting, timeout=server.timeout_seconds)
    try:
        if server.scheme == "smtp+starttls":
            connection.starttls(context=_tls(server))
        if server.user:
            connection.login(server.user, server.password)
    except BaseException:
        connection.close()
        raise
    return connection


def _tls(server: MailServer) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=server.ca_file)
    except OSError:
        raise SettingsInvalid("SMILEREEL_SMTP_CA_FILE cannot be read as certificates (PEM).") from None
