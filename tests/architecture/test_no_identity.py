"""Nobody is identified: no model's output could tell persons apart, no record keeps a face's features, no library for it comes in."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
import torch
from sqlalchemy import JSON, LargeBinary, inspect

from shared import told_tables
from shared.face import Detection, FaceScores
from shared.records import FaceReading
from shared.tables import Base
from workers.gpu.models import AGE_STEPS, ARCHITECTURES, InputSpec, for_serving

ROOT = Path(__file__).parents[2]
# Numbers that a network says of one face or one frame. A dozen age steps are no likeness; an embedding has a hundred and more.
OUTPUTS = {
    "retinanet-mobilenetv2-96": 5,
    "smile-mobilenetv2-112": 1,
    "age-mobilenetv2-112-ordinal": len(AGE_STEPS),
    "shoulder-mobilenetv2-160x128": 1,
}
RECOGNISERS = re.compile(
    r"insightface|facenet|face[-_]?recognition|dlib|deepface|arcface|cosface|vggface|mediapipe", re.IGNORECASE
)
assert told_tables


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_a_network_says_a_few_numbers_of_a_face_and_no_features(architecture: str) -> None:
    network = for_serving(architecture)
    spec: InputSpec = network.input  # type: ignore[assignment]
    pixels = torch.zeros((1, spec.channels, spec.height or 128, spec.width or 160), dtype=torch.uint8)
    with torch.inference_mode():
        out = network(pixels)
    if isinstance(out, tuple):
        logits, boxes = out
        assert boxes.shape[1] == logits.shape[1]
        numbers = 1 + boxes.shape[2]
    else:
        numbers = out.shape[1]
    assert numbers == OUTPUTS[architecture]
    assert numbers < 32


def test_what_is_kept_of_a_face() -> None:
    """The thumbnail is eight by eight grey values of the picture, and goes with the crops when the lesson ends."""
    assert set(FaceReading.model_fields) == {
        "box_xyxy", "score", "p_child", "p_child_alone", "p_smile", "quality", "thumbnail",
    }  # fmt: skip
    assert {field.name for field in fields(Detection)} == {"box", "score"}
    assert {field.name for field in fields(FaceScores)} == {"p_child", "p_smile"}


def test_no_table_has_room_for_a_likeness() -> None:
    roomy = {
        f"{table.name}.{column.name}"
        for table in Base.metadata.sorted_tables
        for column in inspect(table).columns
        if isinstance(column.type, JSON | LargeBinary)
    }
    assert roomy == {"lesson.document", "lesson.facts", "duty.note"}


def test_no_library_that_recognises_people() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *(name for extra in project["optional-dependencies"].values() for name in extra)]
    assert not [name for name in asked if RECOGNISERS.search(name)]
    for path in [*(ROOT / "shared").rglob("*.py"), *(ROOT / "workers").rglob("*.py")]:
        imports = [line for line in path.read_text().splitlines() if re.match(r"\s*(import|from) ", line)]
        assert not [line for line in imports if RECOGNISERS.search(line)], path
