"""A comparison as lines of text: what differs around it, its tables, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from rich.style import Style
from rich.text import Text

from profiler.compare import Comparison, Line
from profiler.compare import wording as words
from profiler.compare.surroundings import Difference
from tui.app.glyphs import Glyphs
from tui.app.pictures.case_facts import wrapped
from tui.app.pictures.look import Look
from tui.tables.columns import Column
from tui.tables.compare import below, has_groups, legend
from tui.tables.compare_columns import caption, columns_of, fitting

_GAP = 2
_MOST_NAMED = 4


@dataclass(frozen=True)
class Titles:
    """A table's titles, the line in which they stand, and the one after the table's last."""

    lines: tuple[Text, ...]
    first: int
    end: int


@dataclass
class Page:
    """Lines to move through, and what of them is needed where those above are out of view.

    `titles` should stay in view while their table does. `whole` are lines by their numbers with what the
    line above says already, the shape and the implementation, which is left out in `lines`.
    """

    lines: list[Text] = field(default_factory=list)
    titles: list[Titles] = field(default_factory=list)
    whole: dict[int, Text] = field(default_factory=dict)


def head(comparison: Comparison, width: int, look: Look) -> list[Text]:
    """The sessions with their letters, what came of it, and what differs around them."""
    lines = []
    for (letter, name), ending in zip(words.titles(comparison), comparison.endings, strict=True):
        line = Text.assemble((letter, look.value), "  ", name, no_wrap=True)
        line.truncate(width, overflow="ellipsis")
        lines += [line, *(wrapped(Text(f"   {ending}", look.warning), width) if ending else ())]
    for summary in words.summaries(comparison):
        lines += wrapped(Text(summary, look.value), width)
    if differences := comparison.surroundings.differences:
        lines += wrapped(Text(f"what differs, at the end: {_listed(differences)}", look.muted), width)
    return [*lines, Text()]


def _listed(differences: Sequence[Difference]) -> str:
    """The first few by their names."""
    more = len(differences) - _MOST_NAMED
    names = ", ".join(difference.name for difference in differences[:_MOST_NAMED])
    return f"{names} and {more} more" if more > 0 else names


def page(comparison: Comparison, width: int, look: Look, glyphs: Glyphs) -> Page:
    """All the rest."""
    found = Page()
    for lines in (comparison.of_attention, comparison.of_training):
        if lines:
            _add_table(found, comparison, lines, width, look, glyphs)
    for text in below(comparison, most=None)[: -(len(comparison.names) - 1)]:  # the summaries are in the head
        found.lines += wrapped(Text(text), width)
    found.lines += [Text(), *_surroundings(comparison, width, look)]
    return found


def _add_table(
    to: Page, comparison: Comparison, lines: Sequence[Line], width: int, look: Look, glyphs: Glyphs
) -> None:
    possible = columns_of(comparison, lines)
    columns, gap = fitting(possible, width)
    to.lines += wrapped(Text(caption(lines), look.value), width)
    titles = tuple(_titles(columns, gap, look, glyphs))
    first = len(to.lines)
    filled = _filled(columns)
    to.lines += titles
    for index, line in enumerate(lines):
        if index and has_groups(lines) and line.case.subject != lines[index - 1].case.subject:
            to.lines.append(Text())
        to.whole[len(to.lines)] = _line(columns, _cells(filled, index, look), gap, glyphs)
        to.lines.append(_line(columns, _cells(columns, index, look), gap, glyphs))
    to.titles.append(Titles(titles, first, len(to.lines)))
    to.lines.append(Text())
    for said in legend(comparison, lines, possible, columns):
        to.lines += wrapped(Text(said, look.muted), width)
    to.lines.append(Text())


def _cells(columns: Sequence[Column], index: int, look: Look) -> list[tuple[str, Style]]:
    cells = [column.cells[index] for column in columns]
    return [(cell.plain, look.of_column(str(cell.style))) for cell in cells]


def _filled(columns: Sequence[Column]) -> list[Column]:
    """The same with what tells the cases, down to their implementation, in every line."""
    names = next(place for place, column in enumerate(columns) if column.key == "implementation")
    return [_filled_down(column) if place <= names else column for place, column in enumerate(columns)]


def _filled_down(column: Column) -> Column:
    above, cells = Text(), []
    for cell in column.cells:
        above = cell if cell.plain else above
        cells.append(above)
    return replace(column, cells=cells)


def _titles(columns: Sequence[Column], gap: int, look: Look, glyphs: Glyphs) -> Iterator[Text]:
    """One line or two, as the titles have."""
    titles = [column.title.split("\n") for column in columns]
    for place in (0, 1):
        cells = [(title[place] if place < len(title) else "", look.header) for title in titles]
        if any(text for text, _ in cells):
            yield _line(columns, cells, gap, glyphs)


def _line(columns: Sequence[Column], cells: Sequence[tuple[str, Style]], gap: int, glyphs: Glyphs) -> Text:
    line = Text(no_wrap=True)
    for column, (shown, style) in zip(columns, cells, strict=True):
        cell = Text(shown, style)
        if cell.cell_len > column.width:
            cell.truncate(column.width - 1)
            cell.append(glyphs.ellipsis)
        room = " " * (column.width - cell.cell_len)
        parts = (room, cell) if column.kind == "number" else (cell, room)
        line.append_text(Text.assemble(*parts)).append(" " * gap)
    line.right_crop(gap)
    return line


def _surroundings(comparison: Comparison, width: int, look: Look) -> Iterator[Text]:
    """What differs around the sessions, a fact a line with what each has of it, and what is the same."""
    differences = comparison.surroundings.differences
    if differences:
        names = max(len("what differs"), *(len(difference.name) for difference in differences))
        columns = len(comparison.names)
        room = max(6, (width - names - _GAP * columns) // columns)
        rows = [
            ("what differs", tuple(comparison.letters)),
            *((each.name, each.values) for each in differences),
        ]
        taken = [min(room, max(len(values[index] or "-") for _, values in rows)) for index in range(columns)]
        for place, (name, values) in enumerate(rows):
            cells = [wrapped(Text(value or "-"), taken[index]) for index, value in enumerate(values)]
            for row in range(max(map(len, cells))):
                parts = [Text(f"{name if row == 0 else '':<{names}}", look.muted)]
                for index, cell in enumerate(cells):
                    shown = cell[row].copy() if row < len(cell) else Text()
                    shown.pad_right(taken[index] - shown.cell_len)
                    parts += [Text(" " * _GAP), shown]
                line = Text.assemble(*parts, no_wrap=True)
                if place == 0:
                    line.stylize(look.header)
                yield line
    if same := words.same_words(comparison):
        yield from wrapped(Text(f"the same: {same}", look.muted), width)
