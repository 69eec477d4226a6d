"""Lines over a swept axis: a logarithm of two along it, sizes as labels, whiskers for intervals."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from profiler.export.charts.look import INK, PAPER, marker_of, marker_points, shade
from profiler.export.charts.missing import has_missing, make_lane, mark_lane
from profiler.export.charts.picture import Panel, Picture, Point, Tick

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARKER = 0.02  # half a marker, of a panel's height
_LETTERS = {1: 66, 2: 40, 3: 30}  # of the labels along an axis, by the picture's columns
_BETWEEN = 2  # letters' room between two labels
_FEW_DECADES = 500.0  # of values, on a logarithmic scale: there is room for 2 and 5 of each
_LABEL_GAP = 0.55  # octaves between two labels


def draw_lines(axes: Axes, picture: Picture, panel: Panel) -> None:
    """A line an implementation with a marker of its own; what has no figure stands in a lane below them."""
    axes.set_xscale("log", base=2)
    if picture.scale == "log":
        axes.set_yscale("log")
    seen = _Seen.of(picture, panel)
    for one in panel.series:
        xs = [tick.at for tick in panel.ticks]
        ys = [math.nan if point.value is None else point.value for point in one.points]  # no line bridges it
        axes.plot(xs, ys, color=shade(one.colour), linewidth=2.9, zorder=2.9)
        axes.plot(xs, ys, **_line(one.colour, one.place))
        for x, point in zip(xs, one.points, strict=True):
            if (
                point.value is not None
                and point.low is not None
                and point.high is not None
                and seen.shows(point)
            ):
                sides = [[point.value - point.low], [point.high - point.value]]
                axes.errorbar(
                    x,
                    point.value,
                    yerr=sides,
                    fmt="none",
                    ecolor=INK,
                    elinewidth=1.1,
                    capsize=2.5,
                    zorder=2.8,
                )
        few = [(x, point.value) for x, point in zip(xs, one.points, strict=True) if point.of_few]
        if few:
            look = _line(one.colour, one.place) | {"markerfacecolor": PAPER, "markeredgewidth": 1.4}
            axes.plot(*zip(*few, strict=True), **look, linestyle="none")
    _scale_y(axes, picture, panel)
    _scale_x(axes, picture, panel)
    mark_lane(axes, picture, panel)
    axes.grid(axis="both")


def _together(picture: Picture, panel: Panel) -> Iterator[float]:
    """The figures that have one scale with the panel's."""
    return (value for one in (picture.panels if picture.shares_scale else (panel,)) for value in one.values())


@dataclass(frozen=True)
class _Seen:
    """Which intervals are to be seen: one that its marker hides is not drawn, for a file has hundreds."""

    low: float
    high: float
    is_log: bool

    @classmethod
    def of(cls, picture: Picture, panel: Panel) -> _Seen:
        values = list(_together(picture, panel)) or [1.0]
        is_log = picture.scale == "log"
        return cls(min(values) if is_log else 0.0, max(values), is_log)

    def shows(self, point: Point) -> bool:
        if point.low is None or point.high is None or point.value is None:
            return False
        if self.is_log:
            whole = math.log(self.high / self.low) or 1.0
            wider = max(point.high / point.value, point.value / point.low)
            return math.log(wider) / whole > _MARKER
        return max(point.high - point.value, point.value - point.low) / self.high > _MARKER


def _scale_y(axes: Axes, picture: Picture, panel: Panel) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    values = list(_together(picture, panel))
    if not values:
        return
    is_log = picture.scale == "log"
    low, high = (min(values) / 1.4, max(values) * 1.6) if is_log else (0.0, max(values) * 1.1)
    axes.set_ylim(low, high)
    if is_log:
        is_short = max(values) / min(values) < _FEW_DECADES
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if is_short else (1,), numticks=12))
        axes.yaxis.set_minor_locator(NullLocator())
    if has_missing(picture.panels if picture.shares_scale else (panel,)):
        make_lane(axes, low, high, is_log=is_log)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))


def _scale_x(axes: Axes, picture: Picture, panel: Panel) -> None:
    from matplotlib.ticker import FixedLocator, NullLocator

    shown = labelled(panel.ticks, letters=_LETTERS[picture.columns])
    axes.xaxis.set_major_locator(FixedLocator([tick.at for tick in shown]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks([tick.at for tick in shown], [tick.label for tick in shown])
    first, last = panel.ticks[0].at, panel.ticks[-1].at
    spread = max(last / first, 2.0) if first > 0 else 2.0
    room = spread**0.09
    axes.set_xlim(first / room, last * room)


def labelled(ticks: tuple[Tick, ...], letters: int) -> list[Tick]:
    """Those that have room for a label: of many every second, third, ..., the last one always."""
    for step in range(1, len(ticks) + 1):
        chosen = ticks[::-1][::step]
        if sum(len(tick.label) + _BETWEEN for tick in chosen) <= letters:
            break
    kept: list[Tick] = []
    for tick in reversed(chosen):
        if kept and kept[-1].at > 0 and math.log2(tick.at / kept[-1].at) < _gap(ticks):
            kept.pop()
        kept.append(tick)
    return kept


def _gap(ticks: tuple[Tick, ...]) -> float:
    octaves = math.log2(ticks[-1].at / ticks[0].at) if ticks[0].at > 0 else 1.0
    return min(_LABEL_GAP, octaves / 8)


def handle_of_line(colour: str, place: int) -> Any:
    """A line's mark in the legend."""
    from matplotlib.lines import Line2D

    return Line2D([], [], **_line(colour, place))


def _line(colour: str, place: int) -> dict[str, Any]:
    marker = marker_of(place)
    return {
        "color": colour,
        "marker": marker,
        "markersize": marker_points(marker),
        "markeredgecolor": shade(colour),
        "markeredgewidth": 0.9,
        "zorder": 3,
    }
