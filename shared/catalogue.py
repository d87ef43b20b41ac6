"""Names on the wire: tasks and queues. Plain strings, frozen once released, so that two versions can run side by side."""

from __future__ import annotations

from typing import Final

CPU_QUEUE: Final = "cpu"
GPU_QUEUE: Final = "gpu"
# A worker takes its room's two queues in turn: whatever waits in bulk, a fresh lesson gets half of it.
CPU_BULK_QUEUE: Final = "cpu.bulk"
GPU_BULK_QUEUE: Final = "gpu.bulk"
QUEUES: Final = (CPU_QUEUE, GPU_QUEUE, CPU_BULK_QUEUE, GPU_BULK_QUEUE)
ROOM_QUEUES: Final = {"cpu": (CPU_QUEUE, CPU_BULK_QUEUE), "gpu": (GPU_QUEUE, GPU_BULK_QUEUE)}

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


def queue_of(task_name: str, *, bulk: bool = False) -> str:
    """The queue that a task travels on: the room is part of its name."""
    fresh_queue, bulk_queue = ROOM_QUEUES[task_name.split(".")[1]]
    return bulk_queue if bulk else fresh_queue


ROUTES: Final = {name: {"queue": queue_of(name)} for name in (*SEGMENT_TASKS, *LESSON_TASKS, RECONCILE, SWEEP, DELIVER)}

# Set on every message, so that whoever looks into a queue sees whose it is without understanding the rest.
LESSON_HEADER: Final = "lesson_id"
