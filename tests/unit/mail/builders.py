"""A reel, its pictures and a letter; the pictures are the project's demo, of public-domain photographs."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image

from shared.answers import PublishedReel
from shared.mail.message import Letter
from shared.mail.pictures import Pictures

DEMO_REEL = Path(__file__).parents[3] / "docs" / "demo-reel.gif"
CREATED_AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
A_REEL = PublishedReel(
    lesson_id="lesson-1",
    address="https://store.example/reel.gif?X-Amz-Expires=60&X-Amz-Signature=s3cret",
    poster_address="https://store.example/poster.jpg?X-Amz-Expires=60&X-Amz-Signature=s3cret",
    width=320,
    height=320,
    bytes=487_900,
    frames=9,
    alt="9 smiles",
    created_at=CREATED_AT,
    expires_at=CREATED_AT + timedelta(days=7),
)


def a_reel(**changes: Any) -> PublishedReel:
    """A reel of nine smiles in an S3 store."""
    return replace(A_REEL, **changes)


def a_letter(**changes: Any) -> Letter:
    """From the school to a parent."""
    return replace(Letter("School <smiles@school.example>", "parent@home.example"), **changes)


@cache
def pictures() -> Pictures:
    """The demo's reel, and its first picture as the poster."""
    gif = DEMO_REEL.read_bytes()
    poster = io.BytesIO()
    Image.open(io.BytesIO(gif)).convert("RGB").save(poster, "JPEG", quality=90)
    return Pictures(gif, poster.getvalue())


def finder(*reels: PublishedReel) -> Callable[[str], PublishedReel | None]:
    """Finds these reels and no others."""
    return {reel.lesson_id: reel for reel in reels}.get


def parts_of(message: EmailMessage) -> list[str]:
    """Types of all parts, outside in."""
    return [part.get_content_type() for part in message.walk()]


def html_of(message: EmailMessage) -> str:
    """The HTML as it was written."""
    body = message.get_body(("html",))
    assert body is not None
    return str(body.get_content())


def as_shown(message: EmailMessage) -> str:
    """The HTML with the enclosed pictures in place, as a mail program shows it."""
    html = html_of(message)
    for part in message.walk():
        if part["Content-ID"]:
            data = base64.b64encode(part.get_content()).decode()
            html = html.replace(f"cid:{part['Content-ID'].strip('<>')}", f"data:{part.get_content_type()};base64,{data}")
    return html
