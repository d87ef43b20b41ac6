"""The picked moments' pictures at the recording's full size. Called by the assemble task's work."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from shared.errors import RecordingUnreadable
from shared.lesson import is_nominal
from shared.records import LessonPlan, to_iso
from shared.reel import Moment

from .assemble import Shot
from .decode import sample_frames
from .media import recording_path


def take_shots(plan: LessonPlan, moments: Sequence[Moment], uris: Sequence[str], media_root: Path, *, threads: int) -> list[Shot]:
    """Decode each moment's second again, by the same rule as the first time, so that it gives the same frame.

    Raises:
        RecordingUnreadable: a moment's frame, readable before, cannot be read any more.
    """
    offsets = {segment.recording_index: segment.pts_offset_seconds for segment in plan.segments}
    shots = []
    for moment in moments:
        path = recording_path(uris[moment.recording_index], media_root)
        sampling = sample_frames(path, [moment.second], offsets[moment.recording_index], longest_side=None, threads=threads)
        if not sampling.frames:
            raise RecordingUnreadable(
                f"Second {moment.second} of {path.name} could be read before but not again; was it changed?"
            )
        shots.append(Shot(sampling.frames[0].rgb, moment.box_xyxy, _caption(moment)))
    return shots


def _caption(moment: Moment) -> str:
    minutes, seconds = divmod(int(moment.pts_seconds), 60)
    into_lesson = f"{minutes:02d}:{seconds:02d}"
    return into_lesson if is_nominal(moment.at) else f"{into_lesson}   {to_iso(moment.at)[:19]}Z"
