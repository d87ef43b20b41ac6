"""The charts of a lesson with the words that stand for them. Pure; `view.py` calls it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from . import charts
from .charts import SIZES, Drawing, Lane, Panel
from .figures import Curve, in_minutes, in_words, lesson_time, on_spans, smoothed, spans_where
from .reading import LessonData

# A smile lasts for seconds; a look into the camera may be short.
SMILE_REACH_SECONDS, PRESENCE_REACH_SECONDS = 10, 4


@dataclass(frozen=True, slots=True)
class Illustration:
    """A chart in both sizes, with the words that stand for it."""

    name: str
    title: str
    description: str
    drawings: Sequence[Drawing]
    has_links: bool = False


def lanes_illustration(lesson: LessonData, times: dict[int, float]) -> Illustration:
    """Both cameras, who was seen, and the moments (number to lesson second) as links to their pictures."""
    document, seconds, n = lesson.document, lesson.seconds or (), lesson.n_seconds
    off = {side: lesson.spans(document.disconnects.get(side, [])) for side in ("student", "teacher")}
    lanes = [
        Lane(
            "Pupil's camera",
            charts.CAMERA,
            spans_where(seconds, lambda s: s.student_on) if seconds else on_spans(n, off["student"]),
            off["student"],
            _times_off(off["student"]),
        )
    ]
    if document.bounded_by == "both":
        known = any(second.teacher_on is not None for second in seconds)
        on = spans_where(seconds, lambda s: bool(s.teacher_on)) if known else on_spans(n, off["teacher"])
        lanes.append(Lane("Teacher's camera", charts.CAMERA, on, off["teacher"], _times_off(off["teacher"])))
    else:
        lanes.append(Lane("Teacher's camera", charts.CAMERA, [], note="no recording"))
    if seconds:
        lanes.append(Lane("Child's face seen", charts.CHILD, spans_where(seconds, lambda s: bool(s.child_faces))))
        lanes.append(Lane("Adult's face in view", charts.ADULT, spans_where(seconds, lambda s: bool(s.adult_faces))))
    if document.parent_shoulder is not None:
        lanes.append(Lane("Parent beside the child, by shoulder", charts.SHOULDER, lesson.spans(document.parent_shoulder)))
    return Illustration(
        "lanes",
        "Cameras, people and moments over the lesson",
        "A bar shows when something holds, a cross where a camera was off. " + " ".join(_lane_words(lane, n) for lane in lanes),
        [charts.lanes_chart(n, lanes, times, size) for size in SIZES],
        has_links=bool(times),
    )


def _lane_words(lane: Lane, n_seconds: int) -> str:
    covered = sum(end - begin for begin, end in lane.spans)
    note = f", {lane.note}" if lane.note else ""
    return f"{lane.label}: {in_minutes(covered)} of {in_minutes(n_seconds)}{note}."


def _times_off(off: Sequence[tuple[float, float]]) -> str:
    if not off:
        return ""
    times = "once" if len(off) == 1 else f"{len(off)} times"
    return f"off {times}, {in_words(sum(end - begin for begin, end in off))} in all"


def parent_illustration(lesson: LessonData, times: dict[int, float]) -> Illustration | None:
    """P(parent by shoulder) above P(an adult looks into the camera); None where neither is known of any second."""
    seconds = lesson.seconds or ()
    shoulder: Curve = smoothed([second.p_parent_shoulder for second in seconds], PRESENCE_REACH_SECONDS)
    adult: Curve = smoothed([second.p_adult_face for second in seconds], PRESENCE_REACH_SECONDS)
    if all(value is None for value in (*shoulder, *adult)):
        return None
    panels = [
        Panel("P(parent by shoulder)", charts.SHOULDER, shoulder, lesson.spans(lesson.document.parent_shoulder or [])),
        Panel("P(an adult looks into the camera)", charts.ADULT, adult),
    ]
    words = " ".join(_curve_words(panel) for panel in panels)
    drawings = [charts.panels_chart(lesson.n_seconds, panels, times, size) for size in SIZES]
    return Illustration("parent", "How surely a parent was there, second by second", words, drawings)


def smile_illustration(lesson: LessonData, times: dict[int, float]) -> Illustration:
    """The smoothed smile, with gaps where no face was seen."""
    values = smoothed([second.p_smile for second in lesson.seconds or ()], SMILE_REACH_SECONDS)
    panel = Panel("P(smile), smoothed", charts.SMILE, values)
    drawings = [charts.panels_chart(lesson.n_seconds, [panel], times, size) for size in SIZES]
    return Illustration("smile", "The smile over the lesson, smoothed", _curve_words(panel), drawings)


def _curve_words(panel: Panel) -> str:
    known = [(value, second) for second, value in enumerate(panel.values) if value is not None]
    if not known:
        return f"{panel.label}: never known."
    top, at = max(known)
    above = sum(value > 0.5 for value, _ in known)
    return (
        f"{panel.label}: known for {in_minutes(len(known))}, above 0.5 for {in_minutes(above)}, "
        f"highest at {lesson_time(at)} with {top:.2f}."
    )
