"""Which charts a training session has: throughput and the batch that fits by context, and a step's parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from profiler.export.charts.grid import in_grid
from profiler.export.charts.picture import Kind, Panel, Picture, Point, Series, Tick
from profiler.export.charts.wording import (
    described,
    marks_meaning,
    not_drawn,
    short_name,
    without_absent,
)
from profiler.results.axes import short_size
from profiler.results.colours import colour_of, places_of
from profiler.results.wording import NOT_MEASURED
from profiler.training.columns import training_columns
from profiler.training.rows import Parts, TrainingRow
from profiler.training.study import StudyTable, study_tables
from profiler.training.wording import (
    THROUGHPUT_AND_SPEEDUP,
    of_study_table,
    study_title,
    tokens_per_s,
    training_status_word,
)
from profiler.units import listed

_LEAST_SWEPT = 3  # contexts that lines are drawn over; fewer are groups of bars
_MOST_TABLES = 9
_MOST_STEP_PANELS = 6
_STEP_TOKENS = 1000
_STEP_TITLE = f"Time of {_STEP_TOKENS:,} tokens by the step's parts"

# Means of all steps have no interval: which is the fastest, as far as rounds tell, the advice says.
_ORDER_OF_MEANS = "the highest first, which does not tell them apart"

_PARTS: dict[str, str] = {"forward": "forward_ms", "backward": "backward_ms", "optimizer": "optimizer_ms"}


@dataclass(frozen=True)
class _Figure:
    label: str
    short: str
    unit: str
    better: str

    def show(self, value: float) -> str:
        return tokens_per_s(value) if self.unit == "tokens/s" else f"{value:.0f}"


_THROUGHPUT = _Figure("Training throughput", "throughput", "tokens/s", "higher")
_BATCH = _Figure("Batch that fits", "batch that fits", "sequences", "higher")


def training_pictures(rows: Sequence[TrainingRow], device: str) -> Iterator[Picture]:
    """Every chart of the trainings; none where none came to a figure."""
    if not any(row.status == "ok" for row in rows):
        return
    pictures = _Pictures(rows, device)
    yield from pictures.by_context()
    yield from pictures.steps()


class _Pictures:
    """Rows by the study's tables: a model trained in one way, by context."""

    def __init__(self, rows: Sequence[TrainingRow], device: str) -> None:
        self._rows = rows
        self._device = device
        self._names = list(dict.fromkeys(row.implementation for row in rows))
        self._places = places_of(self._names)
        self._tables = study_tables(rows)
        self._columns = training_columns(row.training for row in rows)
        base = next((row.implementation for row in rows if row.is_baseline), "")
        self._baseline = short_name(base) if len(self._names) > 1 else ""

    def by_context(self) -> Iterator[Picture]:
        """Throughput, and the batch where each had its own."""
        tables = self._tables[:_MOST_TABLES]
        order, columns = in_grid([self._told(table) for table in tables])
        tables = [tables[index] for index in order]
        throughput = [self._panel(table, _THROUGHPUT) for table in tables]
        batches = {(row.training.context, row.batch) for row in self._rows if row.batch is not None}
        if len(batches) == len({context for context, _ in batches}):  # all were asked for the same
            yield self._over_context("training-throughput", _THROUGHPUT, throughput, columns)
            return
        fits = [self._panel(table, _BATCH) for table in tables]
        if len(tables) == 1:
            yield self._over_context("training-throughput", _THROUGHPUT, [*throughput, *fits], 2)
            return
        yield self._over_context("training-throughput", _THROUGHPUT, throughput, columns)
        yield self._over_context("training-batch", _BATCH, fits, columns)

    def _panel(self, table: StudyTable, figure: _Figure) -> Panel:
        rows = {
            (row.training.context, row.implementation): row
            for row in self._rows
            if of_study_table(row.training, table)
        }
        contexts = [row.context for row in table.rows]
        ticks = tuple(Tick(short_size(str(context)), float(context)) for context in contexts)
        series = tuple(
            Series(
                short_name(name),
                colour_of(name),
                self._places[name],
                tuple(_point(rows.get((context, name)), figure) for context in contexts),
            )
            for name in self._names
            if name in table.implementations
        )
        title = self._title(table) if len(self._tables) > 1 else figure.short
        return Panel(title, ticks, series, figure.unit, counts=figure is _BATCH)

    def _title(self, table: StudyTable) -> str:
        return ", ".join(self._told(table).values()) or study_title(table)

    def _told(self, table: StudyTable) -> dict[str, str]:
        """What tells the table from the others."""
        training = next(row.training for row in self._rows if of_study_table(row.training, table))
        told = zip(self._columns.varying, self._columns.cells(training), strict=True)
        return {name: value for name, value in told if name != "context"}

    def _over_context(self, name: str, figure: _Figure, panels: Sequence[Panel], columns: int) -> Picture:
        is_swept = max(len(panel.ticks) for panel in panels) >= _LEAST_SWEPT
        kind: Kind = "lines" if is_swept else "bars"
        by = " by context" if max(len(panel.ticks) for panel in panels) > 1 else ""
        title = f"{figure.label}{by} on {self._device}"
        shown = without_absent(panels)
        more = len(self._tables) - _MOST_TABLES
        has_speedup = any(row.speedup for row in self._rows)
        # A batch that is beside its throughput lacks the same.
        missing = not_drawn(panels[: len(self._tables)], "context")
        return Picture(
            name=name,
            kind=kind,
            title=title,
            fixed=self._columns.caption(),
            alt=described(
                f"{kind.capitalize()}. {title}",
                shown[: len(self._tables)],
                "context",
                figure,
                missing,
                _ORDER_OF_MEANS if figure is _THROUGHPUT else "the largest first",
            ),
            x_label="context (tokens)",
            panels=shown,
            columns=columns,
            shares_scale=len({panel.y_label for panel in panels}) == 1,
            baseline=self._baseline,
            notes=(
                *filter(None, (marks_meaning(kind, shown),)),
                *missing,
                *((f"{more} more in the tables",) if more > 0 else ()),
            ),
            footnote=THROUGHPUT_AND_SPEEDUP if has_speedup and figure is _THROUGHPUT else "",
        )

    def steps(self) -> Iterator[Picture]:
        """What a step is made of: stacked bars, a panel a training."""
        trainings = list(dict.fromkeys(row.training for row in self._rows))
        panels, nothing = [], []
        for training in trainings:
            told = [row for row in self._rows if row.training == training and _is_of_steps(row)]
            title = self._columns.describe(training)
            if any(row.status == "ok" for row in told):
                panels.append(
                    Panel(title, tuple(map(_of_training, told, range(len(told)))), _parts(told), "ms")
                )
            elif told:
                nothing.append(title)
        if not panels:
            return
        title = f"{_STEP_TITLE} on {self._device}"
        more = len(panels) - _MOST_STEP_PANELS
        missing = (f"nothing finished: {listed(nothing)}",) if nothing else ()
        names = listed(list(dict.fromkeys(tick.label for panel in panels for tick in panel.ticks)), None)
        yield Picture(
            name="training-step",
            kind="stacks",
            title=title,
            fixed=self._columns.caption(),
            alt=" ".join([f"Stacked bars. {title}: {listed(list(_PARTS))}, of {names}.", *missing]),
            x_label=f"ms for {_STEP_TOKENS:,} tokens",
            panels=tuple(panels[:_MOST_STEP_PANELS]),
            columns=min(len(panels), 2),
            notes=(*missing, *((f"{more} more in the tables",) if more > 0 else ())),
        )


