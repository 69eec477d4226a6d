"""Which picture of a sweep is drawn: lines over an axis or a heat map over two, and what else is fixed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from profiler.results.axes import Axes, axes_of
from profiler.results.colours import colour_of
from profiler.units import TEXT_PARAMETERS, plain_text
from profiler.workload import Attention, Pass
from tui.app.metrics import Metric
from tui.app.pictures import heat, lines, series
from tui.app.pictures.cells import of_pass
from tui.app.sweep_state import Sweep
from tui.tables.columns import SHORT_PASS, SHORT_STATUS

if TYPE_CHECKING:
    from rich.text import Text

    from tui.app.glyphs import Glyphs

Kind = Literal["lines", "heat", "fastest"]
KIND_LABELS: dict[Kind, str] = {"lines": "lines", "heat": "heat map", "fastest": "which is best"}


@dataclass(frozen=True)
class ChartData:
    """The figures of a sweep in one metric. Of finished cases only: it changes when a result lands."""

    metric: Metric
    title: str = ""
    axes: Axes = field(default_factory=lambda: axes_of(()))
    implementations: tuple[str, ...] = ()
    values: Mapping[tuple[Attention, str], float] = field(default_factory=lambda: MappingProxyType({}))
    words: Mapping[tuple[Attention, str], str] = field(default_factory=lambda: MappingProxyType({}))
    """Why a case has no figure, in a word."""


@dataclass(frozen=True)
class Selector:
    """One choice beside the chart: its name, the values it may have, and the one it has."""

    id: str
    label: str
    values: tuple[str, ...]
    value: str
    shown: str


@dataclass(frozen=True)
class Selection:
    """What is drawn. Names that the sweep has not are as if unset."""

    kind: Kind = "lines"
    over: str = ""
    down: str = ""
    implementation: str = ""
    fixed: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def with_value(self, id: str, value: str) -> Selection:
        """After a selector was turned."""
        if id.startswith("at "):
            return replace(self, fixed={**self.fixed, id.removeprefix("at "): value})
        return replace(self, **{id: value})  # type: ignore[arg-type]


def chart_data(sweep: Sweep, metric: Metric, which: Pass) -> ChartData:
    """The sweep's figures in a metric and a pass."""
    values: dict[tuple[Attention, str], float] = {}
    words: dict[tuple[Attention, str], str] = {}
    for key, whole in sweep.lines.items():
        line = of_pass(whole, which)
        row = metric.row(line) if line else None
        if line is None or row is None or row.status in ("running", "partial"):
            continue
        value = metric.value(line)
        if row.status == "ok" and value is not None:
            values[key] = value
        else:
            words[key] = SHORT_STATUS[row.status] if row.status != "ok" else "-"
    return ChartData(
        metric=metric,
        title=metric.title if metric.which else f"{SHORT_PASS[which]} {metric.title}",
        axes=axes_of(sweep.shapes),
        implementations=sweep.implementations,
        values=values,
        words=words,
    )


def kinds(data: ChartData) -> tuple[Kind, ...]:
    """The pictures that there can be: a heat map takes two axes."""
    return ("lines", "heat", "fastest") if len(data.axes.axes) > 1 else ("lines",)


def settled(selection: Selection, data: ChartData) -> Selection:
    """The selection with something in each place that the sweep has."""
    names = data.axes.longest()
    if not names:
        return replace(selection, kind="lines", over="", down="")
    over = selection.over if selection.over in names else names[0]
    others = [name for name in names if name != over]
    down = selection.down if selection.down in others else (others[0] if others else "")
    known = data.implementations
    usual = next((name for name in known if name != known[0]), known[0])
    fixed = {
        axis.name: value if (value := selection.fixed.get(axis.name, "")) in axis.values else axis.values[-1]
        for axis in data.axes.axes
    }
    return Selection(
        kind=selection.kind if selection.kind in kinds(data) else "lines",
        over=over,
        down=down,
        implementation=selection.implementation if selection.implementation in known else usual,
        fixed=fixed,
    )


