"""Which charts a session of attention shapes has: bars a pass of few shapes, lines over a swept axis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

from profiler.export.charts.figures import MEMORY, RATE, TIME, Figure
from profiler.export.charts.grid import in_grid
from profiler.export.charts.picture import Panel, Picture, Scale, Series, Tick
from profiler.export.charts.wording import (
    bars_not_drawn,
    described,
    marks_meaning,
    not_drawn,
    short_name,
    without_absent,
)
from profiler.results.axes import Axis, axes_of
from profiler.results.colours import colour_of, places_of
from profiler.results.rows import Row
from profiler.units import TEXT_PARAMETERS, shape_columns
from profiler.workload import PASS_LABELS, PASSES, Attention, Pass

_MOST_BARRED = 6  # shapes; of more there are lines only, where an axis is swept
_MOST_BARS = 72  # bars of all panels, likewise
_MOST_PANELS = 12
_MOST_TOGETHER = 6  # panels of all passes in one picture; where there are more each pass has its own
_LEAST_SWEPT = 3  # values of an axis that lines are drawn over though there are bars too
_WIDE = 6  # implementations; the bars of more have a row for themselves
_SPREADS = {"tflops": 500.0, "memory": 30.0}  # greatest over least figure: beyond it small ones are flat

_UNITS = {"seq": "tokens", "seq q": "queries", "seq k": "keys", "batch": "sequences", "window": "keys"}


def attention_pictures(all_rows: Sequence[Row], baseline: str | None, device: str) -> Iterator[Picture]:
    """Every chart of the shapes; none where nothing was measured."""
    if not all_rows:
        return
    pictures = _Pictures(all_rows, baseline, device)
    for picture in (*pictures.bars(), *pictures.lines()):
        if any(True for panel in picture.panels for _ in panel.values()):
            yield picture


class _Pictures:
    """The rows by shape, implementation and pass, and what varies between the shapes."""

    def __init__(self, all_rows: Sequence[Row], baseline: str | None, device: str) -> None:
        self._rows = {(row.workload, row.implementation, row.which): row for row in all_rows}
        self._shapes = list(dict.fromkeys(row.workload for row in all_rows))
        self._names = list(dict.fromkeys(row.implementation for row in all_rows))
        self._places = places_of(self._names)
        self._passes = [which for which in PASSES if any(row.which == which for row in all_rows)]
        self._columns = shape_columns(self._shapes)
        self._axes = axes_of(self._shapes)
        self._swept = next(
            (axis for name in self._axes.longest() if (axis := self._axes[name]).is_numeric), None
        )
        self._baseline = short_name(baseline) if baseline and len(self._names) > 1 else ""
        self._device = device

    @property
    def _is_barred(self) -> bool:
        bars = len(self._shapes) * len(self._names) * len(self._passes)
        return self._swept is None or (len(self._shapes) <= _MOST_BARRED and bars <= _MOST_BARS)

    def bars(self) -> Iterator[Picture]:
        """Time and memory, a panel a shape and a group a pass; where shapes are few, or nothing is swept."""
        shapes = self._shapes
        if not self._is_barred:
            return
        if len(shapes) == 1 and len(self._names) <= _WIDE:
            panels = [self._barred(shapes[0], TIME, "time"), self._barred(shapes[0], MEMORY, "memory")]
            yield self._of_bars("attention-bars", "Time, and memory above the inputs", TIME, panels, 2)
            return
        order, columns = in_grid([self._axes.at(shape) for shape in shapes[:_MOST_PANELS]])
        for figure in (TIME, MEMORY):
            panels = [
                self._barred(shapes[index], figure, self._columns.describe(shapes[index])) for index in order
            ]
            yield self._of_bars(f"attention-{figure.id}", figure.label, figure, panels, columns)

    def lines(self) -> Iterator[Picture]:
        """Throughput over the swept axis, a panel a pass and what else varies; so memory, of one pass."""
        axis = self._swept
        if axis is None or (self._is_barred and len(axis.values) < _LEAST_SWEPT):
            return
        others = self._others(axis)
        # A few queries against a long cache wait for memory: their throughput says little.
        figure = TIME if all(shape.decode for shape in self._shapes) else RATE
        name, title = f"{figure.id}-by-{axis.name.replace(' ', '-')}", f"{figure.label} over {axis.name}"
        if len(others) * len(self._passes) <= _MOST_TOGETHER:
            order, columns = in_grid([fixed for fixed, _ in others])
            if len(self._passes) > 1:  # what goes across are they
                order, columns = list(range(len(others))), len(self._passes)
            together = [
                self._lined(axis, fixed, ", ".join(filter(None, (PASS_LABELS[which], told))), which, figure)
                for (fixed, told), which in product([others[index] for index in order], self._passes)
            ]
            yield self._of_lines(f"attention-{name}", title, figure, axis, together, columns)
        else:
            for which in self._passes:
                yield self._one_pass(name, title, figure, axis, which, others)
        if not self._is_barred:
            title = f"{MEMORY.label} over {axis.name}"
            name = f"{MEMORY.id}-by-{axis.name.replace(' ', '-')}"
            yield self._one_pass(name, title, MEMORY, axis, self._passes[-1], others)

    def _one_pass(
        self,
        name: str,
        title: str,
        figure: Figure,
        axis: Axis,
        which: Pass,
        others: Sequence[tuple[dict[str, str], str]],
    ) -> Picture:
        order, columns = in_grid([fixed for fixed, _ in others[:_MOST_PANELS]])
        panels = [self._lined(axis, *others[index], which, figure) for index in order]
        if len(self._passes) > 1:
            name, title = f"{name}-{which.replace('_', '-')}", f"{title}, {PASS_LABELS[which]}"
        return self._of_lines(f"attention-{name}", title, figure, axis, panels, columns)

    def _others(self, axis: Axis) -> list[tuple[dict[str, str], str]]:
        """What the other axes are fixed to together, and how that is told; where `axis` has two values."""
        found: dict[tuple[tuple[str, str], ...], int] = {}
        for shape in self._shapes:
            key = tuple((name, value) for name, value in self._axes.at(shape).items() if name != axis.name)
            found[key] = found.get(key, 0) + 1
        return [(dict(key), self._told(dict(key))) for key, number in found.items() if number > 1]

    def _told(self, fixed: dict[str, str]) -> str:
        parts = []
        for name, value in fixed.items():
            axis = self._axes[name]
            label = "not causal" if (name, value) == ("causal", "no") else axis.label(value)
            along = f" ({axis.along[value]})" if value in axis.along else ""
            parts.append(f"{label if name in TEXT_PARAMETERS else f'{name} {label}'}{along}")
        return ", ".join(parts)

    def _barred(self, shape: Attention, figure: Figure, title: str) -> Panel:
        ticks = tuple(Tick(PASS_LABELS[which], float(at)) for at, which in enumerate(self._passes))
        some = [[self._rows.get((shape, name, which)) for which in self._passes] for name in self._names]
        return Panel(title, ticks, self._series(some, figure), figure.unit)

    def _lined(self, axis: Axis, fixed: dict[str, str], title: str, which: Pass, figure: Figure) -> Panel:
        shape_at = {
            at[axis.name]: shape for shape in self._shapes if (at := self._axes.at(shape)) | fixed == at
        }
        values = [value for value in axis.values if value in shape_at]
        ticks = tuple(Tick(axis.label(value), axis.place(value)) for value in values)
        some = [[self._rows.get((shape_at[value], name, which)) for value in values] for name in self._names]
        return Panel(title, ticks, self._series(some, figure), figure.unit)

    def _series(self, some: Sequence[Sequence[Row | None]], figure: Figure) -> tuple[Series, ...]:
        return tuple(
            Series(short_name(name), colour_of(name), self._places[name], tuple(map(figure.point, of_name)))
            for name, of_name in zip(self._names, some, strict=True)
        )

    def _of_bars(
        self, name: str, title: str, figure: Figure, panels: Sequence[Panel], columns: int
    ) -> Picture:
        title = f"{title}: attention on {self._device}"
        shown, missing = (
            without_absent(panels),
            bars_not_drawn(panels[:1] if len(self._shapes) == 1 else panels),
        )
        more = len(self._shapes) - len(panels) if len(self._shapes) > 1 else 0
        return Picture(
            name=name,
            kind="bars",
            title=title,
            fixed=self._columns.caption(),
            alt=described(f"Bars. {title}", shown, "", figure, missing),
            x_label="",
            panels=shown,
            columns=1 if len(self._names) > _WIDE else columns,
            baseline=self._baseline,
            notes=(*missing, *_left_out(more, "shape")),
            footnote=marks_meaning("bars", shown),
        )

    def _of_lines(
        self,
        name: str,
        title: str,
        figure: Figure,
        axis: Axis,
        panels: Sequence[Panel],
        columns: int,
    ) -> Picture:
        title = f"{title}: attention on {self._device}"
        shown, missing = without_absent(panels), not_drawn(panels, axis.name)
        drawn = sum(len(panel.ticks) for panel in panels)
        more = max(0, len(self._shapes) - drawn)
        return Picture(
            name=name,
            kind="lines",
            title=title,
            fixed=", ".join(filter(None, (self._columns.caption(), _along(axis)))),
            alt=described(f"Lines. {title}", shown, axis.name, figure, missing),
            x_label=_axis_label(axis),
            panels=shown,
            columns=columns,
            scale=_scale(shown, figure),
            shares_scale=True,
            baseline=self._baseline,
            notes=(*missing, *_left_out(more, "shape")),
            footnote=marks_meaning("lines", shown),
        )


def _axis_label(axis: Axis) -> str:
    """An axis with its unit: "seq (tokens)"."""
    return f"{axis.name} ({_UNITS[axis.name]})" if axis.name in _UNITS else axis.name


def _along(axis: Axis) -> str:
    """What goes along with an axis: "batch 32 to batch 1 as seq grows"; "" for nothing."""
    along = [axis.along[value] for value in axis.values if value in axis.along]
    return f"{along[0]} to {along[-1]} as {axis.name} grows" if along else ""


def _scale(panels: Sequence[Panel], figure: Figure) -> Scale:
    """Times and memory grow with powers of the axis: what matters at its short end would be flat."""
    values = [value for panel in panels for value in panel.values()]
    if not values or min(values) <= 0:
        return "linear"
    return "log" if max(values) / min(values) > _SPREADS.get(figure.id, 1.0) else "linear"


def _left_out(number: int, noun: str) -> tuple[str, ...]:
    if number < 1:
        return ()
    return (f"{number} more {noun if number == 1 else f'{noun}s'} in the tables",)
