"""The picked moments' pictures at the recording's full size. Called by the assemble task's work."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from shared.errors import RecordingUnreadable
from shared.lesson import is_nominal
from shared.records import LessonPlan, to_iso
from shared.reel import Moment

from .assemble import Shot
from .decode import sample_frames
from .fetch import SourceRules
from .media import OpenedFile
from .sources import open_recording


def take_shots(
    plan: LessonPlan, moments: Sequence[Moment], uris: Sequence[str], rules: SourceRules, *, threads: int
) -> list[Shot]:
    """Decode each moment's second again, by the same rule as the first time, so that it gives the same frame.

    Args:
        rules: where recordings may lie, and what they may cost.

    Raises:
        RecordingUnreadable: a moment's frame, readable before, cannot be read any more.
        SourceUnavailable: the host of a recording does not answer now.
    """
    offsets = {segment.recording_index: segment.pts_offset_seconds for segment in plan.segments}
    opened: dict[int, OpenedFile] = {}
    shots = []
    with ExitStack() as stack:
        for moment in moments:
            index = moment.recording_index
            if index not in opened:
                opened[index] = stack.enter_context(open_recording(uris[index], rules))
            media = opened[index]
            sampling = sample_frames(
                media, [moment.second], offsets[index], longest_side=None, threads=threads, limits=rules.limits
            )
            if not sampling.frames:
                raise RecordingUnreadable(
                    f"Second {moment.second} of {media.name} could be read before but not again; was it changed?"
                )
            shots.append(Shot(sampling.frames[0].rgb, moment.box_xyxy, _caption(moment)))
    return shots


def _caption(moment: Moment) -> str:
    minutes, seconds = divmod(int(moment.pts_seconds), 60)
    into_lesson = f"{minutes:02d}:{seconds:02d}"
    return into_lesson if is_nominal(moment.at) else f"{into_lesson}   {to_iso(moment.at)[:19]}Z"
