"""P(child) of one face, joined over neighbouring seconds by the overlap of its boxes."""

from __future__ import annotations

import pytest

from shared.records import FrameReading
from tests.builders import a_face, a_reading
from workers.cpu.tracks import iou, join_p_child

LEFT = (50.0, 100.0, 150.0, 220.0)
RIGHT = (400.0, 100.0, 500.0, 220.0)


def p_child(readings: list[FrameReading], face: int = 0) -> list[float]:
    return [reading.faces[face].p_child for reading in readings]


def test_one_childlike_frame_of_an_adult_does_not_make_a_child() -> None:
    # As an adult's face was scored on a clip.
    seen = [a_reading(second, [a_face(p_child=p)]) for second, p in enumerate((0.1285, 0.4031, 0.6678, 0.3420, 0.2140))]
    assert max(p_child(join_p_child(seen))) < 0.5


def test_a_child_stays_a_child_over_one_bad_frame() -> None:
    seen = [a_reading(second, [a_face(p_child=p)]) for second, p in enumerate((0.9, 0.95, 0.2, 0.9, 0.95))]
    assert min(p_child(join_p_child(seen))) > 0.5


def test_what_the_frame_alone_said_is_kept() -> None:
    seen = [a_reading(second, [a_face(p_child=p)]) for second, p in enumerate((0.9, 0.1, 0.9))]
    assert [reading.faces[0].p_child_alone for reading in join_p_child(seen)] == [0.9, 0.1, 0.9]


def test_two_faces_side_by_side_are_not_mixed() -> None:
    child, adult = a_face(p_child=0.95, box_xyxy=LEFT), a_face(p_child=0.05, box_xyxy=RIGHT)
    seen = join_p_child([a_reading(0, [child, adult]), a_reading(1, [adult, child]), a_reading(2, [child, adult])])
    assert [face.p_child > 0.9 for reading in seen for face in reading.faces] == [True, False, False, True, True, False]


@pytest.mark.parametrize(("second", "recording_index"), [(9, 0), (1, 1)], ids=["later", "after a reconnect"])
def test_what_is_far_away_says_nothing(second: int, recording_index: int) -> None:
    other = a_reading(second, [a_face(p_child=0.05)]).model_copy(update={"recording_index": recording_index})
    seen = join_p_child([a_reading(0, [a_face(p_child=0.9)]), other, a_reading(20, [])])
    assert p_child(seen[:2]) == pytest.approx([0.9, 0.05])


def test_overlap() -> None:
    assert iou(LEFT, LEFT) == 1.0
    assert iou(LEFT, RIGHT) == 0.0
    assert iou((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(1 / 3)
