"""The demo's lesson: public-domain portraits rendered as two cameras' recordings, for `smilereel demo` and the tests."""

from __future__ import annotations

from .render import render_demo_lesson
from .story import DEMO_TRUTH, DemoTruth, Stretch

__all__ = ["DEMO_TRUTH", "DemoTruth", "Stretch", "render_demo_lesson"]
