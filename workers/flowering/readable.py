"""Celery's events in, the same with arguments that a person can read out: ids, segments and counts. `history.py` calls it.

Only what is looked for here is shown; whatever else a message may ever carry stays out of Flower's pages, API and file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from shared.catalogue import SEGMENT_TASKS

DOT = " · "
# As in `shared/lesson.py`.
_ID = r"[A-Za-z0-9][A-Za-z0-9._:@=+-]{0,127}"
_LESSON = re.compile(rf"'lesson_id': '({_ID})'")
# plan: ('lesson',); pick of a lesson without segments: ([], 'lesson', 'version')
_LESSON_ALONE = re.compile(rf"^[(\[](?:\[\], )?'({_ID})'")
_SEGMENT = re.compile(
    r"'segment': \{'index': (?P<index>\d+), 'recording_index': \d+, 'start_second': (?P<start>\d+), 'end_second': (?P<end>\d+)"
)
_SENDING = re.compile(r"'generation': (\d+)")
_KIND = re.compile(r"'kind': '([a-z_]{1,40})'")
_SKIPPED = re.compile(r"'stage': '([a-z_]{1,40})', 'fault': '(input|ours)'")
_COUNTS = {name: re.compile(rf"'n_{name}': (\d+)") for name in ("frames", "faces", "moments")}
_CLASS = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,99}")
_LINE_OF_TRACEBACK = re.compile(r'^  File "[^"\n]+", line \d+, in \S+$', re.MULTILINE)


def readable_event(event: Mapping[str, Any]) -> dict[str, Any]:
    """The event, its arguments, result and error in words; another than a task's as it is."""
    told = dict(event)
    if not str(told.get("type", "")).startswith("task-"):
        return told
    if told.get("args") is not None or told.get("kwargs") is not None:
        args, kwargs = str(told.get("args") or ""), str(told.get("kwargs") or "")
        told["args"], told["kwargs"] = readable_arguments(str(told.get("name", "")), args), readable_sending(args + kwargs)
    for name, shorten in (("result", readable_result), ("exception", _error_class), ("traceback", _where)):
        if told.get(name) is not None:
            told[name] = shorten(str(told[name]))
    return told


def readable_arguments(task_name: str, args: str) -> str:
    """Which lesson and segment a task's arguments name, like `lesson-1 · segment 3 · seconds 15-20`; "" for neither.

    Args:
        task_name: from `shared/catalogue.py`.
        args: Python's notation of the arguments, as Celery's events carry it, perhaps cut off.
    """
    lesson = _LESSON.search(args) or _LESSON_ALONE.match(args)
    if lesson is None:
        return ""
    parts = [lesson[1]]
    # The picking task gets all segments; it belongs to none.
    segment = _SEGMENT.search(args) if task_name in SEGMENT_TASKS else None
    if segment is not None:
        parts += [f"segment {segment['index']}", f"seconds {segment['start']}-{segment['end']}"]
    return DOT.join(parts)


def readable_sending(arguments: str) -> str:
    """Which sending of the lesson it belongs to: more than the first means that it was lost or failed before."""
    sending = _SENDING.search(arguments)
    return f"sending {sending[1]}" if sending else ""


def readable_result(result: str) -> str:
    """What came out, like `faces_detected · 5 frames · 7 faces`; the reason of a skipped segment is in the ledger."""
    kind = _KIND.search(result)
    if kind is None:
        return "" if result == "None" else "…"
    if skipped := _SKIPPED.search(result):
        return DOT.join((kind[1], skipped[1], "input at fault" if skipped[2] == "input" else "our fault"))
    counts = [f"{found[1]} {name}" for name, pattern in _COUNTS.items() if (found := pattern.search(result))]
    return DOT.join((kind[1], *counts))


def readable_request(request: Mapping[str, Any]) -> dict[str, Any]:
    """The same for a task as a worker tells of it when it is asked what it does."""
    args, kwargs = str(request.get("args") or ""), str(request.get("kwargs") or "")
    return {
        **request,
        "args": readable_arguments(str(request.get("name", "")), args),
        "kwargs": readable_sending(args + kwargs),
    }


def _error_class(text: str) -> str:
    """Its sentence may name files and hosts: that is for the logs."""
    found = _CLASS.match(text)
    return found[0] if found else "Exception"


def _where(traceback: str) -> str:
    return "\n".join(_LINE_OF_TRACEBACK.findall(traceback))
