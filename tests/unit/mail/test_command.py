"""`smilereel email` on a real ledger, a real store and a real mail server, called as from a shell."""

from __future__ import annotations

import email
import email.policy
import stat
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from shared.ledger import Ledger, LessonState, open_ledger
from shared.reel import NoReelReason, Reel
from shared.store import open_store, output_key
from tests.builders import a_lesson
from tests.unit.commands.conftest import Smilereel, environment, smilereel

from .builders import html_of, parts_of, pictures
from .servers import Inbox, smtp_server

__all__ = ["environment", "smilereel"]
AGREED = {"process": True, "reel": True, "email": True}
TO = ("--to", "parent@home.example")


@pytest.fixture
def ledger(tmp_path: Path, environment: pytest.MonkeyPatch) -> Iterator[Ledger]:
    """A file of SQLite, with `done` that has its reel in the store, and others that have none."""
    url = f"sqlite:///{tmp_path}/ledger.sqlite3"
    environment.setenv("SMILEREEL_DATABASE_URL", url)
    environment.setenv("SMILEREEL_STORE_URL", f"file://{tmp_path}/store")
    environment.setenv("SMILEREEL_MAIL_FROM", "School <smiles@school.example>")
    made = open_ledger(url)
    made.create_schema()
    reel = Reel(frames=9, width=320, height=320, bytes=len(pictures().gif))
    for lesson_id, consent in (("done", AGREED), ("private", {**AGREED, "email": False})):
        made.accept(a_lesson(lesson_id=lesson_id, consent=consent))
        assert made.admit(lesson_id, 0, places=100, lease_seconds=60)
        made.planned(lesson_id, "v1", 1, {"n_seconds": 60})
        assert made.finish(lesson_id, LessonState.DONE, None, reel=reel)
    made.accept(a_lesson(lesson_id="waiting", consent=AGREED))
    made.accept(a_lesson(lesson_id="serious", consent=AGREED))
    assert made.admit("serious", 0, places=100, lease_seconds=60)
    made.planned("serious", "v1", 1, {"n_seconds": 60})
    assert made.finish("serious", LessonState.NO_REEL, NoReelReason.TOO_FEW_SMILES)
    store = open_store(f"file://{tmp_path}/store")
    store.put(output_key("done", "v1", "reel.gif"), pictures().gif)
    store.put(output_key("done", "v1", "poster.jpg"), pictures().poster_jpeg)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _prepared(ledger: Ledger) -> None:
    """Every test here has it."""


def test_a_dry_run_shows_it(smilereel: Smilereel, environment: pytest.MonkeyPatch) -> None:
    environment.delenv("SMILEREEL_MAIL_FROM")
    said = smilereel("email", "done", *TO, "--language", "ru", "--name", "Аня", "--dry-run")
    assert (said.code, said.err) == (0, "")
    assert "To: parent@home.example" in said.lines
    assert "Subject: 9 улыбок с урока" in said.lines
    assert "Аня: 9\u00a0улыбок с урока" in said.lines
    assert 'alt="Аня на уроке: 9 улыбок"' in said.out
    assert "--- text/plain" in said.lines
    assert f"--- image/gif, {len(pictures().gif)} bytes" in said.out
    assert len(said.out) < 12_000


def test_it_is_sent(smilereel: Smilereel, environment: pytest.MonkeyPatch, ledger: Ledger) -> None:
    inbox = Inbox()
    with smtp_server(inbox) as port:
        environment.setenv("SMILEREEL_SMTP_URL", f"smtp://127.0.0.1:{port}")
        said = smilereel("email", "done", *TO, "--withdraw", "mailto:stop@school.example")
    assert (said.code, said.err) == (0, "")
    assert "parent@home.example" not in said.out  # no addresses in an operator's logs
    (envelope,) = inbox.envelopes
    assert isinstance(envelope.content, bytes)
    assert envelope.rcpt_tos == ["parent@home.example"]
    message = email.message_from_bytes(envelope.content, policy=email.policy.default)
    assert message["List-Unsubscribe"] == "<mailto:stop@school.example>"
    assert "image/gif" in envelope.content.decode()
    entry = ledger.audit.entries("done")[0]
    assert (entry.actor, entry.action, entry.detail) == ("operator", "email", None), "that it was sent, not to whom"


