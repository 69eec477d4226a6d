"""Line charts in the terminal: the one module that knows plotext, and what becomes text of its figures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.text import Text

LEAST_WIDTH, LEAST_HEIGHT = 24, 5
"""Below this there is no room for a chart."""

_MOST_DECADES = 2  # of values, on a linear scale
_UNICODE_MARKS, _ASCII_MARKS = "●■▲◆○□△◇", "o*x#@%&+"
_TO_ASCII = str.maketrans("│┤└┬─┼", "|+++-+")
_LINE_PER_TICK = 4  # rows between two ticks of the y axis, or more
_CELLS_BETWEEN_TICKS = 2


@dataclass(frozen=True)
class Curve:
    """A named series. `points` are in order of x; `place` is its place among all, which settles its mark."""

    name: str
    colour: str
    points: tuple[tuple[float, float], ...]
    place: int = 0
    note: str = ""
    """Why it goes no further, in a word."""

    @property
    def label(self) -> str:
        """What stands where it ends."""
        return f"{self.name} {self.note}".rstrip()


@dataclass(frozen=True)
class LineChart:
    """Curves over one axis. `ticks` are the x values that have points, with their labels."""

    curves: tuple[Curve, ...]
    ticks: tuple[tuple[float, str], ...]
    title: str
    """What the y axis measures, with its unit, and what the x axis goes over: the line above the chart."""


@dataclass(frozen=True)
class Scale:
    """How values become places along an axis: as they are, or their logarithm."""

    low: float
    high: float
    base: int | None = None

    def place(self, value: float) -> float:
        """A value on the scale."""
        return math.log(value, self.base) if self.base else value

    def fraction(self, value: float) -> float:
        """How far along the axis a value is, from 0 to 1."""
        low, high = self.place(self.low), self.place(self.high)
        return (self.place(value) - low) / (high - low)


def load() -> None:
    """Import plotext, which takes a fifth of a second: in a thread, before the first chart is wanted."""
    import plotext  # noqa: F401


def mark_of(place: int, *, ascii_only: bool = False) -> str:
    """The mark of the curve at that place among all."""
    marks = _ASCII_MARKS if ascii_only else _UNICODE_MARKS
    return marks[place % len(marks)]


def doubles(places: Sequence[float]) -> bool:
    """Whether values are spread as lengths are: each twice the one before, or more."""
    return (
        len(places) > 2 and places[0] > 0 and all(after >= 2 * before for before, after in pairwise(places))
    )


def x_scale(places: Sequence[float]) -> Scale:
    """The scale of the axis that a sweep goes over: to base 2 where values double."""
    low, high = places[0], places[-1]
    if low == high:
        return Scale(low - 1, high + 1)
    return Scale(low, high, 2 if doubles(places) else None)


def y_scale(values: Sequence[float], *, doubling: bool = False) -> Scale:
    """From zero to a round number; logarithmic where that would leave the small values on the ground.

    That is where values differ by more than two decades, or by one over an x axis that is `doubling`.
    """
    low, high = min(values), max(values)
    if low > 0 and high / low > 10 ** (1 if doubling else _MOST_DECADES):
        return Scale(_round_down(low), _round_up(high), 10)
    return Scale(min(0.0, low), _round_up(high) if high > 0 else 1.0)


def _round_up(value: float) -> float:
    """The next number that starts with 1, 1.5, 2, 2.5, or a whole one."""
    decade = 10.0 ** math.floor(math.log10(value))
    return next(
        step * decade for step in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9, 10) if step * decade >= value * 0.9999
    )


def _round_down(value: float) -> float:
    """The number before that starts with 1, 2 or 5."""
    decade = 10.0 ** math.floor(math.log10(value))
    return max(step * decade for step in (1, 2, 5) if step * decade <= value * 1.0001)


def y_ticks(scale: Scale, rows: int) -> list[float]:
    """Round values along the y axis, no more than `rows` have room for."""
    most = max(2, rows // _LINE_PER_TICK + 1)
    if scale.base:
        first, last = math.floor(math.log10(scale.low)), math.ceil(math.log10(scale.high))
        for starts in ((1.0, 2.0, 5.0), (1.0, 3.0), (1.0,)):
            ticks = [start * 10.0**power for power in range(first, last + 1) for start in starts]
            ticks = [tick for tick in ticks if scale.low * 0.999 <= tick <= scale.high * 1.001]
            if len(ticks) <= most:
                break
        return ticks
    span = scale.high - scale.low
    decade = 10.0 ** math.floor(math.log10(span))
    steps = [step * decade / 10 for step in (1, 2, 2.5, 5, 10, 20, 25, 50, 100)]
    step = next(step for step in steps if span / step <= most - 1 + 1e-9)
    first = math.ceil(scale.low / step - 1e-9)
    return [index * step for index in range(first, math.floor(scale.high / step + 1e-9) + 1)]


def draw(chart: LineChart, width: int, height: int, *, ascii_only: bool = False) -> Text:
    """The chart as `height` lines of `width` cells; each curve is named where it ends.

    Curves are told apart by their points' marks too, so the chart needs no colour. Where there
    is no point, or no room, it says so.
    """
    from rich.text import Text

    known = tuple(
        replace(curve, points=kept)
        for curve in chart.curves
        if (kept := tuple(point for point in curve.points if _can_be_drawn(point[1])))
    )
    if not known:
        return Text("no figures to draw yet", style="dim")
    names = max(len(curve.label) for curve in known) + 3
    names = names if width - names >= LEAST_WIDTH else 2
    if width < LEAST_WIDTH or height < LEAST_HEIGHT:
        return Text("no room for a chart", style="dim")
    across = x_scale([place for place, _ in chart.ticks])
    up = y_scale([y for curve in known for _, y in curve.points], doubling=across.base == 2)
    rows = height - 3  # the title, the x axis and its ticks
    marked = [(curve, mark_of(curve.place, ascii_only=ascii_only)) for curve in known]
    body = _figure(chart, marked, across, up, width - names, rows, ascii_only=ascii_only)
    labels = _labels(marked, up, rows, names)
    lines = [line + label for line, label in zip(body, [*labels, Text(), Text()], strict=True)]
    return Text("\n").join([Text(chart.title, style="bold"), *lines])


def _can_be_drawn(value: float) -> bool:
    """What a broken session may hold besides has no place on a scale."""
    return value == 0 or 1e-30 < abs(value) < 1e30


def _figure(
    chart: LineChart,
    marked: Iterable[tuple[Curve, str]],
    across: Scale,
    up: Scale,
    width: int,
    rows: int,
    *,
    ascii_only: bool,
) -> list[Text]:
    """The lines of plotext's figure: `rows` of canvas, the x axis and its ticks.

    plotext draws into one figure of the process, which is cleared before and after.
    """
    import plotext

    plotext.terminal.limit(False, False)
    figure: Any = plotext.figure.clear()
    figure.plot_size(width, rows + 2)
    figure.theme("colorless").canvas("default").legend(False)
    figure.axes(False, axis="x", side="upper").axes(False, axis="y", side="right")
    ticks = y_ticks(up, rows)
    figure.ruler("y").lim(up.place(up.low), up.place(up.high))
    figure.ruler("y").ticks([up.place(tick) for tick in ticks], [f"{tick:g}" for tick in ticks])
    room = width - max(len(f"{tick:g}") for tick in ticks) - 1
    shown = _ticks_with_room(chart.ticks, across, room)
    figure.ruler("x").lim(across.place(across.low), across.place(across.high))
    figure.ruler("x").ticks([across.place(place) for place, _ in shown], [label for _, label in shown])
    points = [
        ([across.place(x) for x, _ in curve.points], [up.place(y) for _, y in curve.points], curve, mark)
        for curve, mark in marked
    ]
    for xs, ys, curve, _ in points:  # all lines before any point, so that no mark is hidden by a line
        line = plotext.marker("." if ascii_only else "braille", pixel=_rgb(curve.colour))
        figure.draw(figure.signal(xs, ys, marker=line).lines(True))
    for xs, ys, curve, mark in points:
        figure.draw(figure.signal(xs, ys, marker=plotext.marker(mark, pixel=_rgb(curve.colour))))
    drawn = figure.build().string()
    figure.clear()
    return [_as_text(line, ascii_only=ascii_only) for line in drawn.rstrip("\n").split("\n")]


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _as_text(line: str, *, ascii_only: bool) -> Text:
    """A line of plotext's as rich text; what has no colour is frame, and stands back."""
    from rich.text import Text

    text = Text.from_ansi(line.translate(_TO_ASCII) if ascii_only else line)
    framed = Text(text.plain, style="dim", end="")
    coloured = [(span.start, span.end, span.style) for span in text.spans if span.style]
    result, at = Text(end=""), 0
    for start, end, style in coloured:
        result.append_text(framed[at:start])
        result.append(text.plain[start:end], style)
        at = end
    result.append_text(framed[at:])
    return result


