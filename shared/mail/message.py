"""A reel in, the whole e-mail out: plain text, HTML and the pictures as one `EmailMessage`. Pure but for the clock and the message's id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime
from functools import cache
from html import escape
from importlib.resources import files
from string import Template
from typing import cast
from uuid import uuid4

from ..answers import PublishedReel
from .addresses import checked_withdrawal, parse_address
from .faults import MailRefused
from .fragment import Sources, enclosed, fragment, is_web_address
from .pictures import Pictures, content_id
from .words import Words, words_for


class _Policy(EmailPolicy):
    """The library would fold a long address into encoded words, which no mail program opens; RFC 5322 allows 998 signs in a line."""

    def fold(self, name: str, value: str) -> str:
        if name == "List-Unsubscribe":
            return f"{name}: {value}{self.linesep}"
        folded: str = super().fold(name, value)
        return folded

    def fold_binary(self, name: str, value: str) -> bytes:
        return self.fold(name, value).encode("ascii") if name == "List-Unsubscribe" else super().fold_binary(name, value)


# Not every mail server on the way takes bytes of eight bits.
_POLICY = _Policy(linesep="\r\n", cte_type="7bit")
_LINK_STYLE = "color:#7a5c12;text-decoration:underline"


@dataclass(frozen=True, slots=True)
class Letter:
    """What the backend knows about one e-mail; nothing of it is kept.

    Attributes:
        sender: `address` or `Name <address>`.
        to: one address.
        language: of all texts; see `words_for`.
        name: the pupil's, if the texts shall have it. The subject never has it: it is seen on locked screens.
        withdraw: where consent is withdrawn (https or mailto); also the List-Unsubscribe header. By default the text says: reply.
        one_click: that https address withdraws on a POST without a further question (RFC 8058).
        link: an https address that a click on the picture opens.
        still: the poster instead of the moving picture.
        catalogues: further languages.
    """

    sender: str
    to: str
    language: str | None = None
    name: str | None = None
    withdraw: str | None = None
    one_click: bool = False
    link: str | None = None
    still: bool = False
    catalogues: Mapping[str, Words] | None = None


def check(letter: Letter) -> None:
    """Refuse at once what `build_message` would refuse.

    Raises:
        MailRefused: says which of the letter's addresses cannot be used.
    """
    parse_address(letter.sender, "The sender")
    parse_address(letter.to, "The receiver")
    if letter.withdraw:
        checked_withdrawal(letter.withdraw)
    if letter.link is not None and not is_web_address(letter.link):
        raise MailRefused("The link of the picture is no http(s) address; give one, or none.")


def build_message(letter: Letter, reel: PublishedReel, pictures: Pictures | None) -> EmailMessage:
    """The e-mail: multipart/alternative of plain text and HTML, with the pictures inside.

    Args:
        letter: to whom, and how.
        reel: as `find_reel(lesson_id, purpose="email")` found it.
        pictures: they travel in the message, which then needs no address and asks nobody for anything. None: the HTML names the
            reel's own addresses, which end when `reel.expires_at` is over, and which tell the store who looks.

    Raises:
        MailRefused: an address cannot be used.
    """
    check(letter)
    words = words_for(letter.language, letter.catalogues)
    message = _headers(letter, words.say("subject", _shown(letter, reel)))
    sources = _sources(letter, reel, pictures)
    message.set_content(_plain_text(letter, reel, words, sources))
    message.add_alternative(_html(letter, reel, words, sources), subtype="html")
    if pictures is not None:
        _attach(message, reel, pictures, still=letter.still)
    # Last, since whoever sets a message's content loses its Content-* headers.
    message["Content-Language"] = words.language
    return message


def _attach(message: EmailMessage, reel: PublishedReel, pictures: Pictures, *, still: bool) -> None:
    """Put what the HTML names as `cid:` beside it (multipart/related)."""
    kind, subtype, data = ("poster", "jpeg", pictures.poster_jpeg) if still else ("reel", "gif", pictures.gif)
    name = f"smiles.{'jpg' if still else 'gif'}"
    html = cast("EmailMessage", message.get_body(("html",)))
    html.add_related(data, "image", subtype, cid=f"<{content_id(reel, kind)}>", filename=name, disposition="inline")


def _headers(letter: Letter, subject: str) -> EmailMessage:
    message = EmailMessage(policy=_POLICY)
    sender = parse_address(letter.sender, "The sender")
    message["From"] = sender
    message["To"] = parse_address(letter.to, "The receiver")
    message["Subject"] = subject
    message["Date"] = format_datetime(datetime.now(UTC))
    # The library's own ids hold the process's number and, by default, this machine's name.
    message["Message-ID"] = f"<{uuid4().hex}@{sender.domain}>"
    message["Auto-Submitted"] = "auto-generated"
    if letter.withdraw:
        message["List-Unsubscribe"] = f"<{checked_withdrawal(letter.withdraw)}>"
        if letter.one_click and letter.withdraw.startswith("https:"):
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return message


def _sources(letter: Letter, reel: PublishedReel, pictures: Pictures | None) -> Sources:
    if pictures is not None:
        return enclosed(reel, pictures, letter.link, still=letter.still)
    if not is_web_address(reel.address) or not is_web_address(reel.poster_address):
        raise MailRefused(
            f"The reel of lesson {reel.lesson_id} lies in a folder, which no mail program can open; send the picture in the e-mail itself."
        )
    return Sources(reel.address, reel.poster_address, letter.link or reel.address)


def _plain_text(letter: Letter, reel: PublishedReel, words: Words, sources: Sources) -> str:
    paragraphs = [
        words.of_whom("heading", _shown(letter, reel), letter.name),
        words.of_whom("sentence", _shown(letter, reel), letter.name),
    ]
    if sources.picture.startswith("cid:"):
        paragraphs.append(words.say("enclosed"))
    if sources.link:
        paragraphs.append(f"{words.say('open')}: {sources.link}")
    if until := _until(reel, words, sources):
        paragraphs.append(until)
    withdraw = f"{words.say('withdraw')} {letter.withdraw}" if letter.withdraw else words.say("withdraw_by_reply")
    # Two hyphens and a space: what mail programs take for the beginning of the small print.
    return "\n\n".join([*paragraphs, f"-- \n{words.say('why')}\n{withdraw}"]) + "\n"


def _html(letter: Letter, reel: PublishedReel, words: Words, sources: Sources) -> str:
    withdraw = escape(words.say("withdraw_by_reply"))
    if letter.withdraw:
        withdraw = f"{escape(words.say('withdraw'))} {_link(letter.withdraw, words.say('withdraw_link'))}"
    opening = ""
    if sources.link:
        opening = _link(sources.link, words.say("open"))
    if until := _until(reel, words, sources):
        opening = f"{opening}<br>{escape(until)}"
    if opening:
        style = "margin:14px 0 0;font-family:Arial,Helvetica,sans-serif;font-size:14px;line-height:22px;color:#6a6459"
        opening = f'<p class="small" style="{style}">{opening}</p>'
    return _template().substitute(
        language=escape(words.language),
        direction=words.direction,
        subject=escape(words.say("subject", _shown(letter, reel))),
        heading=escape(words.of_whom("heading", _shown(letter, reel), letter.name)),
        reel=fragment(reel, sources, words, name=letter.name, still=letter.still),
        sentence=escape(words.of_whom("sentence", _shown(letter, reel), letter.name)),
        opening=opening,
        why=escape(words.say("why")),
        withdraw=withdraw,
    )


def _shown(letter: Letter, reel: PublishedReel) -> int:
    """How many smiles the receiver will see."""
    return 1 if letter.still else reel.frames


def _until(reel: PublishedReel, words: Words, sources: Sources) -> str:
    """Until when the store's own address can be opened; a picture in the message does not end."""
    ends = reel.expires_at is not None and not sources.picture.startswith("cid:")
    return words.say("until", date=words.date(reel.expires_at)) if ends and reel.expires_at else ""


def _link(address: str, text: str) -> str:
    return f'<a href="{escape(address)}" style="{_LINK_STYLE}">{escape(text)}</a>'


@cache
def _template() -> Template:
    return Template((files(__package__) / "letter.html").read_text(encoding="utf-8"))
