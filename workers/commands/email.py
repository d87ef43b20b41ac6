"""`smilereel email`: a lesson's reel as an e-mail to a parent, sent, shown or written into a file."""

from __future__ import annotations

import argparse
import os
import re
import sys
from email.message import EmailMessage
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.settings import Settings
    from shared.standing import LessonRecord

# A dry run needs no settings; nothing can be sent to or from this domain (RFC 2606).
NOBODY = "smilereel@example.invalid"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("lesson_id", metavar="LESSON", help="the lesson's id")
    parser.add_argument("--to", required=True, metavar="ADDRESS", help="the parent's e-mail address")
    parser.add_argument("--language", default="en", metavar="TAG", help="language of the texts, such as en (default) or ru")
    parser.add_argument("--name", metavar="NAME", help="the pupil's name, for the texts; it is kept nowhere")
    parser.add_argument("--from", dest="sender", metavar="ADDRESS", help="who sends it (default: SMILEREEL_MAIL_FROM)")
    parser.add_argument("--withdraw", metavar="ADDRESS", help="https or mailto address at which consent is withdrawn")
    parser.add_argument("--still", action="store_true", help="the poster instead of the moving picture")
    parser.add_argument("--dry-run", action="store_true", help="print the e-mail instead of sending it")
    parser.add_argument("--out", type=Path, metavar="FILE.eml", help="write the whole e-mail here, too")


def main(args: argparse.Namespace) -> int:
    """Find the reel, write the e-mail, hand it to the mail server; 0, or 3 where the lesson has no reel."""
    from shared.errors import SettingsInvalid
    from shared.mail.faults import WordsInvalid
    from shared.mail.fragment import find_for_email
    from shared.mail.message import Letter, build_message, check
    from shared.mail.pictures import read_pictures
    from shared.mail.smtp import mail_server_of, send
    from shared.mail.words import languages
    from shared.settings import load_settings

    settings = load_settings()
    sender = args.sender or settings.mail_from or (NOBODY if args.dry_run else "")
    if not sender:
        raise SettingsInvalid("Nobody sends the e-mail: give --from ADDRESS or set SMILEREEL_MAIL_FROM.")
    if args.language not in languages():
        raise WordsInvalid(f"There are no texts in {args.language[:20]!r}; choose from {', '.join(languages())}.")
    # All input before the database, and the database before the mail server.
    letter = Letter(sender, args.to, args.language, args.name, args.withdraw, still=args.still)
    check(letter)
    server = None if args.dry_run else mail_server_of(settings)
    record = _agreed(args.lesson_id, settings)
    # The picture is read from the store itself, not from where a backend shows it to others.
    reel = find_for_email(record.lesson_id, settings=settings.model_copy(update={"reel_base_url": ""}))
    if reel is None:
        print(f"smilereel: Lesson {record.lesson_id} has no reel to send: {_why_none(record)}.", file=sys.stderr)  # noqa: T201
        return 3
    message = build_message(letter, reel, read_pictures(reel))
    if args.out:
        _write(message, args.out)
    if server is None:
        print(_shown(message))  # noqa: T201
        return 0
    send(message, server)
    _note(record.lesson_id, settings)
    print(f"the mail server took the e-mail for lesson {reel.lesson_id} ({len(message.as_bytes()) // 1000} kB)")  # noqa: T201
    return 0


def _agreed(lesson_id: str, settings: Settings) -> LessonRecord:
    """Where the lesson stands, if its reel may be sent.

    Raises:
        LessonUnknown: nobody knows this lesson.
        ConsentMissing: its family did not agree to an e-mail.
    """
    from contextlib import closing

    from shared.errors import ConsentMissing, LessonUnknown
    from shared.ledger import open_ledger
    from shared.schema import check

    with closing(open_ledger(settings.database_url)) as ledger:
        check(ledger.database)
        record = ledger.read(lesson_id) if lesson_id.isprintable() else None
    if record is None:
        raise LessonUnknown(f"There is no lesson {lesson_id[:128]!r}; `smilereel lessons` shows those there are.")
    if not record.consent.email:
        raise ConsentMissing(f"The reel of lesson {lesson_id} may not be sent: consent.email is not true.")
    return record


def _note(lesson_id: str, settings: Settings) -> None:
    """In the audit log: that it was sent, not to whom."""
    from contextlib import closing

    from shared.ledger import open_ledger

    with closing(open_ledger(settings.database_url)) as ledger, ledger.database.transaction() as session:
        ledger.audit.note(session, "operator", "email", "lesson", lesson_id)


def _why_none(record: LessonRecord) -> str:
    from shared.reel import NoReelReason
    from shared.states import LessonState

    if record.state is LessonState.NO_REEL and record.reason in set(NoReelReason):
        return NoReelReason(record.reason).explanation
    return "it may not be shown now" if record.state is LessonState.DONE else f"the lesson is {record.state}"


def _write(message: EmailMessage, out: Path) -> None:
    from shared.errors import OutputRefused

    try:
        # A child's picture: for nobody else on this machine.
        handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(message.as_bytes())
    except OSError as error:
        raise OutputRefused(f"The e-mail could not be written to {out}: {error.strerror}.") from error


def _shown(message: EmailMessage) -> str:
    """The e-mail for a person's eye: headers, texts, and of each picture its type and size."""
    lines = [f"{name}: {value}" for name, value in message.items()]
    for part in message.walk():
        if part.is_multipart():
            continue
        content = part.get_content()
        if isinstance(content, str):
            shorter = re.sub(r"(data:image/jpeg;base64,)[A-Za-z0-9+/=]+", r"\1…", content)
            lines += ["", f"--- {part.get_content_type()}", shorter.rstrip()]
        else:
            lines += ["", f"--- {part.get_content_type()}, {len(content)} bytes, {part['Content-ID']}"]
    return "\n".join(lines)
