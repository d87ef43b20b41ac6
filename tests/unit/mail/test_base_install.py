"""The mail package on the base install: nothing heavy comes in, and neither Jinja2 nor Django is needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_no_template_engine_and_nothing_heavy() -> None:
    script = """
import sys
refused = ("jinja2", "markupsafe", "django", "torch", "cv2", "numpy", "fastai", "PIL")
for name in refused:
    sys.modules[name] = None  # whoever imports it gets an ImportError
from datetime import UTC, datetime
from shared.mail import addresses, faults, fragment, message, pictures, smtp, words
from shared.answers import PublishedReel
reel = PublishedReel("l", "https://s.example/a", "https://s.example/b", 320, 320, 1, 9, "", datetime.now(UTC))
assert "<img" in fragment.ReelFragments(find=lambda lesson_id: reel).render("l", language="ru")
made = message.build_message(message.Letter("a@b.example", "c@d.example"), reel, pictures.Pictures(b"GIF89a", b"x"))
assert made.get_body(("html",)) is not None
assert all(sys.modules[name] is None for name in refused)
"""
    ran = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert (ran.returncode, ran.stderr) == (0, "")
