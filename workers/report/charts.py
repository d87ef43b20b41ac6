"""The page's charts, drawn by Altair and written as SVG without script or style; `illustrations.py` calls it.

A chart's colours stand for roles: `report.css` gives each another tone in the dark and in print. Nothing is told by colour alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from .figures import Curve, Span, lesson_time, merged, thinned, ticks

# Replaced by the page's own address after rendering, which would otherwise make it one of another host.
_HERE = "https://page.invalid/"

INK, QUIET, GRID, GROUND = "#1f2933", "#52606d", "#d9dee4", "#ffffff"
CAMERA, CHILD, ADULT, SHOULDER, SMILE, OFF = "#3e5c76", "#0f766e", "#5b4aa8", "#96580e", "#ab3a66", "#b3261e"


@dataclass(frozen=True, slots=True)
class Size:
    """A chart's measures in pixels: one for wide windows and paper, one for telephones."""

    name: str
    width: int
    most_ticks: int
    most_points: int


SIZES = (Size("wide", 880, 10, 440), Size("narrow", 340, 5, 170))
LEFT, RIGHT, AXIS_HEIGHT = 26, 12, 22
LANE_PITCH, BAR_HEIGHT, CROSS = 48, 14, 16
MARK_RADIUS = 12


@dataclass(frozen=True, slots=True)
class Lane:
    """A named row of bars: where something holds, and where a camera was off though it should not have been."""

    label: str
    colour: str
    spans: Sequence[Span]
    off: Sequence[Span] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """A named curve (0..1), and the spans behind it that the program made of it."""

    label: str
    colour: str
    values: Curve
    spans: Sequence[Span] = ()


@dataclass(frozen=True, slots=True)
class Drawing:
    """What stands inside an `svg` element of these pixels; without script, style, role or addresses of other hosts."""

    size: str
    width: int
    height: int
    elements: str


def lanes_chart(n_seconds: int, lanes: Sequence[Lane], moments: Mapping[int, float], size: Size) -> Drawing:
    """The lanes below each other on one time axis, under the numbered moments, each a link to `#report-moment-N`."""
    alt = _altair()
    rows = dodged(moments, n_seconds, size)
    top = (max(rows.values()) + 1) * (2 * MARK_RADIUS + 4) + 24 if rows else 0
    middles = [top + index * LANE_PITCH + 24 + BAR_HEIGHT / 2 for index in range(len(lanes))]
    labels = [(lane.label + (f": {lane.note}" if lane.note else ""), y) for lane, y in zip(lanes, middles, strict=True)]
    texts = [{"a": 0, "y": y - BAR_HEIGHT / 2 - 11, "text": text} for text, y in labels]
    if moments:
        texts.append({"a": 0, "y": 10, "text": "Moments of the reel"})
    pixel = n_seconds / _plot(size)
    bars = [
        {"a": a, "b": b, "y": y, "colour": lane.colour}
        for lane, y in zip(lanes, middles, strict=True)
        for a, b in merged(lane.spans, pixel, n_seconds)
    ]
    x, y = _x(n_seconds, size), alt.Y("y:Q", scale=None, axis=None)
    frames = alt.Chart(_data([{"a": 0, "b": n_seconds, "y": middle} for middle in middles]))
    layers = [
        frames.mark_bar(fill="none", stroke=GRID, height=BAR_HEIGHT).encode(x=x("a"), x2="b", y=y),
        alt.Chart(_data(bars)).mark_bar(height=BAR_HEIGHT).encode(x=x("a"), x2="b", y=y, fill=alt.Fill("colour:N", scale=None)),
        *_crosses(
            [
                (place, middle)
                for lane, middle in zip(lanes, middles, strict=True)
                for place in _apart(lane.off, pixel, n_seconds)
            ],
            x,
            y,
            pixel,
        ),
        alt.Chart(_data(texts)).mark_text(align="left", fontSize=13, color=INK).encode(x=x("a"), y=y, text="text:N"),
        *_marks(moments, rows, x, y, top),
    ]
    height = top + len(lanes) * LANE_PITCH
    chart = alt.layer(*layers).properties(width=_plot(size), height=height)
    # Measured by hand, as a mark at the edge would move the plot away from the times of the other charts.
    return _drawing(
        chart, moments, size, autosize="none", padding={"left": LEFT, "right": RIGHT, "top": 2, "bottom": AXIS_HEIGHT}
    )


def panels_chart(n_seconds: int, panels: Sequence[Panel], moments: Mapping[int, float], size: Size) -> Drawing:
    """The curves below each other, each on the same axes: lesson time and 0..1; dotted lines mark the moments."""
    alt = _altair()
    x = _x(n_seconds, size)
    charts, pixel = [], n_seconds / _plot(size)
    for panel in panels:
        points = [{"t": t, "p": p} for t, p in thinned(panel.values, size.most_points)]
        y = alt.Y("p:Q", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(values=[0, 0.5, 1], format=".1f", title=None))
        layers = [
            alt.Chart(_data([{"a": a, "b": b} for a, b in merged(panel.spans, pixel, n_seconds)]))
            .mark_rect(fill=panel.colour, fillOpacity=0.16)
            .encode(x=x("a"), x2="b"),
            alt.Chart(_data([{"t": t} for t in moments.values()])).mark_rule(stroke=QUIET, strokeDash=[1, 4]).encode(x=x("t")),
            alt.Chart(_data(points))
            .mark_line(
                stroke=panel.colour, strokeWidth=1.8, strokeCap="round", strokeJoin="round", invalid="break-paths-show-domains"
            )
            .encode(x=x("t"), y=y),
        ]
        title = alt.TitleParams(panel.label, anchor="start", frame="group", fontSize=13, fontWeight=600, color=INK, offset=10)
        charts.append(alt.layer(*layers).properties(width=_plot(size), height=110, title=title))
    padding = {"left": 0, "right": RIGHT, "top": 2, "bottom": 2}
    return _drawing(alt.vconcat(*charts, spacing=26), moments, size, padding=padding)


