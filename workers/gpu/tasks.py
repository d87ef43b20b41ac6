"""The GPU room's doors: batches of a segment's frames or faces in, detections or scores in the store out.

torch is imported in the pool's child only: in the parent it must not touch CUDA, and it would take memory twice.
"""

from __future__ import annotations

import json
import os
from functools import cache
from time import perf_counter, sleep
from typing import Any

from celery import Task
from celery.signals import worker_process_init

from shared.catalogue import CLASSIFY_FACES, DETECT_FACES
from shared.errors import SmilereelError
from shared.messages import FacesClassified, FacesCropped, FacesDetected, FramesDecoded
from shared.records import FrameFaces, SegmentFaces
from shared.settings import load_settings
from shared.store import segment_key
from workers import children, warmup
from workers.app import app
from workers.doors import Doors, run_segment_stage
from workers.gpu.failing import device_watched
from workers.gpu.other_weights import leave_others
from workers.gpu.scorer import Poisoned, Scorer, StandIn
from workers.gpu.warm import run_first_batches
from workers.packs import read_index, unpack_crops, unpack_frames
from workers.weights_names import STAND_IN

# Waiting threads that spin took two processes on two cores from 33 to 4 frames a second; read when torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")

FRAMES_IN_MEMORY = 32

warmup.install(app)


@cache
def scorer() -> Scorer:
    """What looks at this process's pictures, loaded once.

    Raises:
        ModelError: the weights or the device cannot be used.
    """
    settings = load_settings()
    eyes: Scorer
    if settings.models == "stand_in":
        eyes = StandIn(settings.stand_in_frame_seconds)
    else:
        from workers.gpu.loading import released_scorer

        eyes = released_scorer()
    return Poisoned(eyes) if settings.poison else eyes


@worker_process_init.connect
def warm_up(**_: object) -> None:
    """Load the models and run a batch through each before this process is given work.

    Raises:
        SystemExit: it cannot work; the worker has been told why, and ends (`workers/warmup.py`).
    """
    settings, began = load_settings(), perf_counter()
    try:
        with device_watched():
            eyes, loaded = scorer(), perf_counter()
            device, weights = identity()
            # A card has to hold whole batches; on the CPU a single picture shows as much and costs less.
            batches = (settings.detector_batch, settings.classifier_batch) if device.startswith("cuda") else (1, 1)
            run_first_batches(eyes, detector_batch=batches[0], classifier_batch=batches[1])
    except Exception as error:  # noqa: BLE001  (whatever it is, this process is of no use)
        children.tell_broken(error.message if isinstance(error, SmilereelError) else _unknown(error))
        # Celery starts another in its place at once, unless the worker has had the time to end.
        sleep(1.0)
        raise SystemExit(1) from None
    children.tell_warm(device, weights, loaded - began, perf_counter() - loaded)


def _unknown(error: Exception) -> str:
    words = f"{type(error).__name__}: {error}".splitlines()[0][:200]
    return f"The models cannot be run ({words}); look at the device, its memory and SMILEREEL_DETECTOR_BATCH."


def identity() -> tuple[str, str]:
    """What this process computes on, and the version of its weights."""
    if load_settings().models == "stand_in":
        return "cpu", load_settings().weights or STAND_IN
    from workers.gpu.loading import device_name, weights_version

    return device_name(), weights_version()


@app.task(name=DETECT_FACES, bind=True)
def detect_faces(self: Task, payload: Any) -> Any:
    """Faces and a parent's shoulder in each frame of a segment."""
    leave_others(self, payload, identity()[1])
    return run_segment_stage(self, payload, FramesDecoded, _detect)


def _detect(doors: Doors, message: FramesDecoded) -> tuple[FacesDetected, int]:
    key = segment_key(message.lesson_id, message.work_version, message.segment.index, "faces.json")
    if doors.store.exists(key):
        found = SegmentFaces.model_validate_json(doors.store.get(key))
    else:
        data = doors.store.get(message.frames.key)
        refs, unreadable = read_index(data)
        frames: list[FrameFaces] = []
        eyes = scorer()
        for start in range(0, len(refs), FRAMES_IN_MEMORY):
            part = refs[start : start + FRAMES_IN_MEMORY]
            pictures = unpack_frames(data, part)
            with device_watched():
                detections = eyes.detect(pictures, doors.settings.detector_batch)
                shoulders = eyes.score_shoulders(pictures, doors.settings.detector_batch)
            for ref, faces, p_shoulder in zip(part, detections, shoulders, strict=True):
                boxes, scores = [face.box.xyxy for face in faces], [face.score for face in faces]
                frames.append(FrameFaces(frame=ref, boxes=boxes, scores=scores, p_parent_shoulder=p_shoulder))
        found = SegmentFaces(frames=frames, unreadable=unreadable, shoulder_threshold=eyes.shoulder_threshold)
        doors.store.put(key, found.model_dump_json().encode())
    n_faces = sum(len(frame.boxes) for frame in found.frames)
    common = message.model_dump(include={"lesson_id", "work_version", "segment", "frames"})
    return FacesDetected(**common, detections_key=key, n_faces=n_faces), len(found.frames)


@app.task(name=CLASSIFY_FACES, bind=True)
def classify_faces(self: Task, payload: Any) -> Any:
    """P(child) and P(smile) of each face of a segment."""
    leave_others(self, payload, identity()[1])
    return run_segment_stage(self, payload, FacesCropped, _classify)


def _classify(doors: Doors, message: FacesCropped) -> tuple[FacesClassified, int]:
    key = segment_key(message.lesson_id, message.work_version, message.segment.index, "scores.json")
    if not doors.store.exists(key):
        crops = unpack_crops(doors.store.get(message.crops_key)).crops
        with device_watched():
            scores = scorer().score_faces(crops, doors.settings.classifier_batch)
        doors.store.put(key, json.dumps([[face.p_child, face.p_smile] for face in scores]).encode())
    common = message.model_dump(include={"lesson_id", "work_version", "segment", "detections_key", "crops_key"})
    return FacesClassified(**common, scores_key=key), message.n_faces
