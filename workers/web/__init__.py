"""A small page over all lessons: requests of people in, HTML and deeds out. `smilereel web` starts it; it needs the extra `web`."""

from __future__ import annotations
