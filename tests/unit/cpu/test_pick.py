"""The choice of moments: gates, spread, variety, order, and why there is no reel."""

from __future__ import annotations

import itertools

import pytest

from shared.lesson import Subject
from shared.records import FrameReading, ShoulderRange
from shared.reel import NoReelReason
from shared.settings import Settings
from tests.builders import a_face, a_plan, a_reading
from workers.cpu.pick import PickRules, pick_moments
from workers.cpu.rules import pick_rules

RULES = PickRules()


def readings(seconds: range, **face: object) -> list[FrameReading]:
    return [a_reading(second, [a_face(look=second, **face)]) for second in seconds]  # type: ignore[arg-type]


def test_nine_moments_the_best_first_then_in_order_of_time() -> None:
    seen = readings(range(600))
    seen[333] = a_reading(333, [a_face(look=333, p_smile=1.0, quality=1.0)])
    outcome = pick_moments(a_plan(600), seen, RULES)
    assert outcome.reason is None
    times = [moment.pts_seconds for moment in outcome.moments]
    assert len(times) == 9
    assert times[0] == 333.5
    assert times[1:] == sorted(times[1:])


def test_moments_are_spread_over_the_lesson() -> None:
    # The brightest smiles all lie in the first minute.
    seen = readings(range(60), p_smile=0.99) + readings(range(60, 900), p_smile=0.98)
    times = sorted(m.pts_seconds for m in pick_moments(a_plan(900), seen, RULES).moments)
    assert all(later - earlier >= RULES.spread_seconds for earlier, later in itertools.pairwise(times))
    assert [int(t // 100) for t in times] == list(range(9)), "one of each ninth of the lesson"


@pytest.mark.parametrize("n_seconds", [9, 10, 15, 40, 90])
def test_the_spread_shrinks_with_short_lessons(n_seconds: int) -> None:
    outcome = pick_moments(a_plan(n_seconds), readings(range(n_seconds)), RULES)
    assert len({moment.second for moment in outcome.moments}) == 9


def test_smiles_in_one_place_only_still_give_a_reel() -> None:
    seen = readings(range(590), p_smile=0.1) + readings(range(590, 600))
    assert {m.second for m in pick_moments(a_plan(600), seen, RULES).moments} <= set(range(590, 600))


def test_bright_smiles_come_before_variety() -> None:
    # As seen on a clip: ten bright seconds in a row, and two of weeping that look like a smile and quite different.
    weeping = [a_reading(second, [a_face(p_smile=p, look=second)]) for second, p in enumerate((0.965, 0.971, 0.2, 0.3))]
    bright = [a_reading(second, [a_face(p_smile=0.975, look=second)]) for second in range(10, 20)]
    outcome = pick_moments(a_plan(20), [*weeping, *bright], RULES)
    assert {moment.second for moment in outcome.moments} <= set(range(10, 20))


def test_a_smile_that_lasts_outshines_a_grimace_of_a_second() -> None:
    seen = readings(range(60), p_smile=0.1)
    seen[5] = a_reading(5, [a_face(p_smile=0.99, look=5, quality=0.9)])
    seen[30:42] = readings(range(30, 42), p_smile=0.98)
    assert 5 not in {moment.second for moment in pick_moments(a_plan(60), seen, RULES).moments}


def test_a_frozen_picture_is_not_taken_twice() -> None:
    seen = [a_reading(second, [a_face(look=7)]) for second in range(300)]
    outcome = pick_moments(a_plan(300), seen, RULES)
    assert outcome.reason is NoReelReason.TOO_FEW_SMILES


@pytest.mark.parametrize(
    ("reading", "why"),
    [
        (a_reading(5, [a_face(p_child=0.2)]), "an adult"),
        (a_reading(5, [a_face(), a_face(p_child=0.1, box_xyxy=(10, 10, 90, 110))]), "an adult beside the child"),
        (a_reading(5, [a_face(), a_face(box_xyxy=(10, 10, 90, 110))]), "two children"),
        (a_reading(5, [a_face().model_copy(update={"p_child_alone": 0.2})]), "an adult where a child just sat"),
        (
            a_reading(5, [a_face(p_child=0.3).model_copy(update={"p_child_alone": 0.9})]),
            "an adult who looks a child for a second",
        ),
        (a_reading(5, p_parent_shoulder=0.95), "a parent's shoulder"),
        (a_reading(5, [a_face(box_xyxy=(300, 200, 320, 222))]), "a tiny face"),
        (a_reading(5, [a_face(box_xyxy=(0, 100, 90, 220))]), "a face that the frame cuts"),
        (a_reading(5, [a_face(p_smile=0.3)]), "no smile"),
        (a_reading(5, []), "nobody"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_hard_gates_for_a_child(reading: FrameReading, why: str) -> None:
    good = [s for s in range(200) if s != 5][: RULES.n_moments - 1]
    seen = [a_reading(second) for second in good]
    assert pick_moments(a_plan(200), [*seen, a_reading(5)], RULES).reason is None
    assert pick_moments(a_plan(200), [*seen, reading], RULES).reason is NoReelReason.TOO_FEW_SMILES, why


def test_a_counted_child_is_not_yet_sure_enough_for_the_reel() -> None:
    settings = Settings()
    assert settings.min_p_child == 0.5
    rules = pick_rules(settings)
    seen = readings(range(600))
    seen[100] = a_reading(100, [a_face(look=100, p_smile=1.0, quality=1.0, p_child=0.65)])
    assert 100 not in {moment.second for moment in pick_moments(a_plan(600), seen, rules).moments}
    seen[100] = a_reading(100, [a_face(look=100, p_smile=1.0, quality=1.0, p_child=0.75)])
    assert 100 in {moment.second for moment in pick_moments(a_plan(600), seen, rules).moments}


def test_no_moment_lies_in_a_shoulders_range_nor_in_a_second_beside_one() -> None:
    spans = [ShoulderRange(start_second=0, end_second=100), ShoulderRange(start_second=110, end_second=200)]
    outcome = pick_moments(a_plan(200), readings(range(200)), RULES, spans)
    assert outcome.reason is NoReelReason.TOO_FEW_SMILES, "eight seconds are left"
    later = pick_moments(a_plan(200), readings(range(200)), RULES, spans[:1])
    assert min(moment.second for moment in later.moments) >= 101


def test_who_sits_beside_anyone_does_not_matter() -> None:
    spans = [ShoulderRange(start_second=0, end_second=60)]
    outcome = pick_moments(a_plan(60, subject=Subject.ANYONE), readings(range(60)), RULES, spans)
    assert outcome.reason is None


def test_anyone_takes_the_largest_face_also_an_adults() -> None:
    large, small = a_face(p_child=0.0), a_face(p_child=1.0, box_xyxy=(10, 10, 60, 60))
    seen = [a_reading(s, [small, large.model_copy(update={"thumbnail": a_face(look=s).thumbnail})]) for s in range(60)]
    outcome = pick_moments(a_plan(60, subject=Subject.ANYONE), seen, RULES)
    assert {moment.p_child for moment in outcome.moments} == {0.0}


def test_anyone_shares_the_picture_with_nobody_of_like_size() -> None:
    pair = [a_face(), a_face(box_xyxy=(20, 150, 115, 265))]
    seen = [a_reading(second, pair) for second in range(60)]
    assert pick_moments(a_plan(60, subject=Subject.ANYONE), seen, RULES).reason is NoReelReason.NO_CHILD_ALONE


def test_boxes_are_told_in_pixels_of_the_original() -> None:
    moment = pick_moments(a_plan(60), readings(range(60)), RULES).moments[0]
    assert moment.box_xyxy == (500, 300, 700, 540)
    assert (moment.frame_width, moment.frame_height) == (1280, 960)


@pytest.mark.parametrize(
    ("plan", "seen", "reason"),
    [
        (a_plan(60, reel_allowed=False), readings(range(60)), NoReelReason.NO_CONSENT),
        (a_plan(9, seconds=8.9), readings(range(9)), NoReelReason.TOO_SHORT),
        (a_plan(60), [], NoReelReason.NOTHING_READABLE),
        (a_plan(60), [a_reading(s, []) for s in range(60)], NoReelReason.NO_FACE),
        (a_plan(60), readings(range(60), p_child=0.1), NoReelReason.NO_CHILD_ALONE),
        (a_plan(60), readings(range(60), p_smile=0.1), NoReelReason.TOO_FEW_SMILES),
    ],
)
def test_why_there_is_no_reel(plan: object, seen: list[FrameReading], reason: NoReelReason) -> None:
    outcome = pick_moments(plan, seen, RULES)  # type: ignore[arg-type]
    assert (outcome.moments, outcome.reason) == ([], reason)
    assert reason.explanation