def _point(row: TrainingRow | None, figure: _Figure) -> Point:
    """As the study's tables have it: only what was measured to the end, and is right, has figures."""
    if row is None:
        return Point()
    if row.status == "pending":
        return Point(word=NOT_MEASURED)
    if row.status != "ok":
        return Point(word=training_status_word(row))
    if figure is _BATCH:
        return Point(float(row.batch)) if row.batch else Point()
    if row.tokens_per_s is None:
        return Point()
    return Point(row.tokens_per_s)  # of all steps: the median step's interval is none of it


def _is_of_steps(row: TrainingRow) -> bool:
    """Whether it has a place among the steps' parts: it has them, or was tried and does not."""
    return bool(row.parts) if row.status == "ok" else row.status not in ("pending", "running", "unsupported")


def _of_training(row: TrainingRow, place: int) -> Tick:
    return Tick(short_name(row.implementation), float(place), colour_of(row.implementation))


def _parts(told: Sequence[TrainingRow]) -> tuple[Series, ...]:
    """A series for each part of a step, with a point an implementation; batches differ, so a token counts."""

    def each(row: TrainingRow, parts: Parts | None, field: str) -> Point:
        if row.status != "ok":
            return Point(word=training_status_word(row))
        tokens = (row.batch or 1) * row.training.context
        return Point(getattr(parts, field) * _STEP_TOKENS / tokens)

    return tuple(
        Series(part, "", place, tuple(each(row, row.parts, field) for row in told))
        for place, (part, field) in enumerate(_PARTS.items())
    )
