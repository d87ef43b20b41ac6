"""What a task takes and asks for: the measured figures that the simulation draws from, as a JSON file. Made by `fitting.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from shared.catalogue import GPU_QUEUE, LESSON_TASKS, SEGMENT_TASKS, STAGES, queue_of, stage_of
from shared.errors import InputError

SEGMENT_STAGES = tuple(stage_of(name) for name in SEGMENT_TASKS)
LESSON_STAGES = tuple(stage_of(name) for name in LESSON_TASKS)
ROOM_OF = {stage_of(name): "gpu" if queue_of(name) == GPU_QUEUE else "cpu" for name in (*SEGMENT_TASKS, *LESSON_TASKS)}
ROOMS = ("cpu", "gpu")
SHIPPED = Path(__file__).with_name("measured.json")


class CapacityInvalid(InputError):
    """A number or a file that the simulation was given cannot be used."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StageTimes(_Model):
    """Seconds that a worker is busy with one task of a stage: `seconds + seconds_per_frame * frames`.

    A frame is a second of video: of the segment, or for a stage of the whole lesson, of the lesson. `spread` is the standard deviation of
    measured times over this line, as a share of it.
    """

    seconds: float = Field(ge=0)
    seconds_per_frame: float = Field(ge=0)
    spread: float = Field(0.0, ge=0, le=3)
    runs: int = Field(ge=1)

    def mean(self, frames: float) -> float:
        """Expected seconds over so many frames."""
        return self.seconds + self.seconds_per_frame * frames


class Loads(_Model):
    """What a run asks of Redis, database and store; bytes are bytes, all else are counts."""

    redis_commands_per_task: float = Field(ge=0)
    redis_commands_per_worker_second: float = Field(ge=0, description="Of a worker with nothing to do.")
    redis_in_bytes_per_task: float = Field(ge=0)
    redis_bytes_per_task: float = Field(ge=0, description="Messages and results; results stay for an hour.")
    redis_clients_per_worker: float = Field(ge=0)
    database_transactions_per_task: float = Field(ge=0)
    database_transactions_per_worker_second: float = Field(ge=0, description="Of a CPU worker with nothing to do: it reconciles.")
    database_rows_per_task: float = Field(ge=0, description="Inserted, updated, deleted.")
    database_wal_bytes_per_task: float = Field(ge=0)
    database_bytes_per_task: float = Field(ge=0, description="What stays, without the lesson's seconds.")
    database_bytes_per_second_row: float = Field(ge=0)
    database_connections_per_worker: float = Field(ge=0)
    store_requests_per_segment: float = Field(ge=0)
    store_in_bytes_per_frame: float = Field(ge=0)
    store_out_bytes_per_frame: float = Field(ge=0)
    store_kept_bytes_per_lesson: float = Field(ge=0)


class Fit(_Model):
    """All that was measured, and where."""

    where: str
    command: str
    stages: dict[str, StageTimes]
    gap_seconds: dict[str, float] = Field(description="By room: from a task's end to the next one's start while others wait.")
    unchanged_seconds: float = Field(ge=0, description="A task whose output is there already, or that finds no place.")
    warm_seconds: dict[str, float] = Field(description="By room: from a worker's start until it takes work.")
    host_seconds_per_frame: float = Field(0.0, ge=0, description="Of detect_faces, what a faster card does not hasten.")
    loads: Loads

    @model_validator(mode="after")
    def _whole(self) -> Self:
        missing = [stage for stage in STAGES if stage not in self.stages]
        if missing:
            raise ValueError(f"it says nothing about {', '.join(missing)}")
        if set(self.gap_seconds) != set(ROOMS) or set(self.warm_seconds) != set(ROOMS):
            raise ValueError("gap_seconds and warm_seconds name cpu and gpu")
        return self


def load_fit(path: Path = SHIPPED) -> Fit:
    """A fit from its file; the shipped one says where it was measured.

    Raises:
        CapacityInvalid: the file is missing or holds something else.
    """
    try:
        return Fit.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise CapacityInvalid(f"The fit {path} cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}.") from None
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in fault["loc"]) or "the file"
        raise CapacityInvalid(f"The fit {path} cannot be used: {place}: {fault['msg']}; make one with --fit.") from None
