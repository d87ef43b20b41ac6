"""Scored pictures in, contact sheets for a person's eye out, with an index beside them. `--sheets` calls it.

The sheets show real people: they are written where the caller says, and never into the project.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from workers.inputs import Pixels
from workers.training.datasets import Boxes
from workers.training.evaluation.faces import OURS, Side
from workers.training.evaluation.samples import Sample

COLUMNS, ROWS = 10, 6
TILE, CAPTION = 120, 26
SCENE_COLUMNS, SCENE_ROWS, SCENE_TILE = 5, 4, 300
TRUE, MISSED, FALSE = (90, 200, 90), (255, 220, 0), (255, 40, 40)


@dataclass(frozen=True, slots=True)
class Tile:
    """A picture on a sheet (uint8, grey or RGB), its file, its label in words, and what the model says."""

    picture: Pixels
    file: str
    label: str
    score: float


def write_sheets(
    folder: Path, name: str, tiles: Sequence[Tile], columns: int = COLUMNS, rows: int = ROWS, side: int = TILE
) -> None:
    """Writes `NAME-1.png`, `NAME-2.png` ... and `NAME.csv` (sheet,place,file,label,score); places count from 1, row by row."""
    folder.mkdir(parents=True, exist_ok=True)
    many = columns * rows
    with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["sheet", "place", "file", "label", "score"])
        for index, tile in enumerate(tiles):
            writer.writerow([index // many + 1, index % many + 1, tile.file, tile.label, f"{tile.score:.4f}"])
    for sheet, start in enumerate(range(0, len(tiles), many), 1):
        here = tiles[start : start + many]
        picture = np.full((-(-len(here) // columns) * (side + CAPTION), columns * side, 3), 255, np.uint8)
        for place, tile in enumerate(here):
            y, x = place // columns * (side + CAPTION), place % columns * side
            picture[y : y + side, x : x + side] = _fitted(tile.picture, side)
            for line, text in enumerate((f"{place + 1} {tile.score:.3f}", tile.label)):
                origin = (x + 2, y + side + 10 + 12 * line)
                cv2.putText(picture, text, origin, cv2.FONT_HERSHEY_SIMPLEX, 0.36, (0, 0, 0), 1, cv2.LINE_AA)
        cv2.imwrite(str(folder / f"{name}-{sheet}.png"), picture[..., ::-1])


def worst_tiles(of: Sample, count: int, names: tuple[str, str], labels: Sequence[str] | None = None) -> list[Tile]:
    """The pictures whose score is farthest from their truth, the worst first.

    Args:
        of: scored pictures; those whose truth is nan are passed over.
        count: how many at most.
        names: what truths 0 and 1 mean.
        labels: more about each picture, instead of those names.
    """
    gap = np.abs(of.score - of.truth)
    order = [int(index) for index in np.argsort(-np.where(np.isfinite(gap), gap, -1)) if np.isfinite(gap[index])][:count]
    said = labels or [names[int(truth)] if np.isfinite(truth) else "" for truth in of.truth]
    return [Tile(of.crops[index], str(of.files[index]), said[index], float(of.score[index])) for index in order]


def detector_tiles(sides: Iterable[Side]) -> dict[str, list[Tile]]:
    """All pictures with a missed face and all with a false one, by quality: green found, yellow missed, red false."""
    tiles: dict[str, list[Tile]] = {}
    for side in sides:
        missed, false = [], []
        for scene, found, judged in zip(side.scenes, side.found[OURS], side.judged[OURS], strict=True):
            lost, wrong = judged.found_at < 0, judged.boxes[~judged.right]
            if not lost.any() and not len(wrong):
                continue
            picture = _drawn(scene.picture, scene.boxes[~lost], TRUE)
            picture = _drawn(_drawn(picture, scene.boxes[lost], MISSED), found[0][wrong], FALSE)
            if lost.any():
                missed.append(Tile(picture, scene.file, f"{int(lost.sum())} of {len(lost)} missed, {scene.source}", 0.0))
            if len(wrong):
                false.append(Tile(picture, scene.file, f"{len(wrong)} false, {scene.source}", float(found[1][wrong].max())))
        quality = side.quality.replace(" ", "-")
        tiles |= {f"detector-{quality}-missed": missed, f"detector-{quality}-false": sorted(false, key=lambda t: -t.score)}
    return tiles


def _drawn(picture: Pixels, boxes: Boxes, colour: tuple[int, int, int]) -> Pixels:
    picture = picture.copy()
    for x1, y1, x2, y2 in boxes.astype(int).tolist():
        cv2.rectangle(picture, (x1, y1), (x2, y2), colour, max(round(max(picture.shape) / 300), 1))
    return picture


def _fitted(picture: Pixels, side: int) -> Pixels:
    """The picture in a black square of this side."""
    coloured = cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB) if picture.ndim == 2 else picture
    scale = side / max(coloured.shape[:2])
    size = (max(round(coloured.shape[1] * scale), 1), max(round(coloured.shape[0] * scale), 1))
    scaled = cv2.resize(coloured, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    square = np.zeros((side, side, 3), np.uint8)
    square[: scaled.shape[0], : scaled.shape[1]] = scaled
    return square
