"""The lesson's report: `lesson.json` and `seconds.csv` in, one self-contained page out. Pure; `report` and the web page call it.

Altair, vl-convert and Jinja2 (the extra `report`) and Pillow are imported only when a page is made.
"""

from __future__ import annotations

from .page import ReportParts, report_page, report_parts
from .reading import LessonData, read_lesson

__all__ = ["LessonData", "ReportParts", "read_lesson", "report_page", "report_parts"]
