"""Judges a fault run by its evidence alone: what was lost, what was done twice, what nobody owns. Called by `run.py` and by tests."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from workers.chaos.evidence import Evidence, LessonFacts, files_below
from workers.chaos.plan import Film

PUBLISHED = ("lesson.json", "seconds.csv")
OF_A_REEL = ("reel.gif", "poster.jpg", "contact-sheet.jpg", "reel.json")
OPEN = {"accepted", "processing"}
PROPER_END: dict[Film, str] = {"reel": "done", "short": "no_reel", "no_consent": "no_reel", "poison": "quarantined"}


T = TypeVar("T", bound=str | tuple[str, int])


@dataclass
class Verdict:
    """What was found; each finding names the lesson, the file or the key."""

    accepted: int = 0
    done: int = 0
    no_reel: int = 0
    quarantined: int = 0
    lost: list[str] = field(default_factory=list)
    double: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not (self.lost or self.double or self.orphans)


def judge(evidence: Evidence, films: Mapping[str, Film]) -> Verdict:
    """Compare what is there with what has to be there.

    Args:
        evidence: the receipts and what lies in database, store and Valkey.
        films: what each lesson's pictures show; it decides which end is the proper one.
    """
    rows = {row.lesson_id: row for row in evidence.lessons}
    accepted = sorted({receipt.lesson_id for receipt in evidence.receipts})
    states = Counter(rows[lesson_id].state for lesson_id in accepted if lesson_id in rows)
    verdict = Verdict(len(accepted), states["done"], states["no_reel"], states["quarantined"])
    for lesson_id in accepted:
        fault = _fault_of(lesson_id, rows.get(lesson_id), films[lesson_id], evidence)
        if fault:
            verdict.lost.append(f"{lesson_id}: {fault}")
    verdict.double = _doubles(evidence)
    verdict.orphans = [*_orphan_files(evidence, rows), *(f"key {key}" for key in evidence.keys)]
    return verdict


def _fault_of(lesson_id: str, row: LessonFacts | None, film: Film, evidence: Evidence) -> str | None:
    """Why the lesson counts as lost; None if it does not."""
    if row is None:
        return "no row"
    if row.state in OPEN:
        return f"not ended: {row.state} ({row.reason})"
    if row.state != PROPER_END[film]:
        return f"ended as {row.state} in place of {PROPER_END[film]} ({row.reason})"
    if not any((event[1], event[2], event[3]) == (lesson_id, row.round, row.state) for event in evidence.events):
        return f"{row.state}, and no event says so"
    if row.state == "quarantined":
        return None
    outputs = evidence.store / "lessons" / lesson_id / str(row.work_version)
    return _record_fault(outputs / "lesson.json") or (_reel_fault(row, outputs, evidence) if row.state == "done" else None)


def _record_fault(path: Path) -> str | None:
    try:
        record = json.loads(path.read_text())
    except FileNotFoundError:
        return "its lesson.json is not there"
    except ValueError:
        return "its lesson.json cannot be read"
    # All films can be read from end to end: whatever is missing was lost by us.
    left_out = record.get("skipped", [])
    return f"{len(left_out)} parts of it were left out: {left_out[0].get('reason')}" if left_out else None


def _reel_fault(row: LessonFacts, outputs: Path, evidence: Evidence) -> str | None:
    frames = [
        frames for lesson_id, version, frames in evidence.reels if (lesson_id, version) == (row.lesson_id, row.work_version)
    ]
    if not frames:
        return "done without a reel's row"
    found = frames_of(outputs / "reel.gif")
    return None if found == frames[0] else f"its GIF has {found} readable frames in place of {frames[0]}"


def frames_of(gif: Path) -> int:
    """How many frames of a GIF can be decoded; 0 where it is missing or unreadable."""
    from PIL import Image, ImageSequence

    try:
        with Image.open(gif) as picture:
            return sum(1 for frame in ImageSequence.Iterator(picture) if frame.load() is not None)
    except (OSError, ValueError, EOFError, SyntaxError):
        return 0


def _doubles(evidence: Evidence) -> list[str]:
    found = [f"{who}: created {n} times" for who, n in _twice(r.lesson_id for r in evidence.receipts if r.created)]
    found += [f"{who}: {n} rows" for who, n in _twice(row.lesson_id for row in evidence.lessons)]
    found += [f"{who}: {n} reels in the table" for who, n in _twice(reel[0] for reel in evidence.reels)]
    gifs = [name.split("/")[1] for name in files_below(evidence.store) if _is_gif(name)]
    found += [f"{who}: {n} reels in the store" for who, n in _twice(gifs)]
    ends = {(lesson_id, round_number, event_id) for event_id, lesson_id, round_number, _ in evidence.events}
    found += [f"{who[0]}: {n} events of one end" for who, n in _twice((end[0], end[1]) for end in ends)]
    return found + [f"{row.lesson_id}: ended {row.round} times" for row in evidence.lessons if row.round != 1]


def _twice(values: Iterable[T]) -> list[tuple[T, int]]:
    return [(value, n) for value, n in Counter(values).items() if n > 1]


def _is_gif(name: str) -> bool:
    parts = name.split("/")
    return parts[0] == "lessons" and len(parts) > 2 and name.endswith(".gif")


def _orphan_files(evidence: Evidence, rows: Mapping[str, LessonFacts]) -> list[str]:
    """Files that no row owns: an open lesson owns its work and outputs, an ended one the published outputs of its version."""
    owned: set[str] = set()
    for row in rows.values():
        names = {"done": PUBLISHED + OF_A_REEL, "no_reel": PUBLISHED}.get(row.state, ())
        owned |= {f"lessons/{row.lesson_id}/{row.work_version}/{name}" for name in names}
    open_ids = {row.lesson_id for row in rows.values() if row.state in OPEN}
    return [name for name in files_below(evidence.store) if name not in owned and not _is_of(name, open_ids)]


def _is_of(name: str, lesson_ids: set[str]) -> bool:
    parts = name.split("/")
    return len(parts) > 2 and parts[0] in {"work", "lessons"} and parts[1] in lesson_ids
