"""Tables as plain text for pipes: what rich would print there, which takes it a minute for 30,000 lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

_RULE = "─"


def as_text(part: RenderableType) -> str:
    """A table, or a group of it and what is said around it, as text; its lines are as long as they are."""
    if isinstance(part, Group):
        return "\n".join(map(as_text, part.renderables))
    lines = _lines_of(part) if isinstance(part, Table) else str(part).split("\n")
    return "\n".join(line.rstrip() for line in lines)


def _lines_of(table: Table) -> Iterator[str]:
    """A table of `empty_table`: title and caption are no wider than what is between them."""
    if not table.columns:
        return
    columns = [[str(column.header), *map(str, column.cells)] for column in table.columns]
    widths = [max(cell_len(part) for cell in column for part in cell.split("\n")) for column in columns]
    are_right = [column.justify == "right" for column in table.columns]
    between = " " * (1 + table.padding[1])  # the box has one
    width = sum(widths) + len(between) * (len(widths) - 1)

    def line(cells: Sequence[list[str]]) -> Iterator[str]:
        for parts in zip_longest(*cells, fillvalue=""):
            yield between.join(map(_padded, parts, widths, are_right))

    lines = zip(*columns, strict=True)
    yield from _wrapped(table.title, width)
    head = [title.split("\n") for title in next(lines)]
    height = max(map(len, head))
    yield from line([[""] * (height - len(title)) + title for title in head])  # titles stand on the rule
    yield _RULE * width
    for row, cells in zip(table.rows, lines, strict=True):
        yield from line([cell.split("\n") for cell in cells])
        if row.end_section:
            yield ""
    yield from _wrapped(table.caption, width)


def _padded(text: str, width: int, is_right: bool) -> str:
    text = text.rstrip()
    blanks = " " * (width - cell_len(text))
    return blanks + text if is_right else text + blanks


def _wrapped(text: object, width: int) -> list[str]:
    return [line.plain for line in Text(str(text)).wrap(Console(), width)] if text else []