def selectors(selection: Selection, data: ChartData) -> list[Selector]:
    """What may be turned in the picture selected, from left to right; where there is one value, nothing."""
    names, found = data.axes.names, []
    possible = kinds(data)
    found.append(Selector("kind", "", possible, selection.kind, KIND_LABELS[selection.kind]))
    if selection.kind == "heat":
        name = selection.implementation
        found.append(Selector("implementation", "of", data.implementations, name, plain_text(name)))
    found.append(Selector("over", "over", names, selection.over, selection.over))
    if selection.kind != "lines":
        others = tuple(name for name in names if name != selection.over)
        found.append(Selector("down", "and", others, selection.down, selection.down))
    used = {selection.over} | ({selection.down} if selection.kind != "lines" else set())
    for axis in data.axes.axes:
        if axis.name not in used:
            value = selection.fixed[axis.name]
            along = f" ({axis.along[value]})" if axis.along else ""
            name = "" if axis.name in TEXT_PARAMETERS else axis.name
            found.append(Selector(f"at {axis.name}", name, axis.values, value, axis.label(value) + along))
    return [selector for selector in found if selector.value]


def draw(
    data: ChartData,
    selection: Selection,
    width: int,
    height: int,
    *,
    glyphs: Glyphs,
    painted: bool = True,
) -> Text:
    """The picture selected; `selection` is to be settled."""
    from rich.text import Text

    if not selection.over:
        return Text("one shape only: a chart takes a parameter that varies", style="dim")
    if selection.kind == "lines":
        ascii_only = glyphs.ellipsis.isascii()
        return lines.draw(_line_chart(data, selection), width, height, ascii_only=ascii_only)
    return heat.draw(_heat_map(data, selection), width, height, shades=glyphs.shades, painted=painted)


def _line_chart(data: ChartData, selection: Selection) -> lines.LineChart:
    axis = data.axes[selection.over]
    found = series.curves(data.values, data.axes, selection.over, selection.fixed)
    words = series.curves(data.words, data.axes, selection.over, selection.fixed)
    return lines.LineChart(
        curves=tuple(
            lines.Curve(
                plain_text(name),
                colour_of(name),
                tuple(found[name]),
                place,
                _end(found[name], words.get(name)),
            )
            for place, name in enumerate(data.implementations)
            if name in found
        ),
        ticks=axis.ticks(),
        title=f"{data.title} over {_with_together(data.axes, (selection.over,))}",
    )


def _end(points: list[tuple[float, float]], words: list[tuple[float, str]] | None) -> str:
    """Why a curve goes no further."""
    return next((word for place, word in words or () if place > points[-1][0] and word != "-"), "")


def _with_together(axes: Axes, names: tuple[str, ...]) -> str:
    """Axes by name, with the parameters that go along: "seq (batch with it)"."""
    return " and ".join(
        f"{name} ({', '.join(axes[name].together)} with it)" if axes[name].together else name
        for name in names
    )


def _heat_map(data: ChartData, selection: Selection) -> heat.HeatMap:
    across, down = data.axes[selection.over], data.axes[selection.down]
    tiles = _best_tiles(data, selection) if selection.kind == "fastest" else _value_tiles(data, selection)
    what = "best" if selection.kind == "fastest" else plain_text(selection.implementation)
    return heat.HeatMap(
        title=f"{what}: {data.title} over {_with_together(data.axes, (across.name, down.name))}",
        down=down.name,
        across=across.name,
        rows=tuple(map(down.label, down.values)),
        columns=tuple(map(across.label, across.values)),
        tiles={(down.label(y), across.label(x)): tile for (y, x), tile in tiles.items()},
    )


def _value_tiles(data: ChartData, selection: Selection) -> dict[tuple[str, str], heat.Tile]:
    place = (selection.down, selection.over, selection.fixed, selection.implementation)
    found = series.table(data.values, data.axes, *place)
    level = heat.levels(found, data.metric.better)
    tiles = {at: heat.Tile(data.metric.show(value), level[at]) for at, value in found.items()}
    words = series.table(data.words, data.axes, *place)
    return {at: heat.Tile(word) for at, word in words.items()} | tiles


def _best_tiles(data: ChartData, selection: Selection) -> dict[tuple[str, str], heat.Tile]:
    found = series.winners(
        data.values, data.axes, selection.down, selection.over, selection.fixed, data.metric.better
    )
    return {
        at: heat.Tile(plain_text(name), colour=colour_of(name), note=data.metric.show(value))
        for at, (name, value) in found.items()
    }
