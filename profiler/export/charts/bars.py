"""Grouped bars, and stacked ones: colours with hatches, intervals, and a word where a bar is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from profiler.export.charts.look import FAINT, INK, PAPER, PART, WIDTHS_IN, hatch_of, shade
from profiler.export.charts.missing import mark_bar, mark_stack
from profiler.export.charts.picture import Panel, Picture
from profiler.units import three_digits

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_GROUP = 0.84  # of the way to the next group
_WIDEST = 0.4
_DIGIT_IN, _POINT_IN = 0.08, 0.04  # of figures over bars; those wider than their bar's place are turned
_MOST_FIGURES = 45
_MOST_LARGE = 30
_SIDE_IN = 0.45  # of a panel, left of its bars and beside the figures along its side
_GAP_IN = 0.05  # between two figures
_ROOM_ABOVE = 1.16
_HEIGHT_IN = 1.95  # of a panel's bars with the figures above them
_HOLLOW = {"facecolor": PAPER, "linewidth": 1.4}
_PART_HATCHES = ("", "////", "---")


def draw_bars(axes: Axes, picture: Picture, panel: Panel) -> None:
    """A group a tick, a bar an implementation, its figure above."""
    from matplotlib.ticker import FuncFormatter

    count = max(1, len(panel.series))
    width = min(_GROUP / count, _WIDEST)
    bars = count * len(panel.ticks)
    top = max((point.high or point.value or 0.0 for point in panel.points()), default=0.0) or 1.0
    panel_in = WIDTHS_IN[picture.columns] / picture.columns - _SIDE_IN - _width_in(f"{top:,.0f}")
    alike = [each for each in picture.panels if each.y_label == panel.y_label]
    turned = any(_widest_in(each) + _GAP_IN > panel_in / max(1, len(each.ticks)) * width for each in alike)
    size = 9 if bars < _MOST_LARGE else 8
    for index, one in enumerate(panel.series):
        for group, point in enumerate(one.points):
            at = group + (index - (count - 1) / 2) * width
            if point.value is None:
                if point.word:
                    mark_bar(axes, at, one.colour, point.word, size)
                continue
            look = _paint(one.colour, one.place) | (_HOLLOW if point.of_few else {})
            axes.bar(at, point.value, width * 0.92, **look)
            high = point.value
            if point.low is not None and point.high is not None:
                high = point.high
                axes.errorbar(
                    at,
                    point.value,
                    yerr=[[point.value - point.low], [point.high - point.value]],
                    fmt="none",
                    ecolor=INK,
                    elinewidth=1,
                    capsize=min(3.0, 18 * width),
                    capthick=1,
                )
            if bars <= _MOST_FIGURES:
                text(
                    axes,
                    at,
                    high + 0.02 * top,
                    figure_text(point.value, counts=panel.counts),
                    rotation=90 if turned else 0,
                    size=size,
                    color=INK,
                )
    axes.set_ylim(0, top * (_room_turned(panel) if turned else _ROOM_ABOVE))
    axes.set_xlim(-0.5, len(panel.ticks) - 0.5)
    axes.set_xticks(range(len(panel.ticks)), [_broken(tick.label) for tick in panel.ticks])
    axes.tick_params(axis="x", length=0)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.grid(axis="y")


def draw_stacks(axes: Axes, picture: Picture, panel: Panel) -> None:
    """A bar an implementation, from left to right what a step is made of, the first on top."""
    lefts = [0.0] * len(panel.ticks)
    for one in panel.series:
        for index, (tick, point) in enumerate(zip(panel.ticks, one.points, strict=True)):
            if point.value is None:
                continue
            value = point.value
            look = _part_look(tick.colour, one.place)
            axes.barh(index, value, 0.66, left=lefts[index], **look)
            lefts[index] += value
    words = [next((one.points[at].word for one in panel.series), "") for at in range(len(panel.ticks))]
    for index, (tick, total) in enumerate(zip(panel.ticks, lefts, strict=True)):
        if words[index]:
            mark_stack(axes, index, tick.colour, words[index])
            continue
        axes.annotate(
            three_digits(total), (total, index), (4, 0), textcoords="offset points", va="center", size=9.5
        )
    axes.set_yticks(range(len(panel.ticks)), [tick.label for tick in panel.ticks])
    axes.set_ylim(max(len(each.ticks) for each in picture.panels) - 0.5, -0.5)
    longest = max(
        sum(one.points[at].value or 0.0 for one in each.series)
        for each in picture.panels
        for at in range(len(each.ticks))
    )
    axes.set_xlim(0, longest * 1.14)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelbottom=True)
    axes.grid(axis="x")


def handle_of_bars(colour: str, place: int) -> Any:
    """A bar's mark in the legend."""
    from matplotlib.patches import Patch

    return Patch(**_paint(colour, place))


def handle_of_part(colour: str, place: int) -> Any:
    """A part's: whatever the implementation's colour, its hatch."""
    from matplotlib.patches import Patch

    return Patch(**_part_look(PART, place))


def text(axes: Axes, x: float, y: float, words: str, **look: Any) -> None:
    """Text that begins there, upwards."""
    axes.text(x, y, words, ha="center", va="bottom", **look)


def _paint(colour: str, place: int) -> dict[str, Any]:
    return {"facecolor": colour, "edgecolor": shade(colour), "linewidth": 0.9, "hatch": hatch_of(place)}


def _part_look(colour: str, place: int) -> dict[str, Any]:
    """Forward is plain, backward hatched, the optimizer on paper's own colour."""
    is_last = place == len(_PART_HATCHES) - 1
    return {
        "facecolor": PAPER if is_last else colour,
        "edgecolor": shade(colour) if colour else FAINT,
        "linewidth": 0.9,
        "hatch": _PART_HATCHES[place % len(_PART_HATCHES)],
    }


def figure_text(value: float, *, counts: bool) -> str:
    """A figure over a bar: "0.050", "0.47", "4.70", "4,226"; of counts "64"."""
    if counts or value >= 1000:
        return f"{value:,.0f}"
    return three_digits(value) if value >= 0.0995 else f"{value:#.2g}"


def _widest_in(panel: Panel) -> float:
    """The width of the widest figure over a panel's bars."""
    figures = (figure_text(value, counts=panel.counts) for value in panel.values())
    return max(map(_width_in, figures), default=0.0)


def _room_turned(panel: Panel) -> float:
    """The panel's height over that of its highest bar, where figures stand upright."""
    return max(1.3, 1 / (1 - (_widest_in(panel) + 0.12) / _HEIGHT_IN))


def _width_in(figure: str) -> float:
    return sum(_DIGIT_IN if letter.isdigit() else _POINT_IN for letter in figure)


def _broken(label: str) -> str:
    """ "forward+backward" in two lines."""
    return label.replace("+", "+\n")
