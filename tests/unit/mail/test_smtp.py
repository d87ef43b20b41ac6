"""The way to a real SMTP server: what arrives, with and without encryption, and one sentence for each way it can fail."""

from __future__ import annotations

import email
import email.policy
import socket
import ssl
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from shared.errors import SettingsInvalid, SmilereelError
from shared.mail.faults import MailNotSent, MailRefused
from shared.mail.message import build_message
from shared.mail.smtp import MailServer, mail_server_of, send
from shared.settings import Settings
from tests.services.tls import Certificate, certificate

from .builders import a_letter, a_reel, html_of, parts_of, pictures
from .servers import Inbox, accept, port_that_says, smtp_server


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate for localhost."""
    return certificate(tmp_path_factory.mktemp("tls"), "DNS:localhost", "IP:127.0.0.1")


@pytest.fixture
def tls(known: Certificate) -> ssl.SSLContext:
    """The server's side of it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(known.certificate, known.key)
    return context


def server_at(url: str, **changes: Any) -> MailServer:
    """As the settings say."""
    return mail_server_of(Settings(smtp_url=url, **changes))


def a_message(**changes: Any) -> EmailMessage:
    """The whole e-mail."""
    return build_message(a_letter(**changes), a_reel(), pictures())


def only(inbox: Inbox) -> EmailMessage:
    """The one message that arrived, parsed."""
    (envelope,) = inbox.envelopes
    assert envelope.rcpt_tos == ["parent@home.example"]
    assert envelope.mail_from == "smiles@school.example"
    assert isinstance(envelope.content, bytes)
    message = email.message_from_bytes(envelope.content, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def test_it_arrives_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    long_address = "https://school.example/withdraw?token=" + "a1B2-" * 100
    inbox, sent = Inbox(), a_message(language="ru", name="Аня", withdraw=long_address)
    with smtp_server(inbox) as port:
        for name in ("getfqdn", "gethostname"):
            monkeypatch.setattr(socket, name, lambda *_: "this-machine.internal")
        send(sent, server_at(f"smtp://127.0.0.1:{port}"))
    got = only(inbox)
    assert parts_of(got) == ["multipart/alternative", "text/plain", "multipart/related", "text/html", "image/gif"]
    assert [part.get_content() for part in got.walk() if part.get_content_type() == "image/gif"] == [pictures().gif]
    assert html_of(got).splitlines() == html_of(sent).splitlines()
    assert got["Subject"] == "9 улыбок с урока"
    assert got["Message-ID"] == sent["Message-ID"]
    assert f"\r\nList-Unsubscribe: <{long_address}>\r\n".encode() in (inbox.envelopes[0].original_content or b"")
    assert inbox.sessions[0].host_name == "school.example"
    assert "this-machine" not in got.as_string()


def test_starttls_and_a_log_in(tls: ssl.SSLContext, known: Certificate) -> None:
    inbox = Inbox()
    options = {"tls_context": tls, "require_starttls": True, "authenticator": accept("p@ss/word"), "auth_required": True}
    with smtp_server(inbox, **options) as port:
        send(a_message(), server_at(f"smtp+starttls://school:p%40ss%2Fword@localhost:{port}", smtp_ca_file=known.authority))
        with pytest.raises(MailNotSent, match=r"refuses the log-in \(code 535\); correct the password"):
            send(a_message(), server_at(f"smtp+starttls://school:wrong@localhost:{port}", smtp_ca_file=known.authority))
        with pytest.raises(MailNotSent, match="encryption cannot be trusted"):
            send(a_message(), server_at(f"smtp+starttls://school:p%40ss%2Fword@localhost:{port}"))
    assert only(inbox)


def test_tls_from_the_first_byte(tls: ssl.SSLContext, known: Certificate) -> None:
    inbox = Inbox()
    with smtp_server(inbox, tls=tls) as port:
        send(a_message(), server_at(f"smtps://localhost:{port}", smtp_ca_file=known.authority))
        with pytest.raises(MailNotSent, match="encryption cannot be trusted"):
            send(a_message(), server_at(f"smtps://localhost:{port}"))
    assert only(inbox)


def test_a_server_without_starttls_gets_nothing() -> None:
    inbox = Inbox()
    with smtp_server(inbox) as port, pytest.raises(MailNotSent, match="does not offer"):
        send(a_message(), server_at(f"smtp+starttls://127.0.0.1:{port}"))
    assert not inbox.envelopes


@pytest.mark.parametrize(
    ("refuse", "kind", "sentence"),
    [
        ({"RCPT": "550 no such user parent@home.example"}, MailRefused, "refuses the receiver (code 550)"),
        ({"RCPT": "450 greylisted"}, MailNotSent, "does not take mail for this receiver now (code 450)"),
        ({"MAIL": "553 not yours"}, MailNotSent, "refuses the e-mail (code 553)"),
        ({"DATA": "552 too large"}, MailNotSent, "refuses the e-mail (code 552)"),
        ({"DATA": "451 disk full"}, MailNotSent, "refuses the e-mail (code 451)"),
    ],
)
def test_refusals_are_one_sentence(refuse: dict[str, str], kind: type[SmilereelError], sentence: str) -> None:
    inbox = Inbox(refuse)
    with smtp_server(inbox) as port, pytest.raises(kind) as refused:
        send(a_message(), server_at(f"smtp://127.0.0.1:{port}"))
    assert sentence in refused.value.message
    assert "parent@home.example" not in refused.value.message
    assert not inbox.envelopes


def test_what_was_taken_counts_as_sent_however_the_goodbye_is() -> None:
    inbox = Inbox({"QUIT": "421 overloaded"})
    with smtp_server(inbox) as port:
        send(a_message(), server_at(f"smtp://127.0.0.1:{port}"))
    assert only(inbox)


def test_a_silent_server_is_given_up() -> None:
    with port_that_says(None) as port, pytest.raises(MailNotSent, match=r"did not answer within 0\.3 s"):
        send(a_message(), server_at(f"smtp://127.0.0.1:{port}", smtp_timeout_seconds=0.3))


def test_a_server_that_is_away_or_no_mail_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(MailNotSent, match="cannot be reached"):
        send(a_message(), server_at(f"smtp://127.0.0.1:{port}"))
    for words in (b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"421 too busy\r\n", b"\x00\xff" * 100):
        with port_that_says(words) as port, pytest.raises(MailNotSent):
            send(a_message(), server_at(f"smtp://127.0.0.1:{port}", smtp_timeout_seconds=2))


@pytest.mark.parametrize(
    "url",
    [
        "", "mail.example", "http://mail.example", "smtp://", "smtp://host:port", "smtp://host:99999", "smtp://host/path",
        "smtp://host?x=1", "smtp://[", "smtp+starttls://u:s3cret@", "smtp://host#x",
    ],
)  # fmt: skip
def test_a_wrong_setting_is_named_and_its_password_is_not(url: str) -> None:
    with pytest.raises(SettingsInvalid, match="SMILEREEL_SMTP_URL must look like") as refused:
        server_at(url)
    assert "s3cret" not in refused.value.message


def test_a_password_does_not_travel_unencrypted() -> None:
    with pytest.raises(SettingsInvalid, match="would send its password unencrypted"):
        server_at("smtp://user:s3cret@mail.example")
    assert server_at("smtp://user:s3cret@127.0.0.1").user == "user"
    assert "s3cret" not in repr(server_at("smtps://user:s3cret@mail.example"))


@pytest.mark.parametrize(
    ("url", "port"), [("smtp://h", 25), ("smtp+starttls://h", 587), ("smtps://h", 465), ("smtps://h:2465", 2465)]
)
def test_ports(url: str, port: int) -> None:
    assert server_at(url).port == port


def test_certificates_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "not.pem").write_text("no certificate")
    for file in (tmp_path / "gone.pem", tmp_path / "not.pem"):
        with pytest.raises(SettingsInvalid, match="SMILEREEL_SMTP_CA_FILE"):
            send(a_message(), server_at("smtps://127.0.0.1:9", smtp_ca_file=file))
