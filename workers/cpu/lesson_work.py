"""What the CPU room does with a whole lesson, between the doors and the stages: plan, pick, assemble, publish. Called by `tasks.py`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from shared.catalogue import ASSEMBLE_REEL, PICK_MOMENTS, PLAN_LESSON, PUBLISH_LESSON
from shared.errors import Hopeless
from shared.ledger import LessonState
from shared.lesson import Segment
from shared.messages import FacesClassified, MomentsPicked, ReelAssembled, SegmentSkipped
from shared.records import LessonPlan, Outcome, Readings, SegmentFaces
from shared.reel import NoReelReason, Reel
from shared.store import lesson_work_key, output_key, work_key
from workers.cpu import assemble, pick
from workers.cpu.measure import measure_lesson, version_of
from workers.cpu.plan import make_plan
from workers.cpu.presence import shoulder_ranges
from workers.cpu.publish import lesson_json, seconds_csv
from workers.cpu.readings import read_segment, skipped_seconds
from workers.cpu.rules import deciding_settings, exposure, pick_rules, plan_limits, source_rules
from workers.cpu.shots import take_shots
from workers.cpu.telling import lesson_told, second_rows
from workers.cpu.tracks import join_p_child
from workers.doors import Doors
from workers.packs import unpack_crops

SegmentResult = FacesClassified | SegmentSkipped
STORE_IS_FULL = "the work in the store takes all the room it may (SMILEREEL_STORE_MAX_BYTES)"


@dataclass(frozen=True, slots=True)
class Planned:
    """The work's name and the segments that are still to be looked at; none once the moments were picked."""

    work_version: str
    segments: list[Segment]
    bulk: bool


def plan(doors: Doors, lesson_id: str, generation: int = 0) -> Planned | None:
    """The lesson's plan, put away; None where the lesson has ended before or finds no place yet."""
    settings = doors.settings
    full = None if doors.ledger.duties.room_for_work(settings.store_max_bytes) else STORE_IS_FULL
    places, bulk_places, lease = settings.lessons_in_work, settings.bulk_places, settings.lease_seconds
    if not doors.ledger.admit(lesson_id, generation, places=places, bulk_places=bulk_places, lease_seconds=lease, full=full):
        return None
    record = doors.ledger.require(lesson_id)
    lesson = record.lesson
    work_version = version_of(lesson, source_rules(settings), deciding_settings(settings, record.revision))
    if doors.store.exists(_plan_key(lesson_id, work_version)):
        made = _plan(doors, lesson_id, work_version)
    else:
        with doors.timed(lesson_id, PLAN_LESSON, work_version) as timed:
            measured = measure_lesson(lesson, source_rules(settings))
            made = make_plan(lesson, measured.recordings, measured.skipped, plan_limits(settings))
            timed.items = len(made.segments)
            doors.store.put(_plan_key(lesson_id, work_version), made.model_dump_json(by_alias=True).encode())
    facts = {"n_seconds": made.n_seconds, "n_frames": sum(s.end_second - s.start_second for s in made.segments)}
    doors.ledger.planned(lesson_id, work_version, len(made.segments), facts, generation=generation)
    picked = doors.store.exists(_key(lesson_id, work_version, "outcome.json"))
    return Planned(work_version, [] if picked else made.segments, record.bulk)


def pick_moments(doors: Doors, lesson_id: str, work_version: str, messages: Sequence[SegmentResult]) -> MomentsPicked:
    """Gather the segments and choose the reel's moments.

    Raises:
        Hopeless: every segment was skipped through a fault of ours.
    """
    key = _key(lesson_id, work_version, "outcome.json")
    if doors.store.exists(key):
        outcome = Outcome.model_validate_json(doors.store.get(key))
        return MomentsPicked(lesson_id=lesson_id, work_version=work_version, outcome_key=key, n_moments=len(outcome.moments))
    with doors.timed(lesson_id, PICK_MOMENTS, work_version) as timed:
        ours = [m for m in messages if isinstance(m, SegmentSkipped) and m.fault == "ours"]
        if messages and len(ours) == len(messages):
            raise Hopeless(f"Lesson {lesson_id} failed in every segment: {ours[0].reason}; look at the workers' logs.")
        made = _plan(doors, lesson_id, work_version)
        readings = _gather(doors, made, messages)
        outcome = pick.pick_moments(made, readings.frames, pick_rules(doors.settings), readings.shoulder_ranges)
        if not doors.settings.mood_analytics:
            # Smile scores along a lesson are mood data: unless asked for, they end here.
            readings, outcome = readings.without_smiles(), outcome.without_smiles()
        doors.store.put(_key(lesson_id, work_version, "readings.json"), readings.model_dump_json().encode())
        doors.store.put(key, outcome.model_dump_json().encode())
        for message in messages:
            if isinstance(message, FacesClassified):
                doors.store.delete(message.scores_key)
        timed.items = len(outcome.moments)
    return MomentsPicked(lesson_id=lesson_id, work_version=work_version, outcome_key=key, n_moments=len(outcome.moments))


