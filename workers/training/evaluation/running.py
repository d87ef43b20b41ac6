"""Models' names in, their tables printed, drawings and contact sheets written on request. `command.run` calls it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import torch

from shared.errors import LabelsInvalid, ModelError
from workers.gpu.weights import MODEL_NAMES, Models, WeightsError, load_models, read_manifest
from workers.training.archive import Archive
from workers.training.evaluation.ages import age_reliability, age_sample, age_tables
from workers.training.evaluation.calibration import Reliability
from workers.training.evaluation.faces import detector_sides, detector_tables
from workers.training.evaluation.plan import Plan
from workers.training.evaluation.samples import children_sample
from workers.training.evaluation.sheets import SCENE_COLUMNS, SCENE_ROWS, SCENE_TILE, detector_tiles, worst_tiles, write_sheets
from workers.training.evaluation.shoulders import shoulder_reliability, shoulder_sample, shoulder_tables
from workers.training.evaluation.smile_tables import smile_reliability, smile_tables
from workers.training.evaluation.smiles import press_sample
from workers.training.evaluation.tables import Table

# So many of the worst go onto the contact sheets.
WORST_FACES, WORST_FRAMES = 100, 50


def detector(models: Models, plan: Plan) -> Iterator[Table]:
    """The detector's tables; with `sheets`, all misses and false faces."""
    sides = detector_sides(models, plan)
    yield from detector_tables(sides, models.thresholds["detector"])
    if plan.sheets:
        for name, tiles in detector_tiles(sides).items():
            write_sheets(plan.sheets, name, tiles, SCENE_COLUMNS, SCENE_ROWS, SCENE_TILE)


def smile(models: Models, plan: Plan) -> Iterator[Table]:
    """The smile model's tables; with `sheets`, the worst children and the worst of LFW."""
    children, press = children_sample(models, plan.data, plan.every), press_sample(models, plan.data, plan.every)
    yield from smile_tables(children, press, Archive(plan.data, "age"), models.thresholds["smile"])
    _draw(plan, "smile", "Would a parent call it a smile?", smile_reliability(children, press))
    if plan.sheets:
        names = ("none", "smile")
        looks = children.details.tolist()
        write_sheets(plan.sheets, "smile-children-worst", worst_tiles(children.faces, WORST_FACES, names, looks))
        write_sheets(plan.sheets, "smile-lfw-worst", worst_tiles(press.faces.at(press.agreed), WORST_FACES, names))


def age(models: Models, plan: Plan) -> Iterator[Table]:
    """The age model's tables; with `sheets`, the worst ages."""
    sample = age_sample(models, plan)
    yield from age_tables(sample, Archive(plan.data, "age"), models.thresholds["age"])
    _draw(plan, "age", "Is it a child's face?", age_reliability(sample))
    if plan.sheets:
        write_sheets(plan.sheets, "age-worst", worst_tiles(sample.faces, WORST_FACES, ("adult", "child"), sample.bands.tolist()))


def shoulder(models: Models, plan: Plan) -> Iterator[Table]:
    """The shoulder model's tables; with `sheets`, the worst composed frames."""
    frames = shoulder_sample(models, plan)
    yield from shoulder_tables(frames, models.thresholds["shoulder"])
    _draw(plan, "shoulder", "Does a parent sit beside the child?", shoulder_reliability(frames))
    if plan.sheets:
        tiles = worst_tiles(frames, WORST_FRAMES, ("nobody beside", "parent"))
        write_sheets(plan.sheets, "shoulder-worst", tiles, SCENE_COLUMNS, SCENE_ROWS, SCENE_TILE)


EVALUATIONS: dict[str, Callable[[Models, Plan], Iterator[Table]]] = {
    "detector": detector,
    "smile": smile,
    "age": age,
    "shoulder": shoulder,
}


def evaluate(names: Sequence[str], weights: Path | None, plan: Plan, *, as_json: bool) -> list[str]:
    """Print the tables of these models; returns the figures that miss their must.

    Raises:
        LabelsInvalid: the data are not there, or a label file is damaged.
        ModelError: the weights cannot be used.
    """
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    models = open_models(weights)
    tables: list[Table] = []
    try:
        for name in names:
            for table in EVALUATIONS[name](models, plan):
                tables.append(table)
                if not as_json:
                    print(f"\n{table.text()}", flush=True)
    except (FileNotFoundError, ValueError) as error:
        raise LabelsInvalid(str(error)) from error
    missed = [line.what for table in tables for line in table.lines if line.missed]
    if as_json:
        print(json.dumps(document(tables, models, plan), indent=2))
    else:
        print(f"\nMusts missed: {', '.join(missed) or 'none'}." + (" Only a sample was looked at." if plan.every > 1 else ""))
    return missed


def open_models(folder: Path | None) -> Models:
    """The released models, those that `folder` holds in their place.

    Raises:
        ModelError: weights are missing, altered or of another architecture.
    """
    try:
        if folder is None:
            return load_models()
        mine = [name for name in MODEL_NAMES if name in read_manifest(folder)]
        models = load_models(names=mine, folder=folder)
        released = load_models(names=[name for name in MODEL_NAMES if name not in mine])
    except WeightsError as error:
        raise ModelError(str(error)) from error
    networks: dict[str, Any] = {name: getattr(models, name) for name in mine}
    return replace(released, **networks, thresholds={**released.thresholds, **models.thresholds})


def document(tables: Sequence[Table], models: Models, plan: Plan) -> dict[str, Any]:
    """Everything as one JSON document."""
    lines = [line for table in tables for line in table.lines if line.target]
    return {
        "every": plan.every,
        "thresholds": dict(models.thresholds),
        "musts_missed": [line.what for line in lines if line.missed],
        "musts_met": [line.what for line in lines if not line.missed],
        "tables": [table.document() for table in tables],
    }


def _draw(plan: Plan, model: str, question: str, found: Reliability) -> None:
    if plan.drawings:
        # Only a drawing needs matplotlib.
        from workers.training.evaluation.drawings import draw_reliability

        draw_reliability(model, question, found, plan.drawings)
