"""The words of charts: names that fit, what is not drawn, and what a chart tells those who do not see it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from profiler.export.charts.missing import has_missing
from profiler.export.charts.picture import Kind, Panel, Series
from profiler.results.wording import STATUS_WORDS
from profiler.units import listed, plain_text

_NOT_TRIED = ("", STATUS_WORDS["unsupported"])
_LONGEST_NAME = 34
_MOST_TOLD = 4  # figures that an alternative text reads out
_ELLIPSIS = "…"


class Shown(Protocol):
    """What a text has to know of the figures in a chart."""

    @property
    def better(self) -> str: ...

    @property
    def show(self) -> Callable[[float], str]: ...


def marks_meaning(kind: Kind, panels: Sequence[Panel]) -> str:
    """What whiskers and hollow marks are, where there are any; "" where there is neither."""
    points = [point for panel in panels for point in panel.points()]
    parts = []
    if any(point.low is not None for point in points):
        where = ", where it is wider than the marker" if kind == "lines" else ""
        parts.append(f"whiskers: 95 % interval of the median{where}")
    if any(point.of_few for point in points):
        parts.append("hollow: under six rounds, no interval")
    if has_missing(panels):
        parts.append("crossed: no figure, the reason below")
    return "; ".join(parts)


def short_name(text: str, most: int = _LONGEST_NAME) -> str:
    """Text from a session that fits into a legend: cut in its middle, for ends tell variants apart."""
    text = plain_text(text)
    if len(text) <= most:
        return text
    tail = (most - 1) * 3 // 5
    return f"{text[: most - 1 - tail]}{_ELLIPSIS}{text[-tail:]}"


def without_absent(panels: Sequence[Panel]) -> tuple[Panel, ...]:
    """The panels without the implementations that could not be tried in any of them."""
    present = _present(panels)
    return tuple(
        replace(panel, series=tuple(one for one in panel.series if one.name in present)) for panel in panels
    )


def _present(panels: Sequence[Panel]) -> set[str]:
    return {
        one.name
        for panel in panels
        for one in panel.series
        if any(point.value is not None or point.word not in _NOT_TRIED for point in one.points)
    }


def bars_not_drawn(panels: Sequence[Panel]) -> tuple[str, ...]:
    """The same of bars, whose marks tell where: "OOM: pytorch (5 of 6 bars), sdpa-math"."""
    found: dict[str, dict[str, int]] = {}
    for panel in panels:
        for one in panel.series:
            for word in filter(None, (point.word for point in one.points)):
                of_word = found.setdefault(word, {})
                of_word[one.name] = of_word.get(one.name, 0) + 1
    bars = sum(len(panel.ticks) for panel in panels)
    return tuple(
        f"{word}: {', '.join(name + _of_all(number, bars) for name, number in of_word.items())}"
        for word, of_word in found.items()
    )


def _of_all(number: int, bars: int) -> str:
    return f" ({number} of {bars} bars)" if number < bars else ""


def not_drawn(panels: Sequence[Panel], axis: str) -> tuple[str, ...]:
    """Each word for why there is no figure, with what it is said of: "OOM: pytorch (seq 8k, 16k)"."""
    found: dict[str, dict[str, dict[str, list[str]]]] = {}
    for panel in panels:
        for one in panel.series:
            for tick, point in zip(panel.ticks, one.points, strict=True):
                if point.word:
                    of_name = found.setdefault(point.word, {}).setdefault(one.name, {})
                    of_name.setdefault(panel.title, []).append(tick.label)
    return tuple(
        f"{word}: {', '.join(name + _where(places, panels, axis) for name, places in of_word.items())}"
        for word, of_word in found.items()
    )


def _where(places: dict[str, list[str]], panels: Sequence[Panel], axis: str) -> str:
    """Where along the axis, and in how many panels: "" for everywhere, " (seq 16k in 4 of 6 panels)"."""
    labels = {panel.title: [tick.label for tick in panel.ticks] for panel in panels}
    if places == labels:
        return ""
    together: dict[str, int] = {}
    for title, at in places.items():
        told = "" if at == labels[title] else f"{axis} {_run(at, labels[title])}".strip()
        together[told] = together.get(told, 0) + 1
    parts = []
    for told, number in together.items():
        among = "" if number == len(panels) else f"in {number} of {len(panels)} panels"
        parts.append(f"{told} {among}".strip())
    return f" ({'; '.join(parts)})"


def _run(some: Sequence[str], labels: Sequence[str]) -> str:
    """Labels, or the ends of three and more that follow each other along an axis: "4k to 128k"."""
    first = labels.index(some[0])
    if len(some) > 2 and list(labels[first : first + len(some)]) == list(some):
        return f"{some[0]} to {some[-1]}"
    return ", ".join(some)


def described(
    what: str,
    panels: Sequence[Panel],
    axis: str,
    shown: Shown,
    missing: Sequence[str] = (),
    order: str = "the best first",
) -> str:
    """An alternative text: what is drawn, of whom, how those at the end compare, and what has no figure.

    `order` says what it means to be told first.
    """
    names = list(dict.fromkeys(one.name for panel in panels for one in panel.series))
    titles = [panel.title for panel in panels if panel.title]
    said = [f"{what}, of {listed(names, None)}"]
    if len(titles) > 1:
        said.append(f" in {len(titles)} panels: {'; '.join(titles)}")
    without = f" No figure: {'; '.join(missing)}." if missing else ""
    return f"{''.join(said)}.{_comparison(panels, axis, shown, order)}{without}"


def _comparison(panels: Sequence[Panel], axis: str, shown: Shown, order: str) -> str:
    """Those with a figure, the best first, at the last place that has figures."""
    for panel in reversed(panels):
        for index in reversed(range(len(panel.ticks))):
            if found := _ranked(panel.series, index, highest_first=shown.better == "higher"):
                at = f"{axis} {panel.ticks[index].label}".strip()
                told = ", ".join(f"{name} {shown.show(value)}" for name, value in found[:_MOST_TOLD])
                more = f" and {len(found) - _MOST_TOLD} more" if len(found) > _MOST_TOLD else ""
                where = ", ".join(filter(None, (panel.title, at)))
                return f" {where} ({panel.y_label}, {order}): {told}{more}."
    return ""


def _ranked(series: Sequence[Series], index: int, *, highest_first: bool) -> list[tuple[str, float]]:
    values = ((one.name, one.points[index].value) for one in series)
    known = [(name, value) for name, value in values if value is not None]
    return sorted(known, key=lambda pair: pair[1], reverse=highest_first)