def _gather(doors: Doors, made: LessonPlan, messages: Sequence[SegmentResult]) -> Readings:
    readings, thresholds = Readings(frames=[], skipped=list(made.skipped)), []
    for message in messages:
        if isinstance(message, SegmentSkipped):
            seconds = range(message.segment.start_second, message.segment.end_second)
            readings.skipped.extend(skipped_seconds(message.segment, seconds, message.reason))
            continue
        found = SegmentFaces.model_validate_json(doors.store.get(message.detections_key))
        crops = unpack_crops(doors.store.get(message.crops_key))
        scores = json.loads(doors.store.get(message.scores_key))
        thresholds.append(found.shoulder_threshold)
        readings.frames.extend(read_segment(message.segment, found, crops, scores))
        readings.skipped.extend(skipped_seconds(message.segment, found.unreadable, "no readable picture"))
    # One set of weights scored the whole lesson; if a release came in between, the more careful one of its thresholds counts.
    ranges = shoulder_ranges(readings.frames, min(thresholds)) if thresholds else []
    return readings.model_copy(update={"frames": join_p_child(readings.frames), "shoulder_ranges": ranges})


def assemble_reel(doors: Doors, message: MomentsPicked) -> ReelAssembled:
    """The GIF, its poster and the contact sheet, from the recordings at their full size."""
    lesson_id, work_version = message.lesson_id, message.work_version
    outcome = Outcome.model_validate_json(doors.store.get(message.outcome_key))
    lesson = doors.ledger.require(lesson_id).lesson
    if not outcome.moments or not lesson.consent.reel:
        return ReelAssembled(lesson_id=lesson_id, work_version=work_version, outcome_key=message.outcome_key)
    record_key = output_key(lesson_id, work_version, "reel.json")
    if not doors.store.exists(record_key):
        with doors.timed(lesson_id, ASSEMBLE_REEL, work_version) as timed:
            settings = doors.settings
            uris = [recording.uri for recording in lesson.student]
            made = _plan(doors, lesson_id, work_version)
            shots = take_shots(made, outcome.moments, uris, source_rules(settings), threads=settings.decode_threads)
            files = assemble.assemble_reel(
                shots,
                side=settings.reel_side,
                max_bytes=settings.reel_max_bytes,
                frame_seconds=settings.reel_frame_seconds,
                loops=settings.reel_loops,
            )
            doors.store.put(output_key(lesson_id, work_version, "reel.gif"), files.gif)
            doors.store.put(output_key(lesson_id, work_version, "poster.jpg"), files.poster_jpeg)
            doors.store.put(output_key(lesson_id, work_version, "contact-sheet.jpg"), files.contact_sheet_jpeg)
            doors.store.put(record_key, files.record.model_dump_json().encode())
            timed.items = len(shots)
    return ReelAssembled(lesson_id=lesson_id, work_version=work_version, outcome_key=message.outcome_key, reel_key=record_key)


def publish(doors: Doors, message: ReelAssembled) -> None:
    """The lesson's record and its per-second data; then the ledger knows it, and what lay on the way is deleted."""
    lesson_id, work_version = message.lesson_id, message.work_version
    with doors.timed(lesson_id, PUBLISH_LESSON, work_version) as timed:
        made, shown = _plan(doors, lesson_id, work_version), exposure(doors.settings)
        readings = Readings.model_validate_json(doors.store.get(_key(lesson_id, work_version, "readings.json")))
        outcome = Outcome.model_validate_json(doors.store.get(message.outcome_key))
        reel = Reel.model_validate_json(doors.store.get(message.reel_key)) if message.reel_key else None
        if outcome.moments and not doors.ledger.require(lesson_id).consent.reel:  # withdrawn since the plan
            reel, outcome = None, Outcome(moments=[], reason=NoReelReason.NO_CONSENT)
        stages = doors.ledger.runs.progress(lesson_id, work_version)
        record = lesson_json(made, outcome, reel, stages, readings.skipped, shown, readings.shoulder_ranges)
        seconds = second_rows(made, readings.frames, shown)
        doors.store.put(output_key(lesson_id, work_version, "seconds.csv"), seconds_csv(made, seconds))
        doors.store.put(output_key(lesson_id, work_version, "lesson.json"), record)
        told = lesson_told(made, seconds, readings.shoulder_ranges)
        doors.ledger.told.write(lesson_id, told, generation=message.generation)
        timed.items = 1
    state = LessonState.DONE if reel else LessonState.NO_REEL
    reason = str(outcome.reason) if outcome.reason else None
    careful = doors.settings.reel_approval
    if doors.ledger.finish(lesson_id, state, reason, reel=reel, generation=message.generation, needs_approval=careful):
        doors.store.delete(lesson_work_key(lesson_id))


def _key(lesson_id: str, work_version: str, name: str) -> str:
    return f"{work_key(lesson_id, work_version)}/{name}"


def _plan_key(lesson_id: str, work_version: str) -> str:
    return _key(lesson_id, work_version, "plan.json")


def _plan(doors: Doors, lesson_id: str, work_version: str) -> LessonPlan:
    return LessonPlan.model_validate_json(doors.store.get(_plan_key(lesson_id, work_version)))
