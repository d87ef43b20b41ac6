"""The drawings: one time axis under all of them, marks that do not cover each other, nothing that runs or points elsewhere."""

from __future__ import annotations

import re

import pytest

from workers.report.charts import ADULT, CAMERA, OFF, SIZES, Drawing, Lane, Panel, Size, dodged, lanes_chart, panels_chart

WIDE, NARROW = SIZES


def places_of_grid_lines(drawing: Drawing) -> list[float]:
    """Pixels from the left at which the first chart's vertical grid lines stand, its own place added."""
    left = float(re.findall(r'transform="translate\((-?[\d.]+),-?[\d.]+\)"', drawing.elements)[0])
    lines = re.findall(r'<line transform="translate\(([\d.]+),-?[\d.]+\)" x2="0"', drawing.elements)
    return [left + float(place) for place in lines]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("second", [0.5, 300.0, 599.5])
def test_times_stand_below_each_other(size: Size, second: float) -> None:
    lanes = lanes_chart(600, [Lane("A camera", CAMERA, [(0, 600)])], {1: second}, size)
    curves = panels_chart(600, [Panel("P(x)", ADULT, [0.5] * 600)], {1: second}, size)
    assert abs(lanes.width - curves.width) <= 1
    grid = places_of_grid_lines(lanes)
    assert len(grid) >= 4
    assert places_of_grid_lines(curves)[: len(grid)] == pytest.approx(grid, abs=1)


def test_a_disconnect_of_a_second_is_a_cross_and_many_are_few() -> None:
    one = lanes_chart(21_600, [Lane("A camera", CAMERA, [(0, 100), (101, 21_600)], [(100, 101)])], {}, WIDE)
    assert one.elements.count(f'stroke="{OFF}"') == 1
    gaps = [(float(second), second + 1.0) for second in range(0, 21_600, 3)]
    many = lanes_chart(21_600, [Lane("A camera", CAMERA, gaps, gaps)], {}, WIDE)
    assert 20 < many.elements.count(f'stroke="{OFF}"') < 60
    assert len(many.elements) < 60_000


def test_marks_do_not_cover_each_other() -> None:
    assert set(dodged({1: 100, 2: 300, 3: 500}, 600, WIDE).values()) == {0}
    assert dodged({1: 100, 2: 101, 3: 102, 4: 130}, 600, WIDE) == {1: 0, 2: 1, 3: 2, 4: 0}
    assert dodged({}, 600, WIDE) == {}
    crowd = dodged(dict.fromkeys(range(30), 5.0), 600, NARROW)
    assert sorted(crowd.values()) == list(range(30))


def test_links_stay_on_the_page() -> None:
    drawing = lanes_chart(600, [Lane("A camera", CAMERA, [(0, 600)])], {1: 5.0, 2: 500.0}, WIDE)
    assert re.findall(r'<a href="([^"]*)" aria-label="([^"]*)">', drawing.elements) == [
        ("#report-moment-1", "Moment 1, at 0:05"),
        ("#report-moment-2", "Moment 2, at 8:20"),
    ]
    assert "://" not in drawing.elements


def test_a_gap_breaks_the_line() -> None:
    whole = panels_chart(100, [Panel("P(x)", ADULT, [0.5] * 100)], {}, WIDE)
    broken = panels_chart(100, [Panel("P(x)", ADULT, [0.5] * 40 + [None] * 20 + [0.5] * 40)], {}, WIDE)

    def strokes(drawing: Drawing) -> int:
        paths = re.findall(rf'<path d="([^"]*)"[^>]*stroke="{ADULT}"', drawing.elements)
        return sum(path.count("M") for path in paths)

    assert (strokes(whole), strokes(broken)) == (1, 2)


def test_names_of_lanes_are_escaped() -> None:
    drawing = lanes_chart(60, [Lane("<script>&", CAMERA, [], note='"<b>')], {}, WIDE)
    assert "<script" not in drawing.elements
    assert "<b>" not in drawing.elements
    assert "&lt;script&gt;&amp;" in drawing.elements
