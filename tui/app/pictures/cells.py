"""The grid of a sweep: shapes down, implementations across, a figure or a word in each cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING

from profiler.results.colours import colour_of
from profiler.units import plain_text, shape_columns
from profiler.workload import Attention, Pass
from tui.app.glyphs import Glyphs
from tui.app.metrics import Metric
from tui.app.pictures.lines import mark_of
from tui.app.pictures.look import Look
from tui.app.sweep_state import Sweep
from tui.tables.columns import FASTEST, MUTED, SHORT_STATUS, STATUS_STYLE, Line

if TYPE_CHECKING:
    from rich.text import Text

HEADER_LINES = 2
_GAP = 2


@dataclass(frozen=True)
class Cell:
    """What stands in a cell, in which of the shared columns' styles, and the case it is about."""

    text: str
    style: str = ""
    case: int | None = None


@dataclass(frozen=True)
class Tail:
    """What is said of each row as a whole, behind the last column where there is room, below two titles."""

    titles: tuple[str, str]
    texts: tuple[str, ...]

    @cached_property
    def width(self) -> int:
        """Of the widest of them."""
        return max(map(len, (*self.titles, *self.texts)))


@dataclass(frozen=True)
class Grid:
    """The cells by row and column, with the values of the varying parameters before each row."""

    parameters: tuple[str, ...] = ()
    shapes: tuple[tuple[str, ...], ...] = ()
    implementations: tuple[str, ...] = ()
    cells: tuple[tuple[Cell, ...], ...] = ()
    baseline: str | None = None
    running: int | None = None
    """The row that is being measured."""
    captions: tuple[str, ...] = ()
    """What stands below the implementations' names where a cell has several figures."""
    tail: Tail | None = None
    wider: Grid | None = None
    """The same with more in its cells, for where there is room for all of it."""

    @cached_property
    def shape_widths(self) -> tuple[int, ...]:
        """Of the columns before the cells."""
        columns = zip(*self.shapes, strict=True)
        return tuple(
            max(map(len, (*name.split(" "), *values)))
            for name, values in zip(self.parameters, columns, strict=True)
        )

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """Of the implementations' columns."""
        columns = zip(*self.cells, strict=True)
        sign = 0 if self.captions else 2
        return tuple(
            max(len(first) + 2, len(second) + sign, *(len(cell.text) for cell in column))
            for (first, second), column in zip(map(self.title, self.implementations), columns, strict=True)
        )

    def title(self, implementation: str) -> tuple[str, str]:
        """The two lines above an implementation's column, but for its mark and the sign below it."""
        if not self.captions:
            return _name(implementation)
        sign = "= " if implementation == self.baseline else ""
        return sign + plain_text(implementation), self.captions[self.implementations.index(implementation)]


@dataclass(frozen=True)
class Window:
    """What of a grid is in view, and where its cursor is (row, column)."""

    first_row: int = 0
    first_column: int = 0
    cursor: tuple[int, int] = (0, 0)
    has_focus: bool = False


def grid_of(sweep: Sweep, metric: Metric, which: Pass, glyphs: Glyphs) -> Grid:
    """The sweep's `metric` in the pass `which`."""
    columns = shape_columns(sweep.shapes)
    return Grid(
        parameters=columns.varying,
        shapes=tuple(columns.cells(shape) for shape in sweep.shapes),
        implementations=sweep.implementations,
        cells=tuple(
            tuple(
                _cell(sweep, shape, of_pass(sweep.lines.get((shape, name)), which), metric, glyphs)
                for name in sweep.implementations
            )
            for shape in sweep.shapes
        ),
        baseline=sweep.baseline,
        running=sweep.shapes.index(sweep.running) if sweep.running in sweep.shapes else None,
    )


def of_pass(line: Line | None, which: Pass) -> Line | None:
    """The line as one pass sums it up; None where it lacks that pass."""
    return replace(line, headline=line.rows[which]) if line and which in line.rows else None


def _cell(sweep: Sweep, shape: Attention, line: Line | None, metric: Metric, glyphs: Glyphs) -> Cell:
    """A figure; the word for why there is none, or why it does not count.

    The fastest has a star whatever the metric; dots say that it is of the samples so far.
    """
    if line is None:
        return Cell(glyphs.missing, MUTED)
    row = metric.row(line) or line.headline
    value = metric.value(line)
    style, case = STATUS_STYLE[row.status], row.case
    shown = "-" if value is None else metric.show(value)
    if row.status == "ok":
        is_best = row.is_fastest and value is not None
        return Cell(f"{glyphs.fastest}{shown}", FASTEST, case) if is_best else Cell(shown, "", case)
    if row.status in ("running", "partial"):
        running = row.status == "running" and shape == sweep.running
        if value is None:
            return Cell(glyphs.ellipsis if running else "-", style, case)
        return Cell(f"{shown}{glyphs.ellipsis}", style, case)
    return Cell(SHORT_STATUS[row.status], style, case)