def dodged(moments: Mapping[int, float], n_seconds: int, size: Size) -> dict[int, int]:
    """In which row, from 0 at the bottom, each moment's mark stands so that none covers another."""
    pixel = n_seconds / _plot(size)
    rows: dict[int, int] = {}
    for number, time in sorted(moments.items(), key=lambda moment: moment[1]):
        near = {row for other, row in rows.items() if abs(moments[other] - time) < (2 * MARK_RADIUS + 2) * pixel}
        rows[number] = next(row for row in range(len(moments)) if row not in near)
    return rows


def _apart(off: Sequence[Span], pixel: float, n_seconds: int) -> list[float]:
    """The spans' middles, without those whose crosses would cover another."""
    places: list[float] = []
    half = CROSS / 2 * pixel
    for place in sorted(min(max((a + b) / 2, half), n_seconds - half) for a, b in off):
        if not places or place - places[-1] >= 2 * half:
            places.append(place)
    return places


def _crosses(places: Sequence[tuple[float, float]], x: Any, y: Any, pixel: float) -> list[Any]:
    """Crosses at (second, pixel from the top) on free ground: of the shortest spans nothing else would be seen."""
    alt = _altair()
    half = CROSS / 2 * pixel
    at = alt.Chart(_data([{"a": place - half, "middle": place, "b": place + half, "y": middle} for place, middle in places]))
    cross = {"shape": "M-.5,-.5L.5,.5M-.5,.5L.5,-.5", "size": (1.2 * CROSS) ** 2, "filled": False}
    return [
        at.mark_bar(fill=GROUND, height=BAR_HEIGHT + 1).encode(x=x("a"), x2="b", y=y),
        at.mark_point(**cross, stroke=OFF, strokeWidth=2.2, opacity=1).encode(x=x("middle"), y=y),
    ]


def _marks(moments: Mapping[int, float], rows: Mapping[int, int], x: Any, y: Any, top: int) -> list[Any]:
    places = {number: top - MARK_RADIUS - 2 - row * (2 * MARK_RADIUS + 4) for number, row in rows.items()}
    at = _altair().Chart(
        _data(
            [
                {"t": time, "y": places[number], "n": str(number), "to": f"{_HERE}#report-moment-{number}"}
                for number, time in moments.items()
            ]
        )
    )
    circle = {"size": 4 * MARK_RADIUS**2, "filled": True, "fill": GROUND, "stroke": SMILE, "strokeWidth": 1.8, "opacity": 1}
    return [
        at.mark_point(**circle).encode(x=x("t"), y=y, href="to:N"),
        at.mark_text(fontSize=12, fontWeight=600, color=INK, dy=1).encode(x=x("t"), y=y, text="n:N"),
    ]


def _x(n_seconds: int, size: Size) -> Any:
    """The time axis, the same under every chart."""
    alt = _altair()
    values = ticks(n_seconds, size.most_ticks)
    labels = ",".join(f"'{value}':'{lesson_time(value)}'" for value in values)
    # The last label ends at the plot's edge rather than outside it.
    axis = alt.Axis(values=values, labelExpr=f"{{{labels}}}[datum.value]", labelFlush=True, title=None)
    return lambda field: alt.X(f"{field}:Q", scale=alt.Scale(domain=[0, n_seconds], nice=False), axis=axis)


def _plot(size: Size) -> int:
    return size.width - LEFT - RIGHT


def _data(rows: list[dict[str, Any]]) -> Any:
    return _altair().InlineData(values=rows)


@cache
def _altair() -> Any:
    """Altair, imported on first use: it is heavy, and in the extra `report`."""
    import altair

    return altair


def _drawing(chart: Any, moments: Mapping[int, float], size: Size, **layout: Any) -> Drawing:
    import vl_convert

    axis = {
        "labelColor": QUIET,
        "labelFontSize": 12,
        "labelPadding": 6,
        "gridColor": GRID,
        "domain": False,
        "ticks": False,
        # Both sides of every chart end at the same place, so that times stand below each other.
        "minExtent": LEFT,
        "maxExtent": LEFT,
    }
    config = {
        "background": None,
        "aria": False,
        "font": "sans-serif",
        "axisX": {**axis, "minExtent": AXIS_HEIGHT, "maxExtent": AXIS_HEIGHT},
        "axisY": axis,
        "view": {"stroke": None},
    }
    spec = {**chart.to_dict(), "config": config, **layout}
    text: str = vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])
    text = text.replace(f'xlink:href="{_HERE}#', 'href="#').replace(' xmlns:xlink="http://www.w3.org/1999/xlink"', "")

    def named(match: re.Match[str]) -> str:
        number = int(match[1])
        name = f"Moment {number}, at {lesson_time(moments[number])}"
        return f'<a href="#report-moment-{number}" aria-label="{name}"><title>{name}</title>'

    text = re.sub(r'<a href="#report-moment-(\d+)">', named, text)
    text = re.sub(r' (?:role|aria-roledescription|style|class|pointer-events)="[^"]*"', "", text)
    # A tenth of a pixel is all that can be seen.
    text = re.sub(r"(\d+\.\d)\d+", r"\1", text)
    whole = re.fullmatch(r'<svg [^>]*viewBox="0 0 (\d+) (\d+)"[^>]*>(.*)</svg>\s*', text, re.DOTALL)
    if whole is None:
        raise RuntimeError("vl-convert wrote an SVG of another form than this release reads")
    return Drawing(size.name, int(whole[1]), int(whole[2]), whole[3])
