"""The study's table in the terminal: contexts down, implementations across, as wide as there is room for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from profiler.results.wording import ratio_and_margin
from profiler.training.rows import TrainingRow, TrainingStatus
from profiler.training.study import StudyCell, StudyRow, StudyTable
from profiler.training.wording import TRAINING_STATUS_WORDS, of_study_table, study_title, tokens_per_s
from profiler.units import plain_text
from tui.tables.columns import BAD, INTERVAL, MUTED, Column, fit
from tui.tables.results import empty_table

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

TRAINING_STATUS_STYLE: dict[TrainingStatus, str] = {
    **dict.fromkeys(("running", "partial", "pending", "unsupported"), MUTED),
    **dict.fromkeys(("wrong", "nan", "diverged", "error", "crashed", "timeout"), BAD),
}
# Where tokens/s would stand there is room for eight characters; the remarks say the rest.
_SHORT_STATUS: dict[TrainingStatus, str] = {
    **TRAINING_STATUS_WORDS,
    "unsupported": "n/a",
    "timeout": "timeout",
    "running": "...",
    "pending": "",
    "oom": "-",  # as the study has it: blank where it did not fit
}
_DIFFERENCE = "difference"
_BETWEEN = 2  # blanks between two implementations
_SHOWN_WITH_LESS = ((4, 2), (4, 1), (3, 2), (3, 1), (2, 1), (1, 1), (0, 1))
"""Which parts are tried, by the highest rank, and the blanks between them."""


@dataclass(frozen=True)
class _Part:
    """A figure of each row under its title; rank 0 always stays, the highest is the first to go."""

    title: str
    cells: list[Text]
    rank: int

    @property
    def width(self) -> int:
        return max(len(self.title), *(cell.cell_len for cell in self.cells))


@dataclass(frozen=True)
class _Group:
    """The parts that stand together under a name."""

    title: str
    parts: list[_Part]
    short_title: str = ""
    """For where not all of its parts are shown."""

    def shown(self, rank: int) -> _Group:
        kept = [part for part in self.parts if part.rank <= rank]
        title = self.title if len(kept) == len(self.parts) else self.short_title or self.title
        return replace(self, title=title, parts=kept)

    def width(self, gap: int) -> int:
        return max(len(self.title), sum(part.width for part in self.parts) + gap * (len(self.parts) - 1))


def study_table(
    table: StudyTable, rows: Mapping[tuple[int, str], TrainingRow], *, width: int | None, note: str = ""
) -> Table:
    """One of the study's tables in at most `width` columns (None: as many as they take).

    `rows` are its rows by context and implementation, for what is known before a result. Where room is short
    first the least important figures go, named below the table; then implementations stand below each other.
    `note` is a second line of the title.
    """
    groups = _groups(table, rows)
    for rank, gap in _SHOWN_WITH_LESS:
        shown = [kept for group in groups if (kept := group.shown(rank)).parts]
        taken = sum(group.width(gap) for group in shown) + _BETWEEN * (len(shown) - 1)
        if width is None or taken <= width:
            left_out = [part for group in groups for part in group.parts if part.rank > rank]
            return _across(table, shown, gap, left_out, note)
    return _down(table, rows, width, note)


def rows_of(table: StudyTable, rows: Iterable[TrainingRow]) -> dict[tuple[int, str], TrainingRow]:
    """Of some rows those that stand in that table, by context and implementation."""
    return {
        (row.training.context, row.implementation): row for row in rows if of_study_table(row.training, table)
    }


def _groups(table: StudyTable, rows: Mapping[tuple[int, str], TrainingRow]) -> list[_Group]:
    from rich.text import Text

    contexts = [Text(str(row.context)) for row in table.rows]
    groups = [_Group("", [_Part("context", contexts, 0)])]
    for name in table.implementations:
        cells = [row.cells.get(name, StudyCell("pending")) for row in table.rows]
        of_rows = [rows.get((row.context, name)) for row in table.rows]
        parts = [
            _Part("batch", [_batch(cell, row) for cell, row in zip(cells, of_rows, strict=True)], 0),
            _Part("tokens/s", [_throughput(cell, row) for cell, row in zip(cells, of_rows, strict=True)], 0),
        ]
        if name != table.baseline and table.baseline in table.implementations:
            ratios = [ratio_and_margin(cell.speedup) for cell in cells]
            parts.append(_Part("speedup", [Text(value) for value, _ in ratios], 0))
            if any(sure for _, sure in ratios):
                parts.append(_Part(INTERVAL, [Text(sure, style=MUTED) for _, sure in ratios], 4))
        groups.append(_Group(plain_text(name), parts))
    if table.compared is not None:
        one, other = map(plain_text, table.compared)
        groups.append(
            _Group(
                _DIFFERENCE if len(one) + len(other) > 20 else f"{one} - {other}",
                [
                    _Part("tokens/s", [_difference(row) for row in table.rows], 3),
                    _Part("%", [_percent(row) for row in table.rows], 2),
                ],
                short_title="diff.",
            )
        )
    return groups


def _batch(cell: StudyCell, row: TrainingRow | None) -> Text:
    from rich.text import Text

    if cell.batch is not None:
        return Text(str(cell.batch))
    running = row is not None and row.status == "running" and row.batch is not None
    return Text(str(row.batch) if row and running else "", style=MUTED)


def _throughput(cell: StudyCell, row: TrainingRow | None) -> Text:
    """Tokens/s, or the word for why there are none; one that the end of the session overtook has a dash."""
    from rich.text import Text

    if cell.tokens_per_s is not None:
        return Text(tokens_per_s(cell.tokens_per_s))
    style = TRAINING_STATUS_STYLE.get(cell.status, "")
    if row is not None and row.ended and cell.status in ("pending", "partial"):
        return Text("-" if row.tokens_per_s is None else TRAINING_STATUS_WORDS["partial"], style=style)
    return Text(_SHORT_STATUS[cell.status], style=style)


def _difference(row: StudyRow) -> Text:
    from rich.text import Text

    return Text("" if row.difference is None else f"{row.difference:+,.0f}")


def _percent(row: StudyRow) -> Text:
    from rich.text import Text

    return Text("" if row.difference_percent is None else f"{row.difference_percent:+.1f}")


def _across(table: StudyTable, groups: list[_Group], gap: int, left_out: list[_Part], note: str) -> Table:
    """A column of the table is a whole group, its parts within it."""
    from rich.text import Text

    names = {part.title if part.title == INTERVAL else f"{_DIFFERENCE} in {part.title}" for part in left_out}
    below = [f"not shown for want of width: {', '.join(sorted(names, reverse=True))}"] if names else []
    if table.compared and "%" in {part.title for part in groups[-1].parts}:
        below.append(f"difference in % of {plain_text(table.compared[0])}'s own tokens/s")
    made = empty_table((study_title(table), note), below, _BETWEEN)
    between = Text(" " * gap)
    for group in groups:
        titles = between.plain.join(part.title.rjust(part.width) for part in group.parts)
        width = group.width(gap)
        made.add_column(Text(f"{group.title:^{width}}".rstrip() + f"\n{titles:>{width}}"), no_wrap=True)
    for index in range(len(table.rows)):
        made.add_row(*(_line(group, index, between) for group in groups))
    return made


def _line(group: _Group, index: int, between: Text) -> Text:
    """The figures of one row, each below its title."""
    cells = []
    for part in group.parts:
        cell = part.cells[index].copy()
        cell.align("right", part.width)
        cells.append(cell)
    line = between.join(cells)
    line.align("right", group.width(len(between)))
    return line


def _down(
    table: StudyTable, rows: Mapping[tuple[int, str], TrainingRow], width: int | None, note: str
) -> Table:
    """A line for each context and implementation."""
    from rich.text import Text

    lines = [(row, name) for row in table.rows for name in table.implementations]
    cells = [row.cells.get(name, StudyCell("pending")) for row, name in lines]
    known = [rows.get((row.context, name)) for row, name in lines]
    ratios = [ratio_and_margin(cell.speedup) for cell in cells]
    first = table.implementations[0]
    contexts = [Text(str(row.context) if name == first else "") for row, name in lines]
    names = [Text(plain_text(name)) for _, name in lines]
    batches = [_batch(cell, row) for cell, row in zip(cells, known, strict=True)]
    rates = [_throughput(cell, row) for cell, row in zip(cells, known, strict=True)]
    columns, gap = fit(
        [
            Column("context", "context", contexts, 0),
            Column("implementation", "implementation", names, 0, kind="words"),
            Column("batch", "batch", batches, 0),
            Column("tokens/s", "tokens/s", rates, 0),
            Column("speedup", "speedup", [Text(value) for value, _ in ratios], 0),
            Column(INTERVAL, INTERVAL, [Text(sure, style=MUTED) for _, sure in ratios], 1),
        ],
        width,
    )
    made = empty_table((study_title(table), note), [], gap)
    for column in columns:
        made.add_column(
            Text(column.title), justify="right" if column.kind == "number" else "left", no_wrap=True
        )
    for index, (_, name) in enumerate(lines):
        if index and name == first and len(table.implementations) > 1:
            made.add_section()
        made.add_row(*(column.cells[index] for column in columns))
    return made