def _name(implementation: str) -> tuple[str, str]:
    """A name on two lines, parted at its first hyphen: ("sdpa-", "efficient")."""
    first, hyphen, second = plain_text(implementation).partition("-")
    return first + hyphen, second


def fitting(grid: Grid, width: int) -> Grid:
    """The grid, or where that fits as a whole its wider form."""
    wider = grid.wider
    if wider is None:
        return grid
    taken = _shapes_width(wider) + sum(size + _GAP for size in wider.widths)
    taken += _GAP + wider.tail.width if wider.tail else 0
    return wider if taken <= width else grid


def columns_in_view(grid: Grid, first: int, width: int) -> int:
    """How many of the implementations' columns fit from `first` on; one at least."""
    room = width - _shapes_width(grid)
    ends = accumulate(size + _GAP for size in grid.widths[first:])
    return max(1, sum(end <= room for end in ends))


def column_at(grid: Grid, first: int, x: int) -> int | None:
    """The column of cells at `x`, where the leftmost in view is `first`."""
    at = x - _shapes_width(grid)
    for index, end in enumerate(accumulate(size + _GAP for size in grid.widths[first:]), start=first):
        if 0 <= at < end:
            return index
    return None


def _shapes_width(grid: Grid) -> int:
    return 2 + sum(size + _GAP for size in grid.shape_widths) - _GAP


def draw(grid: Grid, window: Window, width: int, height: int, *, look: Look, glyphs: Glyphs) -> list[Text]:
    """Two lines of names, then the rows in view."""
    last = window.first_column + columns_in_view(grid, window.first_column, width)
    columns = range(window.first_column, min(last, len(grid.implementations)))
    rows = range(window.first_row, min(window.first_row + height - HEADER_LINES, len(grid.cells)))
    header = _header(grid, columns, look, glyphs)
    drawn = [_row(grid, row, columns, window, look, glyphs) for row in rows]
    if grid.tail and last >= len(grid.implementations):
        _append_tail(grid, grid.tail, rows, header, drawn, width, look)
    return [*header, *drawn]


def _append_tail(
    grid: Grid, tail: Tail, rows: Sequence[int], header: list[Text], drawn: list[Text], width: int, look: Look
) -> None:
    taken = max(line.cell_len for line in (*header, *drawn))
    if taken + _GAP + tail.width > width:
        return
    titles = [(title, look.muted) for title in tail.titles]
    texts = [(tail.texts[row], look.of_column("")) for row in rows]
    for line, (text, style) in zip((*header, *drawn), (*titles, *texts), strict=True):
        line.append(" " * (taken - line.cell_len + _GAP))
        line.append(f"{text:>{tail.width}}", style)


def _header(grid: Grid, columns: Sequence[int], look: Look, glyphs: Glyphs) -> list[Text]:
    """The parameters' names, and the implementations' with the marks that charts draw them with."""
    from rich.text import Text

    before = glyphs.left if columns and columns[0] else " "
    after = glyphs.right if columns and columns[-1] + 1 < len(grid.implementations) else ""
    top, bottom = Text(before + " "), Text("  ")
    parted = [name.rpartition(" ") for name in grid.parameters]
    for (first, _, second), size in zip(parted, grid.shape_widths, strict=True):
        top.append(f"{first:>{size}}" + " " * _GAP, look.muted)
        bottom.append(f"{second:>{size}}" + " " * _GAP, look.muted)
    top.right_crop(_GAP)
    bottom.right_crop(_GAP)
    for index in columns:
        name = grid.implementations[index]
        first, second = grid.title(name)
        size = grid.widths[index]
        ascii_only = glyphs.ellipsis.isascii()
        if name == grid.baseline and not grid.captions:
            second = f"{glyphs.baseline} {second}".rstrip()
        top.append(" " * (_GAP + size - len(first) - 2))
        top.append(mark_of(index, ascii_only=ascii_only), colour_of(name)).append(f" {first}", look.header)
        bottom.append(f"{second:>{_GAP + size}}", look.muted if grid.captions else look.header)
    top.append(f" {after}")
    return [top, bottom]


def _row(grid: Grid, row: int, columns: Sequence[int], window: Window, look: Look, glyphs: Glyphs) -> Text:
    from rich.text import Text

    line = Text(f"{glyphs.cursor if row == grid.running else ' '} ")
    sizes = zip(grid.shapes[row], grid.shape_widths, strict=True)
    line.append((" " * _GAP).join(f"{value:>{size}}" for value, size in sizes), look.header)
    for index in columns:
        cell = grid.cells[row][index]
        line.append(" " * (_GAP + grid.widths[index] - len(cell.text)))
        style = look.of_column(cell.style)
        if (row, index) == window.cursor:
            style += look.cursor if window.has_focus else look.cursor_away
        line.append(cell.text, style)
    return line
