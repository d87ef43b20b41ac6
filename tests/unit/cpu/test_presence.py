"""A parent's shoulder as ranges: flicker, spikes, unseen seconds, the lesson's ends, and nothing but the threshold decides."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import exp, inf, log, nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.records import ShoulderRange
from tests.builders import a_reading
from workers.cpu.presence import SHORTEST_SECONDS, is_inside, ranges_of, shoulder_ranges

THRESHOLD = 0.44


def found(levels: Sequence[float | None], threshold: float = THRESHOLD) -> list[tuple[int, int]]:
    """Ranges of a lesson of logits counted from the threshold, a value a second; None is a second that was not seen."""
    at = log(threshold / (1 - threshold))
    scores = {second: 1 / (1 + exp(-(at + level))) for second, level in enumerate(levels) if level is not None}
    return [(span.start_second, span.end_second) for span in ranges_of(scores, threshold)]


def test_a_parent_sits_down_and_leaves() -> None:
    [(start, end)] = found([-2.0] * 20 + [2.0] * 15 + [-2.0] * 20)
    assert start == pytest.approx(20, abs=1)
    assert end == pytest.approx(35, abs=1)


@pytest.mark.parametrize("threshold", [0.01, 0.3, 0.5, 0.9, 0.99])
def test_levels_go_with_the_threshold(threshold: float) -> None:
    levels = [-1.6] * 12 + [1.5] * 12 + [-1.6] * 12
    assert found(levels, threshold) == found(levels)


def test_flicker_inside_a_visit_does_not_cut_it() -> None:
    [(start, end)] = found([-2.0] * 10 + [2.0, 2.0, -1.0, 2.0, 2.0, -2.5, 2.0, -0.3, 2.0, 2.0] * 2 + [-2.0] * 10)
    assert [start, end] == pytest.approx([10, 30], abs=1)


def test_flicker_in_an_empty_room_makes_no_visit() -> None:
    assert found([-1.0, 0.4, -1.2, 0.3, -2.0] * 12) == []


@pytest.mark.parametrize("length", [1, 2])
def test_a_short_spike_is_no_visit(length: int) -> None:
    assert found([-2.0] * 20 + [9.0] * length + [-2.0] * 20) == []


def test_hysteresis_a_weak_score_goes_on_with_a_visit_but_does_not_begin_one() -> None:
    weak, surely = [0.2] * 20, [2.0] * 6
    assert found([-2.0] * 5 + weak + [-2.0] * 5) == []
    [(start, end)] = found([-2.0] * 5 + weak + surely + weak + [-2.0] * 5)
    assert [start, end] == pytest.approx([5, 51], abs=1)


def test_a_moment_out_of_the_picture_joins_two_visits_a_long_absence_does_not() -> None:
    visit: list[float | None] = [2.5] * 8
    assert len(found([*visit, *([-2.5] * 4), *visit])) == 1
    assert len(found([*visit, *([-2.5] * 12), *visit])) == 2


def test_unseen_seconds_are_bridged_a_disconnect_is_not() -> None:
    visit: list[float | None] = [2.0] * 8
    assert found([*visit, *([None] * 4), *visit]) == [(0, 20)]
    assert found([*visit, *([None] * 15), *visit]) == [(0, 8), (23, 31)]


def test_a_range_begins_and_ends_with_a_second_that_was_seen() -> None:
    assert found([None, None, *([2.0] * 10), None, None, None]) == [(2, 12)]


def test_the_lessons_ends() -> None:
    assert found([2.0] * 10 + [-2.0] * 20)[0][0] == 0
    assert found([-2.0] * 20 + [2.0] * 10)[0][1] == 30
    assert found([2.0] * 30) == [(0, 30)]


def test_nothing_seen_and_hardly_anything_seen() -> None:
    assert ranges_of({}, THRESHOLD) == []
    assert ranges_of({7: 1.0}, THRESHOLD) == []
    assert ranges_of({0: nan, 1: inf}, THRESHOLD) == []


def test_what_is_not_finite_was_not_seen_and_certainty_counts_no_more_than_any_sure_frame() -> None:
    scores = dict.fromkeys(range(10), 1.0) | {4: nan}
    assert ranges_of(scores, THRESHOLD) == [ShoulderRange(start_second=0, end_second=10)]
    assert ranges_of(dict.fromkeys(range(10), 0.0) | {5: 1.0}, THRESHOLD) == []


@pytest.mark.parametrize("threshold", [0.0, 1.0, -1.0, nan])
def test_a_threshold_that_none_can_have_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        ranges_of({0: 0.5}, threshold)


@settings(deadline=None)
@given(st.dictionaries(st.integers(0, 90), st.one_of(st.floats(0, 1), st.just(nan)), max_size=60), st.floats(0.05, 0.95))
def test_ranges_are_in_order_apart_long_enough_and_inside_what_was_seen(scores: dict[int, float], threshold: float) -> None:
    spans = ranges_of(scores, threshold)
    assert all(one.end_second < other.start_second for one, other in pairwise(spans))
    assert all(span.end_second - span.start_second >= SHORTEST_SECONDS for span in spans)
    assert all(span.start_second in scores and span.end_second - 1 in scores for span in spans)


def test_readings_and_seconds_beside_a_range() -> None:
    seen = [a_reading(second, p_parent_shoulder=0.95 if 10 <= second < 20 else 0.02) for second in range(30)]
    [span] = shoulder_ranges(seen, THRESHOLD)
    assert is_inside([span], span.start_second)
    assert not is_inside([span], span.end_second)
    assert is_inside([span], span.end_second, 1)
    assert not is_inside([span], span.start_second - 2, 1)
    assert not is_inside([], 5, 100)
