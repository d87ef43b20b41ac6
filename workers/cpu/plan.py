"""From the recordings' true lengths to the lesson's bounds and its segments. Pure; called by the door of the CPU room."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from math import ceil

from shared.connection import Connection, Interval, connect, merge, seconds_on
from shared.errors import LessonInvalid, RecordingUnreadable
from shared.lesson import Lesson, Segment, Side
from shared.records import Disconnect, LessonPlan, Skipped

# Raised whenever the same recordings would give other intermediates: part of every key in the store.
PIPELINE_VERSION = "2026.11.2"
# The results of all segments travel in one message to `pick`, which must stay below 64 KB: long lessons have longer segments.
MOST_SEGMENTS = 64


@dataclass(frozen=True, slots=True)
class Measured:
    """A recording that can be used: its place in the lesson's list, its span in POSIX seconds, its decoder's time at the start."""

    index: int
    span: Interval
    first_pts_seconds: float


@dataclass(frozen=True, slots=True)
class PlanLimits:
    """The settings that a plan depends on."""

    disconnect_tolerance_seconds: float = 2.0
    segment_seconds: int = 64
    max_lesson_seconds: int = 6 * 3600


def work_version(lesson: Lesson, file_stats: Sequence[tuple[int, int]], settings: Mapping[str, object]) -> str:
    """A name for all that decides the intermediates: pipeline, lesson, files (bytes, modification time in ns), settings."""
    facts = [PIPELINE_VERSION, lesson.content_sha256(), list(file_stats), dict(sorted(settings.items()))]
    return sha256(json.dumps(facts).encode()).hexdigest()[:16]


def make_plan(
    lesson: Lesson, measured: Mapping[Side, Sequence[Measured]], skipped: Sequence[Skipped], limits: PlanLimits
) -> LessonPlan:
    """Find the lesson's bounds and cut the student's side into segments.

    Raises:
        RecordingUnreadable: no recording of a side can be used.
        NoCommonTime: the two cameras were never on together.
        LessonInvalid: the lesson is longer than allowed.
    """
    for side in ("student", "teacher"):
        if lesson.recordings(side) and not measured[side]:
            faults = [s.reason for s in skipped if s.side == side]
            rest = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
            raise RecordingUnreadable(f"{faults[0]}{rest}" if faults else f"No recording of the {side} can be read.")
    spans = {side: [m.span for m in measured[side]] for side in measured}
    connection = connect(spans["student"], spans["teacher"], tolerance_seconds=limits.disconnect_tolerance_seconds)
    span = connection.lesson
    if span.seconds > limits.max_lesson_seconds:
        raise LessonInvalid(
            f"Lesson {lesson.lesson_id} lasts {span.seconds / 3600:.1f} hours, more than the allowed "
            f"{limits.max_lesson_seconds / 3600:.1f}; check the recordings' started_at."
        )
    n_seconds = max(1, round(span.seconds))
    teacher_spans = merge(spans["teacher"], 0.0)
    return LessonPlan(
        lesson_id=lesson.lesson_id,
        subject=lesson.subject,
        reel_allowed=lesson.consent.reel,
        bounded_by="both" if lesson.teacher else "student",
        starts_at=_time(span.start),
        ends_at=_time(span.end),
        n_seconds=n_seconds,
        disconnects=_disconnects(connection),
        student_on=seconds_on(merge(spans["student"], 0.0), span, n_seconds),
        teacher_on=seconds_on(teacher_spans, span, n_seconds),
        segments=_segments(measured["student"], span, n_seconds, max(limits.segment_seconds, ceil(n_seconds / MOST_SEGMENTS))),
        skipped=list(skipped),
    )


def _time(posix_seconds: float) -> datetime:
    return datetime.fromtimestamp(posix_seconds, tz=UTC)


def _disconnects(connection: Connection) -> dict[Side, list[Disconnect]]:
    def of(gaps: tuple[Interval, ...]) -> list[Disconnect]:
        return [Disconnect(from_=_time(gap.start), to=_time(gap.end)) for gap in gaps]

    return {"student": of(connection.student_gaps), "teacher": of(connection.teacher_gaps)}


def _recording_of(second: int, recordings: Sequence[Measured], lesson: Interval) -> Measured | None:
    """Whose picture shows this second: after a reconnect the recording that began later is the live one."""
    start = lesson.start + second
    end = min(start + 1, lesson.end)
    middle = (start + end) / 2
    live = [m for m in recordings if m.span.start <= middle < m.span.end]
    if not live:
        live = [m for m in recordings if m.span.start < end and m.span.end > start]
    return max(live, key=lambda m: m.span.start, default=None)


def _segments(recordings: Sequence[Measured], lesson: Interval, n_seconds: int, longest: int) -> list[Segment]:
    runs: list[tuple[Measured, int, int]] = []
    for second in range(n_seconds):
        recording = _recording_of(second, recordings, lesson)
        if recording is None:
            continue
        if runs and runs[-1][0] is recording and runs[-1][2] == second:
            runs[-1] = (recording, runs[-1][1], second + 1)
        else:
            runs.append((recording, second, second + 1))
    segments: list[Segment] = []
    for recording, start, end in runs:
        n_parts = ceil((end - start) / longest)
        cuts = [start + (end - start) * part // n_parts for part in range(n_parts + 1)]
        offset = lesson.start - recording.span.start + recording.first_pts_seconds
        for part_start, part_end in itertools.pairwise(cuts):
            segments.append(
                Segment(
                    index=len(segments),
                    recording_index=recording.index,
                    start_second=part_start,
                    end_second=part_end,
                    pts_offset_seconds=offset,
                )
            )
    return segments
