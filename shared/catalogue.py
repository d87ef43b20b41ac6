"""Names on the wire: tasks and queues. Plain strings, frozen once released, so that two versions can run side by side."""

from __future__ import annotations

from typing import Final

CPU_QUEUE: Final = "cpu"
GPU_QUEUE: Final = "gpu"

PLAN_LESSON: Final = "smilereel.cpu.plan_lesson"
DECODE_SEGMENT: Final = "smilereel.cpu.decode_segment"
DETECT_FACES: Final = "smilereel.gpu.detect_faces"
CROP_FACES: Final = "smilereel.cpu.crop_faces"
CLASSIFY_FACES: Final = "smilereel.gpu.classify_faces"
PICK_MOMENTS: Final = "smilereel.cpu.pick_moments"
ASSEMBLE_REEL: Final = "smilereel.cpu.assemble_reel"
PUBLISH_LESSON: Final = "smilereel.cpu.publish_lesson"
RECONCILE: Final = "smilereel.cpu.reconcile"
SWEEP: Final = "smilereel.cpu.sweep"
DELIVER: Final = "smilereel.cpu.deliver"

SEGMENT_TASKS: Final = (DECODE_SEGMENT, DETECT_FACES, CROP_FACES, CLASSIFY_FACES)
LESSON_TASKS: Final = (PLAN_LESSON, PICK_MOMENTS, ASSEMBLE_REEL, PUBLISH_LESSON)


def stage_of(task_name: str) -> str:
    """A task's name without its room."""
    return task_name.rsplit(".", 1)[1]


STAGES: Final = tuple(stage_of(name) for name in (PLAN_LESSON, *SEGMENT_TASKS, PICK_MOMENTS, ASSEMBLE_REEL, PUBLISH_LESSON))


def queue_of(task_name: str) -> str:
    """The queue that a task travels on: the room is part of its name."""
    return GPU_QUEUE if task_name.startswith("smilereel.gpu.") else CPU_QUEUE


ROUTES: Final = {name: {"queue": queue_of(name)} for name in (*SEGMENT_TASKS, *LESSON_TASKS, RECONCILE, SWEEP, DELIVER)}

# Set on every message, so that whoever looks into a queue sees whose it is without understanding the rest.
LESSON_HEADER: Final = "lesson_id"
