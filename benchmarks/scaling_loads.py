"""From measured runs to a fit: times by stage, and what a task asks of Redis, database and store. Called by `scaling.py`."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Sequence

import cv2
import numpy as np

from benchmarks.scaling_run import Figures, Profile
from shared.frame import FrameRef
from workers.capacity.fitting import Watched, gap_of, stages_of
from workers.capacity.limits import load_limits
from workers.capacity.service import ROOMS, Fit, Loads
from workers.packs import SampledFrame, pack_frames, unpack_frames

FRAME_SIZE = (640, 480)


def fit_of(runs: Sequence[Figures], profile: Profile, command: str) -> Fit:
    """The fit of runs with one worker of each kind."""
    watched = [task for run in runs for task in run.watched]
    return Fit(
        where=f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}",
        command=command,
        stages=stages_of(watched),
        gap_seconds=gaps_of(runs),
        unchanged_seconds=_unchanged(watched),
        warm_seconds={room: statistics.median(run.loads["warm_seconds"] for run in runs) for room in ROOMS},
        host_seconds_per_frame=unpack_seconds() if profile.released else 0.0,
        loads=loads_of(runs, profile),
    )


def gaps_of(runs: Sequence[Figures]) -> dict[str, float]:
    """Both rooms' gap, of the busier one: where a room often has nothing to do, its gaps are waits for work."""
    seconds = {room: sum(task.seconds for run in runs for task in run.watched if task.room == room) for room in ROOMS}
    busier = max(ROOMS, key=lambda room: seconds[room])
    return dict.fromkeys(ROOMS, statistics.median(gap_of(run.watched, busier) for run in runs))


def _unchanged(watched: Sequence[Watched]) -> float:
    """The quickest task of all: little more than the frame around a stage."""
    return min(task.seconds for task in watched)


def loads_of(runs: Sequence[Figures], profile: Profile) -> Loads:
    """Means over all runs; of Redis's memory and of connections the highest."""
    n_tasks = sum(len(run.watched) for run in runs)
    n_frames = sum(profile.lesson_seconds) * len(runs)
    n_segments = sum(task.stage == "decode_segment" for run in runs for task in run.watched)
    row_bytes = load_limits().database_bytes_per_second_row
    workers = {room: max(getattr(run, room) for run in runs) for room in ROOMS}

    def a_task(name: str) -> float:
        """Without what idle workers ask for all the time."""
        asked = sum(run.loads[name] - run.loads.get(f"{name}_idle_a_second", 0.0) * run.seconds for run in runs)
        return max(asked, 0.0) / n_tasks

    def idle(name: str, count: int) -> float:
        return statistics.median(run.loads[f"{name}_idle_a_second"] for run in runs) / count

    def of_tasks(name: str) -> float:
        return float(sum(getattr(task, name) for run in runs for task in run.watched))

    return Loads(
        redis_commands_per_task=a_task("redis_commands"),
        redis_commands_per_worker_second=idle("redis_commands", sum(workers.values())),
        redis_in_bytes_per_task=a_task("redis_in_bytes"),
        redis_bytes_per_task=max(run.loads["redis_bytes"] / len(run.watched) for run in runs),
        redis_clients_per_worker=max(run.loads["redis_clients"] for run in runs) / sum(workers.values()),
        database_transactions_per_task=a_task("database_transactions"),
        database_transactions_per_worker_second=idle("database_transactions", workers["cpu"]),
        database_rows_per_task=a_task("database_rows_written"),
        database_wal_bytes_per_task=a_task("database_wal_bytes"),
        database_bytes_per_task=max(sum(run.loads["database_bytes"] for run in runs) - row_bytes * n_frames, 0) / n_tasks,
        database_bytes_per_second_row=row_bytes,
        database_connections_per_worker=max(run.loads["database_connections"] for run in runs) / sum(workers.values()),
        store_requests_per_segment=(of_tasks("puts") + of_tasks("gets")) / n_segments,
        store_in_bytes_per_frame=of_tasks("put_bytes") / n_frames,
        store_out_bytes_per_frame=of_tasks("get_bytes") / n_frames,
        store_kept_bytes_per_lesson=statistics.fmean(run.loads["kept_bytes"] / run.lessons for run in runs),
    )


def unpack_seconds(n_frames: int = 64) -> float:
    """Seconds to read one stored frame of a webcam's size: what the GPU room does on a processor, however fast its card."""
    rng = np.random.default_rng(1)
    coarse = rng.integers(40, 220, (24, 32, 3), dtype=np.uint8)
    picture = np.asarray(cv2.resize(coarse, FRAME_SIZE, interpolation=cv2.INTER_CUBIC), np.uint8)
    width, height = FRAME_SIZE
    sizes = {"width": width, "height": height, "source_width": width, "source_height": height}
    refs = [FrameRef(second=second, pts_seconds=float(second), **sizes) for second in range(n_frames)]
    pack = pack_frames((SampledFrame(ref, picture) for ref in refs), (), jpeg_quality=92)
    began = time.perf_counter()
    unpack_frames(pack, refs)
    return (time.perf_counter() - began) / n_frames
