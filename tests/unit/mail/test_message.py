"""The whole e-mail: its parts, its headers, and that nothing handed in gets out of its place."""

from __future__ import annotations

import email
import email.policy
import os
import re
import socket
from email.message import EmailMessage
from email.utils import parsedate_to_datetime

import pytest

from shared.errors import StoreError
from shared.mail.addresses import parse_address
from shared.mail.faults import MailRefused
from shared.mail.message import Letter, build_message
from shared.mail.pictures import Pictures, content_id, read_pictures
from shared.mail.words import TEXTS, parse_words

from .builders import a_letter, a_reel, as_shown, html_of, parts_of, pictures
from .test_fragment import Tags
from .test_words import ENGLISH

ADDRESS = re.compile(r"""(?:https?:|ftp:|//)[^\s"'<>]+""")


def received(message: EmailMessage) -> EmailMessage:
    """The message as whoever gets it parses it."""
    parsed = email.message_from_bytes(message.as_bytes(), policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    assert not parsed.defects
    return parsed


def text_of(message: EmailMessage) -> str:
    """The plain-text twin."""
    body = message.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def test_its_parts() -> None:
    message = received(build_message(a_letter(), a_reel(), pictures()))
    assert parts_of(message) == ["multipart/alternative", "text/plain", "multipart/related", "text/html", "image/gif"]
    gif = next(part for part in message.walk() if part.get_content_type() == "image/gif")
    assert gif.get_content() == pictures().gif
    assert gif.get_content_disposition() == "inline"
    assert gif["Content-ID"] == f"<{content_id(a_reel(), 'reel')}>"
    assert Tags(html_of(message)).one("img")["src"] == f"cid:{content_id(a_reel(), 'reel')}"


def test_it_is_small_enough_and_seven_bits_wide() -> None:
    made = build_message(a_letter(language="ru", name="Аня"), a_reel(), pictures())
    assert len(made.as_bytes()) < 1_000_000
    assert len(html_of(made).encode()) < 102_000  # Gmail cuts off what is longer
    assert made.as_bytes().isascii()
    assert max(len(line) for line in made.as_bytes().splitlines()) <= 998
    short = {key: ["ё"] * 2 if "n" in fields else "ё" for key, fields in TEXTS.items()}
    words = parse_words({**ENGLISH, **short, "language": "short"})
    assert build_message(a_letter(language="short", catalogues={"short": words}), a_reel(), pictures()).as_bytes().isascii()


def test_nothing_in_it_asks_for_anything() -> None:
    made = build_message(a_letter(language="ru"), a_reel(), pictures())
    assert ADDRESS.findall(re.sub(r"data:image/jpeg;base64,[A-Za-z0-9+/=]+", "", html_of(made))) == []
    assert ADDRESS.findall(text_of(made)) == []
    images = [attributes for tag, attributes in Tags(html_of(made)).found if tag == "img"]
    assert len(images) == 1  # no pixel to count who reads
    assert not {"script", "iframe", "link", "form", "object"} & {tag for tag, _ in Tags(html_of(made)).found}


def test_its_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("getfqdn", "gethostname"):
        monkeypatch.setattr(socket, name, lambda *_: "this-machine.internal")
    letter = a_letter(language="ru-RU", name="Аня", withdraw="https://school.example/w?t=1", one_click=True)
    message = received(build_message(letter, a_reel(), pictures()))
    assert message["From"] == "School <smiles@school.example>"
    assert message["To"] == "parent@home.example"
    assert message["Subject"] == "9 улыбок с урока"
    assert message["Content-Language"] == "ru"
    assert message["List-Unsubscribe"] == "<https://school.example/w?t=1>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert parsedate_to_datetime(message["Date"]).utcoffset() is not None
    assert re.fullmatch(r"<[0-9a-f]{32}@school\.example>", message["Message-ID"])
    assert "this-machine" not in message.as_string()
    assert f".{os.getpid()}." not in message["Message-ID"]
    again = build_message(letter, a_reel(), pictures())
    assert again["Message-ID"] != message["Message-ID"]


def test_a_long_address_for_withdrawals_arrives_as_it_is() -> None:
    address = "https://school.example/withdraw?token=" + "a1B2-" * 100
    message = build_message(a_letter(withdraw=address), a_reel(), pictures())
    assert f"List-Unsubscribe: <{address}>".encode() in message.as_bytes().split(b"\r\n")
    assert f"List-Unsubscribe: <{address}>" in message.as_string().splitlines()
    assert f'href="{address}"' in html_of(message)


def test_the_name_is_in_the_texts_and_in_no_header() -> None:
    message = received(build_message(a_letter(name="Annabella"), a_reel(), pictures()))
    assert "Annabella: 9\u00a0smiles" in html_of(message)
    assert "Annabella: 9\u00a0smiles" in text_of(message)
    assert "Annabella" not in str(list(message.items()))
    assert "Annabella" not in html_of(received(build_message(a_letter(), a_reel(), pictures())))


def test_html_in_the_name_stays_text() -> None:
    name = "<img src=https://spy.example/p.gif><b>$reel {n}"
    message = received(build_message(a_letter(name=name), a_reel(), pictures()))
    plain = Tags(html_of(build_message(a_letter(), a_reel(), pictures())))
    assert [tag for tag, _ in Tags(html_of(message)).found] == [tag for tag, _ in plain.found]
    assert f"{name}: 9" in text_of(message)
    assert "&lt;img src=https://spy.example/p.gif&gt;&lt;b&gt;$reel {n}" in html_of(message)


@pytest.mark.parametrize("language", ["en", "ru"])
def test_the_twin_says_the_same(language: str) -> None:
    letter = a_letter(language=language, withdraw="mailto:stop@school.example")
    message = received(build_message(letter, a_reel(), pictures()))
    html = html_of(message)
    text = text_of(message)
    lines = [line for line in text.splitlines() if line]
    assert lines[3] == "-- "
    for line in (lines[0], lines[1], lines[4]):
        assert line in html
    assert "mailto:stop@school.example" in text
    assert 'href="mailto:stop@school.example"' in html


def test_without_an_address_one_withdraws_by_reply() -> None:
    message = build_message(a_letter(), a_reel(), pictures())
    assert "reply to this e-mail" in html_of(message)
    assert "reply to this e-mail" in text_of(message)
    assert message["List-Unsubscribe"] is None


def test_by_address() -> None:
    reel = a_reel()
    message = received(build_message(a_letter(), reel, None))
    assert parts_of(message) == ["multipart/alternative", "text/plain", "text/html"]
    tags = Tags(html_of(message))
    assert tags.one("img")["src"] == reel.address
    assert tags.one("source")["srcset"] == reel.poster_address
    for shown in (html_of(message), text_of(message)):
        assert "27 November 2026" in shown
    assert f"Open the picture: {reel.address}" in text_of(message)
    assert "until" not in text_of(build_message(a_letter(), a_reel(expires_at=None), None))


def test_an_address_in_a_folder_is_refused() -> None:
    with pytest.raises(MailRefused, match="lesson-1 lies in a folder"):
        build_message(a_letter(), a_reel(address="file:///x/reel.gif"), None)


def test_a_still_picture_is_one_smile() -> None:
    message = received(build_message(a_letter(still=True), a_reel(), pictures()))
    assert parts_of(message)[-1] == "image/jpeg"
    assert "image/gif" not in parts_of(message)
    assert message["Subject"] == "1 smile from the lesson"
    assert "chose 1\u00a0picture in" in html_of(message)
    assert as_shown(message).count("data:image/jpeg") == 1
    assert "data:" not in html_of(message)  # some mail programs show none in an <img>


def test_the_poster_is_left_out_where_gmail_would_cut_the_message_off() -> None:
    large = Pictures(pictures().gif, b"\xff\xd8\xff" + b"x" * 60_000)
    assert "<picture>" not in html_of(build_message(a_letter(), a_reel(), large))
    assert "<picture>" in html_of(build_message(a_letter(), a_reel(), pictures()))


@pytest.mark.parametrize("field", ["sender", "to"])
@pytest.mark.parametrize(
    "address",
    [
        "a@b.example\nBcc: spy@evil.example",
        "a@b.example\r\n\r\nbody",
        "A\nBcc: spy@evil.example <a@b.example>",
        "a@b.example\x0bBcc: c@d.example",
        "a@b.example\x85Bcc: c@d.example",
        "a@b.example\u2028Bcc: c@d.example",
        "a@b.example\0",
        "a@b.example, c@d.example",
        "a@b.example c@d.example",
        "A <a@b.example>, C <c@d.example>",
        "A <a@b.example> <c@d.example>",
        "<>",
        "",
        "nobody",
        "@b.example",
        "a@",
        "a@b@c.example",
        "имя@b.example",
        "a@-b.example",
        "a@b..example",
        "a@[127.0.0.1]",
        "-oX/tmp/x @b.example",
        "x" * 65 + "@b.example",
        "a@" + "b" * 64 + ".example",
    ],
)
def test_a_bad_address_is_one_sentence(field: str, address: str) -> None:
    with pytest.raises(MailRefused) as refused:
        build_message(a_letter(**{field: address}), a_reel(), pictures())
    assert refused.value.message.startswith("The sender '" if field == "sender" else "The receiver '")
    assert refused.value.message.isprintable()


@pytest.mark.parametrize(
    ("address", "header"),
    [
        ("a.b+c@d.example", "a.b+c@d.example"),
        ("School <a@b.example>", "School <a@b.example>"),
        ('"School, the" <a@b.example>', '"School, the" <a@b.example>'),
        ("Школа <a@b.example>", "Школа <a@b.example>"),
        ("a@школа.example", "a@xn--80aa5br7d.example"),
        ("<a@b.example>", "a@b.example"),
    ],
)
def test_a_good_address_arrives(address: str, header: str) -> None:
    message = received(build_message(a_letter(sender=address, to=address), a_reel(), pictures()))
    assert message["From"] == header or address == "a@школа.example"
    assert len(message["To"].addresses) == 1
    assert message["From"].addresses[0].domain == parse_address(address, "x").domain
    assert message["To"].addresses[0].addr_spec.isascii()


@pytest.mark.parametrize(
    "withdraw",
    [
        "https://x.example/\r\nBcc: a@b.example",
        "https://x.example/>,<https://y.example",
        "http://x.example/",
        "javascript:alert(1)",
        "mailto:nobody",
        "mailto:a@b.example\nBcc: x",
        "https://",
        "https://x.example/" + "y" * 1000,
        "https://[",
        "x",
    ],
)
def test_a_bad_address_for_withdrawals_is_refused(withdraw: str) -> None:
    with pytest.raises(MailRefused, match="The address for withdrawals"):
        build_message(a_letter(withdraw=withdraw), a_reel(), pictures())


def test_a_link_must_be_a_web_address() -> None:
    with pytest.raises(MailRefused, match="link of the picture"):
        build_message(a_letter(link="javascript:alert(1)"), a_reel(), pictures())


def test_other_versions_of_a_reel_have_other_names() -> None:
    later = a_reel(created_at=a_reel().created_at.replace(hour=13))
    names = {content_id(a_reel(), "reel"), content_id(a_reel(), "poster"), content_id(later, "reel")}
    assert len(names) == 3
    assert not any("lesson-1" in name for name in names)


def test_only_a_gif_and_a_jpeg_leave_the_store() -> None:
    good = {a_reel().address: pictures().gif, a_reel().poster_address: pictures().poster_jpeg}
    assert read_pictures(a_reel(), read=good.__getitem__) == pictures()
    for address in good:
        with pytest.raises(StoreError, match="no GIF and JPEG where the reel of lesson lesson-1"):
            read_pictures(a_reel(), read={**good, address: b"root:x:0:0"}.__getitem__)


@pytest.mark.parametrize(
    "address", ["file:///nowhere/at/all", "ftp://x.example/a", "http://127.0.0.1:9/a?X-Amz-Signature=s3cret", "http://["]
)
def test_a_store_that_is_away_is_one_sentence_without_the_address(address: str) -> None:
    with pytest.raises(StoreError) as failed:
        read_pictures(a_reel(address=address))
    assert failed.value.message.startswith("The reel of lesson lesson-1 could not be read from the store (")
    assert "s3cret" not in failed.value.message


def test_a_letter_holds_nothing_by_default() -> None:
    letter = Letter("a@b.example", "c@d.example")
    assert (letter.name, letter.withdraw, letter.link, letter.still, letter.one_click) == (None, None, None, False, False)
