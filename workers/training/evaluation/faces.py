"""The detector beside OpenCV's DNN and YuNet on the test split, good and poor: recall, precision, false faces, and recall by slice."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.gpu.weights import Models
from workers.inputs import DETECTOR_LONGEST_SIDE, Pixels
from workers.training.archive import Archive
from workers.training.baselines import Found, OpenCvDnn, YuNet
from workers.training.datasets import Boxes, Scene, scene_group, scenes
from workers.training.detector_checks import found_by, poor_twins
from workers.training.evaluation import slices
from workers.training.evaluation.intervals import Estimate, share_estimate
from workers.training.evaluation.plan import Plan
from workers.training.evaluation.tables import Cell, Line, Table, target_table
from workers.training.scoring import FACE_IOU, Judged, judge

OURS, DNN, YUNET = "ours", "OpenCV DNN", "YuNet"
NORMAL, POOR = "normal", "low quality"
# Pictures without a person, on which a box is a false face.
EMPTY_SOURCES = ("houses", "scene15", "teddy", "wallpicture")
FALSE_FACE = "a false face, of pictures without one"
OLDEST = (150.0, slices.OLDEST_BAND)
Finder = Callable[[Sequence[Scene]], list[Found]]


@dataclass(frozen=True, slots=True)
class Side:
    """The test pictures of one quality, whom each belongs to, and what each detector made of them."""

    quality: str
    scenes: list[Scene]
    groups: list[str]
    found: dict[str, list[Found]]
    judged: dict[str, list[Judged]]


def detector_sides(models: Models, plan: Plan, names: Sequence[str] = (DNN, YUNET, OURS)) -> list[Side]:
    """Good pictures and their poor twins, seen by these detectors; scores are at or above each one's own threshold."""
    normal = list(scenes(plan.data, ("test",), every=plan.every))
    rows = Archive(plan.data, "det").rows("images.csv")
    owner = {row["file"]: scene_group(row["file"], row["source"], row["person"]) for row in rows}
    groups = [owner[scene.file] for scene in normal]
    sides = []
    for quality, known in ((NORMAL, normal), (POOR, poor_twins(normal))):
        found = {name: finder(name, models, plan)(known) for name in names}
        judged = {name: _judged(theirs, known) for name, theirs in found.items()}
        sides.append(Side(quality, known, groups, found, judged))
    return sides


def finder(name: str, models: Models, plan: Plan) -> Finder:
    """One of the three detectors."""
    if name == OURS:
        return lambda known: found_by(models, [scene.picture for scene in known], models.thresholds["detector"])
    baseline = OpenCvDnn(plan.baselines) if name == DNN else YuNet(plan.baselines)
    return lambda known: [baseline(scene.picture) for scene in known]


def _judged(found: Sequence[Found], known: Sequence[Scene]) -> list[Judged]:
    return [judge(theirs, scene.boxes, scene.ignored) for theirs, scene in zip(found, known, strict=True)]


def detector_tables(sides: Sequence[Side], threshold: float) -> Iterator[Table]:
    """The headline table, recall and precision by source, and recall by slice for each quality."""
    title = f"Faces at the released threshold {threshold:.2f}; a face counts at IoU {FACE_IOU}"
    notes = ["Intervals: 1,000 resamples of persons, rooms or sessions. Boxes that count neither way are in no figure."]
    yield target_table("detector", title, [*headline(sides), _small_line(sides[0])], notes)
    for side in sides:
        yield Table(f"detector.sources.{side.quality}", f"Faces by source, {side.quality}", list(_source_rows(side)))
        yield slice_table(side)


def headline(sides: Sequence[Side]) -> list[Line]:
    """Recall and precision of each quality, and false faces in pictures without one."""
    return [line for side in sides for line in _lines(side)] + [_false_line(side) for side in sides]


def _lines(side: Side) -> list[Line]:
    faces = np.array([len(scene.boxes) for scene in side.scenes])
    both = []
    for what, below in (("recall", None), ("precision", _drawn)):
        figures = {name: _share(side, judged, faces if below is None else below(judged)) for name, judged in side.judged.items()}
        n = int(faces.sum() if below is None else below(side.judged[OURS]).sum())
        both.append(_line(f"{side.quality}: {what}", n, figures))
    return both


def _false_line(side: Side) -> Line:
    """Pictures of rooms, toys and pictures on walls with a box that is no face."""
    empty = np.array([not len(scene.boxes) and scene.source in EMPTY_SOURCES for scene in side.scenes])
    groups = [group for group, chosen in zip(side.groups, empty, strict=True) if chosen]
    figures, counts = {}, {}
    for name, judged in side.judged.items():
        hit = np.array([bool(len(one.scores)) for one, chosen in zip(judged, empty, strict=True) if chosen])
        figures[name] = share_estimate(hit, np.ones(len(hit)), groups)
        counts[name] = int(hit.sum())
    prefix = "" if side.quality == NORMAL else f"{side.quality}: "
    line = _line(prefix + FALSE_FACE, int(empty.sum()), figures)
    line.remark = "pictures: " + ", ".join(f"{name} {count}" for name, count in counts.items())
    return line


