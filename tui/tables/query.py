"""Selected rows as tables: one line a row with the columns asked for, or folded into two axes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from profiler.query.cells import TELLING, cells_of, figure_of, text, title
from profiler.query.fields import Entry, Field, QueryError, Value
from profiler.query.pivot import Pivot, PivotFields, open_fields
from profiler.workload import PASS_LABELS
from tui.tables.columns import FASTEST, MUTED, Column, fit
from tui.tables.results import filled, not_shown

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

MOST_TABLES = 12

_MOST_CELL = 60  # characters of a text that is shown beside others


def rows_table(
    fields: Sequence[Field[Entry]], entries: Sequence[Entry], caption: str, *, width: int | None
) -> RenderableType:
    """A line for each row, in the order given; what there is no room for is named below."""
    possible = [
        _column(field, entries, fields, 0 if field.column in TELLING else rank, width)
        for rank, field in enumerate(fields)
    ]
    shown, gap = fit(possible, width)
    if not any(column.title.strip().count("\n") for column in shown):  # no unit: titles of one line
        shown = [replace(column, title=column.title.strip()) for column in shown]
    below = not_shown(possible, shown)
    return filled(shown, caption, [f"{line}; a pipe has all" for line in below], gap, width)


def pivot_tables(
    fields: PivotFields[Entry],
    tables: Sequence[Pivot[Entry]],
    describe: Callable[[Pivot[Entry]], str],
    *,
    width: int | None,
) -> Iterator[RenderableType]:
    """Each table; one too wide for the screen goes on in further ones, of the columns that are left.

    Raises:
        QueryError: there are more of them than a person could look through.
    """
    check_number(fields, tables)
    name, unit = title(fields.value)
    for table in tables:
        heading = describe(table)
        measured = f"{name} ({unit})" if unit else name
        caption = "\n".join(filter(None, (heading, f"{measured} by {fields.across.name}")))
        yield from _across(fields, table, caption, width)


def check_number(fields: PivotFields[Entry], tables: Sequence[Pivot[Entry]]) -> None:
    """Refuse what would be too many tables, and say how they become fewer.

    Raises:
        QueryError: they are too many.
    """
    if len(tables) <= MOST_TABLES:
        return
    left = open_fields(tables)
    names = ", ".join(f"{name} ({number} values)" for name, number in left)
    down = ",".join(field.name for field in fields.rows)
    raise QueryError(
        f"that would be {len(tables)} tables, for {names} vary too: fix some with --where, or put them "
        f"among the rows: {down},{left[0][0]}:{fields.across.name}:{fields.value.name}"
    )


def _across(
    fields: PivotFields[Entry], table: Pivot[Entry], caption: str, width: int | None
) -> Iterator[RenderableType]:
    from rich.text import Text

    heads = [
        Column(field.name, field.name, [Text(text(field, row[index])) for row in table.rows], 0, _kind(field))
        for index, field in enumerate(fields.rows)
    ]
    left = [_pivot_column(fields, table, value) for value in table.across]
    while left:
        shown = list(left) if width is None else _that_fit(heads, left, width)
        rest = left[len(shown) :]
        below = (
            ["* fastest of its shape and pass, and what ties with it"] if _has_star(left) and not rest else []
        )
        yield filled([*heads, *shown], caption, below, 2, width)
        left, caption = rest, ""


def _that_fit(heads: Sequence[Column], columns: Sequence[Column], width: int) -> list[Column]:
    """The first columns for which there is room, at least one."""
    room = width - sum(column.width + 2 for column in heads)
    shown: list[Column] = []
    for column in columns:
        room -= column.width + (2 if shown else 0)
        if shown and room < 0:
            break
        shown.append(column)
    return shown


def _pivot_column(fields: PivotFields[Entry], table: Pivot[Entry], value: Value) -> Column:
    name = text(fields.across, value)
    if fields.across.kind in ("yes/no", "number"):
        name = f"{fields.across.name} {name}"
    cells = [_pivot_cell(fields.value, table.cells.get((row, value), ())) for row in table.rows]
    return Column(name, name, cells, 0, _kind(fields.value) if fields.value.unit else "number")


def _pivot_cell(field: Field[Entry], entries: Sequence[Entry]) -> Text:
    from rich.text import Text

    found = figure_of(field, entries)
    if field.unit == "ms" and any(entry.is_fastest(field.which) for entry in entries):
        return Text(f"*{found}", style=FASTEST)
    return Text(found, style="" if any(field.value(entry) is not None for entry in entries) else MUTED)


def _has_star(columns: Sequence[Column]) -> bool:
    return any(cell.plain.startswith("*") for column in columns for cell in column.cells)


def _column(
    field: Field[Entry],
    entries: Sequence[Entry],
    beside: Sequence[Field[Entry]],
    rank: int,
    width: int | None,
) -> Column:
    from rich.text import Text

    name, unit = title(field)
    texts = cells_of(field, entries, beside)
    if width is not None:
        texts = [each if len(each) <= _MOST_CELL else f"{each[: _MOST_CELL - 3]}..." for each in texts]
    stars = field.unit == "ms"
    cells = [
        Text(f"*{each}", style=FASTEST) if stars and _is_fastest(field, entry) else Text(each)
        for each, entry in zip(texts, entries, strict=True)
    ]
    return Column(name, f"{name}\n{unit}" if unit else f"\n{name}", cells, rank, _kind(field))


def _is_fastest(field: Field[Entry], entry: Entry) -> bool:
    """Whether the time is the one that a star is for: that of the call itself."""
    return (field.which is not None or field.column == "device_ms") and entry.is_fastest(field.which)


def _kind(field: Field[Entry]) -> Literal["number", "words"]:
    return "number" if field.kind == "number" else "words"


def apart_words(table: Pivot[Entry]) -> list[str]:
    """What sets a table apart beside shapes or models, which say so themselves: "forward", "flash2"."""
    return [
        next((label for name, label in PASS_LABELS.items() if name == value), text(field, value))
        for field, value in table.fixed
        if field.column in ("pass", "implementation")
    ]
