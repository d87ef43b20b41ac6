"""`{% load smilereel %}{% reel lesson_id %}` for Django's templates; also `{% reel lesson_id as picture %}`.

It takes `language`, `name`, `link` and `still`. Another way to find reels: `SMILEREEL_REELS = ReelFragments(…)` in Django's settings.
"""

from __future__ import annotations

from django import template
from django.conf import settings
from django.utils.safestring import SafeString
from django.utils.translation import get_language

from ..fragment import ReelFragments

register = template.Library()


@register.simple_tag  # type: ignore[untyped-decorator]
def reel(
    lesson_id: object, *, language: str | None = None, name: str | None = None, link: str | None = None, still: bool = False
) -> str:
    """The fragment, already escaped, in the language that is active where none is named."""
    fragments: ReelFragments = getattr(settings, "SMILEREEL_REELS", None) or ReelFragments()
    html = fragments.render(lesson_id, language=language or get_language(), name=name, link=link, still=still)
    safe: str = SafeString(html)
    return safe