def _small_line(side: Side) -> Line:
    """Recall where faces too small to read a smile in are to be found as well: what the frozen truth leaves out."""
    truths = [np.concatenate([scene.boxes, scene.small]) for scene in side.scenes]
    faces = np.array([len(truth) for truth in truths])
    figures = {}
    for name, found in side.found.items():
        judged = [judge(theirs, truth, scene.ignored) for theirs, truth, scene in zip(found, truths, side.scenes, strict=True)]
        figures[name] = _share(side, judged, faces)
    line = _line(f"{side.quality}: recall with small faces counted", int(faces.sum()), figures)
    line.remark = f"{sum(len(scene.small) for scene in side.scenes)} small faces, below 12 px at the detector's input"
    return line


def _line(what: str, n: int, figures: dict[str, Estimate]) -> Line:
    return Line(what, n, figures[OURS], {name: figure for name, figure in figures.items() if name != OURS})


def _share(side: Side, judged: Sequence[Judged], of: NDArray[np.int_]) -> Estimate:
    return share_estimate(np.array([int(one.right.sum()) for one in judged]), of, side.groups)


def _drawn(judged: Sequence[Judged]) -> NDArray[np.int_]:
    return np.array([len(one.scores) for one in judged])


def _source_rows(side: Side) -> Iterator[dict[str, Cell]]:
    for source in sorted({scene.source for scene in side.scenes}):
        chosen = [index for index, scene in enumerate(side.scenes) if scene.source == source]
        row: dict[str, Cell] = {"source": source, "pictures": len(chosen)}
        row["faces"] = sum(len(side.scenes[index].boxes) for index in chosen)
        for name, judged in side.judged.items():
            row[f"{name}: found"] = sum(int(judged[index].right.sum()) for index in chosen)
            row[f"{name}: false"] = sum(int((~judged[index].right).sum()) for index in chosen)
        yield row


def slice_table(side: Side) -> Table:
    """Recall of each face by its size at the detector's input, its light, its source and its skin tone."""
    owners = [(scene, group, box) for scene, group in zip(side.scenes, side.groups, strict=True) for box in scene.boxes]
    crops = [_pixels(scene.picture, box) for scene, _, box in owners]
    found = {name: np.concatenate([one.found_at for one in judged]) >= 0 for name, judged in side.judged.items()}
    groups = np.array([group for _, group, _ in owners])
    by = {
        "face's shorter side at the input": slices.banded(
            (_input_side(scene, box) for scene, _, box in owners), slices.FACE_SIDES, slices.LARGEST_FACE
        ),
        "light": slices.light(crops),
        "age": slices.banded((_age(scene.file) for scene, _, _ in owners), (*slices.AGE_BANDS, OLDEST), slices.UNKNOWN),
    }
    if side.quality == NORMAL:
        # A mask hides the cheeks by which skin tone is told; the poor twins' light would make every skin dark.
        plain = [scene.source != "mask" for scene, _, _ in owners]
        by["skin tone"] = np.array(
            [slices.skin_tone(c) if bare else slices.UNKNOWN for c, bare in zip(crops, plain, strict=True)]
        )

    def recall(mask: NDArray[np.bool_]) -> dict[str, Cell]:
        row: dict[str, Cell] = {name: float(hits[mask].mean()) for name, hits in found.items() if name != OURS}
        estimate = share_estimate(found[OURS][mask], np.ones(int(mask.sum())), groups[mask].tolist())
        return row | slices.with_interval(OURS, estimate)

    rows = slices.slice_rows(by, recall, slices.enough)
    notes = ["Age: only All-Age-Faces tells. Glasses: no set says who wears them. Skin tone: the room's light is in it."]
    return Table(f"detector.slices.{side.quality}", f"Recall by slice, {side.quality}", rows, notes)


def _age(file: str) -> float:
    """The age in years in an All-Age-Faces name; elsewhere infinite, which no band holds."""
    age = re.search(r"aaf_\d+A(\d+)", file)
    return float(age[1]) if age else math.inf


def _pixels(picture: Pixels, box: Boxes) -> Pixels:
    height, width = picture.shape[:2]
    x1, y1, x2, y2 = (int(corner) for corner in box)
    return picture[max(min(y1, height - 1), 0) : max(y2, y1 + 1), max(min(x1, width - 1), 0) : max(x2, x1 + 1)]


def _input_side(scene: Scene, box: Boxes) -> float:
    """The box's shorter side in pixels of the detector's input."""
    x1, y1, x2, y2 = box.tolist()
    return float(min(x2 - x1, y2 - y1) * DETECTOR_LONGEST_SIDE / max(scene.picture.shape[:2]))