def test_it_is_written_for_nobody_else_to_read(smilereel: Smilereel, tmp_path: Path) -> None:
    out = tmp_path / "mail.eml"
    said = smilereel("email", "done", *TO, "--from", "Me <me@school.example>", "--dry-run", "--out", str(out))
    assert said.code == 0
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    message = email.message_from_bytes(out.read_bytes(), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert message["From"] == "Me <me@school.example>"
    assert parts_of(message)[-1] == "image/gif"
    assert "9\u00a0smiles" in html_of(message)
    smilereel("email", "done", *TO, "--dry-run", "--out", str(tmp_path / "none" / "mail.eml")).complains(
        2, "The e-mail could not be"
    )


def test_the_picture_comes_from_the_store_though_a_backend_shows_it_elsewhere(
    smilereel: Smilereel, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("SMILEREEL_REEL_BASE_URL", "https://unreachable.invalid/reels")
    said = smilereel("email", "done", *TO, "--dry-run")
    assert said.code == 0
    assert "unreachable" not in said.out


@pytest.mark.parametrize("lesson_id", ["unknown", "'; DROP TABLE lesson; --", "<b>", "../../etc/passwd", "a\nb", "\0", ""])
def test_an_unknown_lesson(lesson_id: str, smilereel: Smilereel) -> None:
    smilereel("email", lesson_id, *TO, "--dry-run").complains(2, f"There is no lesson {lesson_id!r}; `smilereel lessons` shows")


def test_without_consent(smilereel: Smilereel, ledger: Ledger) -> None:
    smilereel("email", "private", *TO, "--dry-run").complains(
        2, "The reel of lesson private may not be sent: consent.email is not true"
    )
    assert smilereel("email", "done", *TO, "--dry-run").code == 0
    ledger.rights.change_consent("done", a_lesson(consent={"process": True, "reel": True}).consent, "test")
    smilereel("email", "done", *TO, "--dry-run").complains(2, "The reel of lesson done may not be sent")


def test_without_a_reel(smilereel: Smilereel) -> None:
    smilereel("email", "serious", *TO, "--dry-run").complains(
        3, "Lesson serious has no reel to send: there were too few good smiles."
    )
    smilereel("email", "waiting", *TO, "--dry-run").complains(3, "Lesson waiting has no reel to send: the lesson is accepted.")


def test_without_the_approval_that_is_asked_for(smilereel: Smilereel, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SMILEREEL_REEL_APPROVAL", "true")
    smilereel("email", "done", *TO, "--dry-run").complains(3, "Lesson done has no reel to send: it may not be shown now.")


@pytest.mark.parametrize(
    ("arguments", "begin"),
    [
        (("--to", "nobody"), "The receiver 'nobody' is no e-mail address"),
        (("--to", "a@b.example\nBcc: c@d.example"), "The receiver 'a@b.example?Bcc: c@d.example' is no e-mail address"),
        (
            (*TO, "--from", "School\r\nBcc: c@d.example <a@b.example>"),
            "The sender 'School??Bcc: c@d.example <a@b.example>' is no",
        ),
        ((*TO, "--withdraw", "javascript:x"), "The address for withdrawals 'javascript:x' cannot be used"),
        ((*TO, "--language", "xx"), "There are no texts in 'xx'; choose from en, ru."),
    ],
)
def test_wrong_arguments(arguments: tuple[str, ...], begin: str, smilereel: Smilereel) -> None:
    smilereel("email", "done", *arguments, "--dry-run").complains(2, begin)


def test_nobody_sends(smilereel: Smilereel, environment: pytest.MonkeyPatch) -> None:
    environment.delenv("SMILEREEL_MAIL_FROM")
    smilereel("email", "done", *TO).complains(2, "Nobody sends the e-mail: give --from ADDRESS or set SMILEREEL_MAIL_FROM.")


def test_a_mail_server_that_refuses_or_is_away(smilereel: Smilereel, environment: pytest.MonkeyPatch) -> None:
    with smtp_server(Inbox({"RCPT": "550 unknown"})) as port:
        environment.setenv("SMILEREEL_SMTP_URL", f"smtp://127.0.0.1:{port}")
        smilereel("email", "done", *TO).complains(2, "The mail server refuses the receiver (code 550)")
    smilereel("email", "done", *TO).complains(1, "The mail server cannot be reached")
    environment.setenv("SMILEREEL_SMTP_URL", "nonsense")
    smilereel("email", "done", *TO).complains(2, "SMILEREEL_SMTP_URL must look like")


def test_a_reel_that_is_gone_from_the_store(smilereel: Smilereel, tmp_path: Path) -> None:
    open_store(f"file://{tmp_path}/store").delete(output_key("done", "v1", "poster.jpg"))
    smilereel("email", "done", *TO, "--dry-run").complains(1, "The reel of lesson done could not be read from the store")


def test_a_database_that_is_away(smilereel: Smilereel) -> None:
    said = smilereel("email", "done", *TO, "--dry-run", at="sqlite:////nowhere/at/all/ledger.sqlite3")
    assert (said.code, said.out) == (1, "")
    assert said.err.count("\n") == 1
