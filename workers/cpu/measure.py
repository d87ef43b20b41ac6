"""Each recording's true span, and a name for the work that follows from lesson, files and settings. Called by the plan task's work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shared.connection import Interval
from shared.errors import RecordingUnreadable
from shared.lesson import Lesson, Recording, Side
from shared.records import Skipped
from workers.weights_names import with_weights

from .fetch import SourceRules
from .plan import Measured, work_version
from .probe import probe
from .sources import open_recording


@dataclass(frozen=True, slots=True)
class Measurement:
    """What can be used, and what cannot."""

    recordings: dict[Side, list[Measured]]
    skipped: list[Skipped]


def measure_lesson(lesson: Lesson, rules: SourceRules) -> Measurement:
    """Probe every recording; one that cannot be read is set aside with its reason."""
    recordings: dict[Side, list[Measured]] = {"student": [], "teacher": []}
    skipped: list[Skipped] = []
    for side, usable in recordings.items():
        for index, recording in enumerate(lesson.recordings(side)):
            try:
                usable.append(_measure(index, recording, rules))
            except RecordingUnreadable as error:
                skipped.append(Skipped(side=side, recording=index, uri=recording.uri, reason=error.message))
    return Measurement(recordings, skipped)


def _measure(index: int, recording: Recording, rules: SourceRules) -> Measured:
    with open_recording(recording.uri, rules) as media:
        found = probe(media, limits=rules.limits)
    start = recording.started_at.timestamp()
    return Measured(index, Interval(start, start + found.seconds), found.first_pts_seconds)


def version_of(lesson: Lesson, rules: SourceRules, settings: Mapping[str, object]) -> str:
    """The work's name; a recording that was replaced gives another one, and so do other weights, which it names.

    Raises:
        SourceUnavailable: the host of a recording does not answer now.
    """
    stats: list[tuple[int, int]] = []
    for recording in (*lesson.student, *lesson.teacher):
        try:
            with open_recording(recording.uri, rules) as media:
                stats.append(media.version)
        except (OSError, RecordingUnreadable):
            stats.append((-1, -1))
    return with_weights(work_version(lesson, stats, settings), str(settings["weights"]))