def _ticks_with_room(ticks: Sequence[tuple[float, str]], across: Scale, room: int) -> list[tuple[float, str]]:
    """Those of the x ticks whose labels do not touch; the first and the last above all."""
    columns = [round(across.fraction(place) * (room - 1)) for place, _ in ticks]
    kept: list[int] = []
    for index in (0, len(ticks) - 1, *range(1, len(ticks) - 1)):
        needed = [(len(ticks[index][1]) + len(ticks[other][1])) / 2 + _CELLS_BETWEEN_TICKS for other in kept]
        apart = [abs(columns[index] - columns[other]) for other in kept]
        if all(distance >= least for distance, least in zip(apart, needed, strict=True)):
            kept.append(index)
    return [ticks[index] for index in sorted(kept)]


def _labels(marked: Iterable[tuple[Curve, str]], up: Scale, rows: int, width: int) -> list[Text]:
    """For each row of the canvas the name of the curve that ends there, or near where names crowd."""
    from rich.text import Text

    ends = sorted(marked, key=lambda item: -up.fraction(item[0].points[-1][1]))
    wanted = [round((1 - up.fraction(curve.points[-1][1])) * (rows - 1)) for curve, _ in ends]
    labels = [Text() for _ in range(rows)]
    for row, (curve, mark) in zip(apart(wanted, rows), ends, strict=True):
        if row >= 0:
            labels[row] = Text.assemble((f" {mark}", curve.colour), f" {curve.label}"[: width - 2])
    return labels


def apart(wanted: Sequence[int], rows: int) -> list[int]:
    """Rows as near as can be to those wanted (in ascending order), no two the same, below `rows`.

    Where there are more than rows, the first are negative.
    """
    placed: list[int] = []
    for row in wanted:
        placed.append(max(row, placed[-1] + 1) if placed else row)
    last = rows
    for index in range(len(placed) - 1, -1, -1):
        placed[index] = last = min(placed[index], last - 1)
    return placed
