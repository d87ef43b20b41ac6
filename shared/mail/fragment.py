"""A lesson's id in, the HTML of its reel out, or nothing. The tags for Jinja and Django and the whole message all come here."""

from __future__ import annotations

import logging
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..answers import PublishedReel
from ..errors import SmilereelError
from .pictures import Pictures, content_id
from .words import Words, words_for

if TYPE_CHECKING:
    from ..settings import Settings

_log = logging.getLogger(__name__)

FindReel = Callable[[str], PublishedReel | None]
# Wider than this would not fit into a column of 600 pixels with its margins.
WIDEST_PIXELS = 520
# Gmail cuts a message off whose HTML is larger than 102 kB; base64 makes these 64 kB.
_LARGEST_POSTER_BYTES = 48_000
_IMG_STYLE = (
    "display:block;margin:0 auto;border:0;border-radius:12px;width:100%;max-width:{width}px;height:auto;background-color:#e9e5dd;"
    "color:#33302b;font-family:Arial,Helvetica,sans-serif;font-size:16px;line-height:34px;text-align:center"
)


def find_for_email(lesson_id: str, *, settings: Settings | None = None) -> PublishedReel | None:
    """The lesson's reel, if its family agreed to get it by e-mail. Raises what `shared.client.find_reel` raises."""
    from ..client import find_reel

    return find_reel(lesson_id, purpose="email", settings=settings)


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the picture and its poster come from, as the HTML names them; the reel's page or file, if there is an address."""

    picture: str
    poster: str | None
    link: str | None


@dataclass(frozen=True, slots=True)
class ReelFragments:
    """What the template tags do, and what they do it with.

    Attributes:
        find: the lesson's reel or None.
        language: of the alt text, where the template names none.
        catalogues: further languages.
    """

    find: FindReel = find_for_email
    language: str = "en"
    catalogues: Mapping[str, Words] = field(default_factory=dict)

    def render(
        self,
        lesson_id: object,
        *,
        language: str | None = None,
        name: str | None = None,
        link: str | None = None,
        still: bool = False,
    ) -> str:
        """The reel as HTML, empty where there is none or it cannot be found now: an e-mail does not fail for want of a picture.

        Args:
            lesson_id: which lesson.
            language: of the alt text.
            name: the pupil's, if the alt text shall have it; it is escaped and kept nowhere.
            link: an http(s) address that a click opens; by default the reel itself.
            still: the poster, which does not move, instead of the GIF.
        """
        wanted = "" if lesson_id is None else str(lesson_id)
        if not wanted:
            return ""
        try:
            reel = self.find(wanted)
            if reel is None:
                return ""
            if not is_web_address(reel.address) or not is_web_address(reel.poster_address):
                _log.warning(
                    "no reel in the e-mail of lesson %r: no mail program can open its address in the store", wanted[:128]
                )
                return ""
            words = words_for(language or self.language, self.catalogues)
            return fragment(reel, _linked(reel, link), words, name=name, still=still)
        except Exception as error:  # noqa: BLE001  (whatever it is, the rest of the e-mail is to go out)
            why = error.message if isinstance(error, SmilereelError) else type(error).__name__
            _log.warning("no reel in the e-mail of lesson %r: %s", wanted[:128], why)
            return ""


def is_web_address(address: str) -> bool:
    """Whether a mail program may open it: http(s), with a host, on one line."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and address.isprintable() and " " not in address


def _linked(reel: PublishedReel, link: str | None) -> Sources:
    if link is not None and not is_web_address(link):
        _log.warning("the link of the reel of lesson %r is left out: it is no http(s) address", reel.lesson_id[:128])
        return Sources(reel.address, reel.poster_address, None)
    return Sources(reel.address, reel.poster_address, link or reel.address)


def enclosed(reel: PublishedReel, pictures: Pictures, link: str | None, *, still: bool) -> Sources:
    """The sources of a message that carries its pictures, `still` one that carries the poster alone.

    The poster stands in the HTML itself: as a part of the message that only `<source>` names it would be listed as an attachment
    by every mail program that does not know `<source>`.
    """
    if still:
        return Sources(f"cid:{content_id(reel, 'poster')}", None, link)
    small = len(pictures.poster_jpeg) <= _LARGEST_POSTER_BYTES
    poster = f"data:image/jpeg;base64,{b64encode(pictures.poster_jpeg).decode()}" if small else None
    return Sources(f"cid:{content_id(reel, 'reel')}", poster, link)


def fragment(reel: PublishedReel, sources: Sources, words: Words, *, name: str | None = None, still: bool = False) -> str:
    """The picture as HTML: GIF, poster for those who asked their system for less motion, width, height, alt text and link.

    With `still` it is the poster alone.
    """
    width = min(reel.width, WIDEST_PIXELS)
    height = round(reel.height * width / reel.width)
    alt = words.of_whom("alt", 1 if still else reel.frames, name)
    picture = sources.poster if still and sources.poster else sources.picture
    html = (
        f'<img class="smilereel" src="{escape(picture)}" width="{width}" height="{height}" alt="{escape(alt)}" '
        f'lang="{escape(words.language)}" dir="{words.direction}" style="{_IMG_STYLE.format(width=width)}">'
    )
    if not still and sources.poster:
        calm = f'<source media="(prefers-reduced-motion: reduce)" srcset="{escape(sources.poster)}">'
        html = f"<picture>{calm}{html}</picture>"
    if sources.link:
        html = f'<a href="{escape(sources.link)}" style="text-decoration:none;color:inherit">{html}</a>'
    return html
