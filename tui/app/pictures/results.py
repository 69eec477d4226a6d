"""The results of one shape as lines of text: which columns there is room for, and how rows look in them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len, set_cell_size
from rich.style import Style
from rich.text import Text

from profiler.results import wording
from profiler.results.colours import colour_of
from profiler.units import ShapeColumns, count, plain_text
from tui.app.glyphs import Glyphs
from tui.app.metrics import BY_ID
from tui.app.pictures.look import PLAIN, Look
from tui.tables.columns import INTERVAL, Column, Line, columns_of, fit
from tui.tables.results import legend, not_shown

NAME = "implementation"
"""The key of the column with the names, by which lines can be sorted as by a metric's."""

_SWATCH = 2  # the implementation's colour, and a blank
_ONE_SHAPE = ShapeColumns((), {})  # nothing varies, so the shape has no columns
_ALWAYS_RANK = 1  # columns up to it, the passes among them, are worth more than long titles and margins


@dataclass(frozen=True)
class Layout:
    """The columns that fit into `width`, with `gap` blanks between them, for lines in the plan's order."""

    columns: tuple[Column, ...]
    possible: tuple[Column, ...]
    gap: int
    width: int
    one_line: bool
    """Whether titles take one line, in few words, or two with the unit beneath."""

    @classmethod
    def fitting(cls, lines: list[Line], width: int, glyphs: Glyphs, *, one_line: bool) -> Layout:
        """As many columns as there is room for; margins of speedups give way to the passes' times."""
        room = width - _SWATCH
        for short in (False, True):
            possible = [_drawn_with(glyphs, one) for one in columns_of(lines, _ONE_SHAPE, short=short)]
            if one_line:
                possible = [replace(column, title=column.brief) for column in possible]
            columns, gap = fit(possible, room)
            wanted = sum(column.rank <= _ALWAYS_RANK for column in possible)
            if len(columns) >= wanted and _taken(columns, gap) <= room:
                break
        return cls(tuple(columns), tuple(possible), gap, width, one_line)

    @property
    def header_height(self) -> int:
        return 1 if self.one_line else 2

    @property
    def keys(self) -> list[str]:
        """The columns that lines can be sorted by, from the left."""
        return [column.key for column in self.columns if column.key == NAME or column.key in BY_ID]

    def shows(self, key: str) -> bool:
        return any(column.key == key for column in self.columns)

    def explained(self, lines: list[Line], interval: str) -> list[str]:
        """What a reader needs to know of the columns, and which there was no room for."""
        said = legend(lines, self.columns) + not_shown(self.possible, self.columns)
        return [text.replace(INTERVAL, interval) for text in said]

    def key_at(self, x: int) -> str | None:
        """The column under cell `x` of a line, if lines can be sorted by it."""
        for start, column in self._places():
            if start - self.gap < x < start + column.width:
                return column.key if column.key in self.keys else None
        return None

    def header(self, sort: str | None, *, ascending: bool, glyphs: Glyphs, look: Look = PLAIN) -> list[Text]:
        """The titles, with an arrow at the column that lines are sorted by."""
        lines = []
        for index in range(self.header_height):
            text = Text(" " * self.width, no_wrap=True, end="", style=look.header)
            for start, column in self._places():
                title = column.title.split("\n")[index].replace(INTERVAL, glyphs.interval)
                chosen = column.key == sort
                if chosen and index == self.header_height - 1:
                    arrow = glyphs.up if ascending else glyphs.down
                    title = arrow + title if column.kind == "number" else f"{title} {arrow}"
                _put(text, start, column, title, look.chosen if chosen else Style.null())
            text.truncate(self.width)
            lines.append(text)
        return lines

    def row(
        self,
        index: int,
        line: Line,
        glyphs: Glyphs,
        look: Look = PLAIN,
        *,
        quiet: bool = False,
        cursor: Style | None = None,
    ) -> Text:
        """The line at `index` in the plan's order; `quiet` numbers are dim, as are those that still move.

        `cursor` is the style of the whole line if the cursor is on it.
        """
        head = line.headline
        quiet = quiet or head.status == "running"
        mark = glyphs.bar[-1] if cursor is None else glyphs.cursor
        swatch = Style(color=colour_of(head.implementation)) if cursor is None else Style.null()
        runs = [(mark, swatch)]
        at = 1
        for start, column in self._places():
            cell = column.cells[index]
            is_best = column.key == NAME and head.is_fastest
            style = look.fastest if is_best else look.of_column(str(cell.style))
            style = look.muted if quiet and style != look.bad else style
            shown = " " * (start - at) + _aligned(cell.plain, column, glyphs.ellipsis)
            if runs[-1][1] == style:  # most are plain; fewer runs are rendered sooner
                runs[-1] = (runs[-1][0] + shown, style)
            else:
                runs.append((shown, style))
            at = start + column.width
        text = Text.assemble(*runs, no_wrap=True, end="")
        text.truncate(self.width, pad=True)
        if cursor is not None:
            text.stylize_before(cursor)
        return text

    def _places(self) -> Iterator[tuple[int, Column]]:
        """Each column with the cell that it begins at."""
        at = _SWATCH
        for column in self.columns:
            yield at, column
            at += column.width + self.gap


def _drawn_with(glyphs: Glyphs, column: Column) -> Column:
    """The column with the glyphs' own sign for an interval in its cells."""
    if glyphs.interval == INTERVAL:
        return column
    cells = [Text(cell.plain.replace(INTERVAL, glyphs.interval), style=cell.style) for cell in column.cells]
    return replace(column, cells=cells)


def _taken(columns: Sequence[Column], gap: int) -> int:
    return sum(column.width for column in columns) + gap * (len(columns) - 1)


def _aligned(shown: str, column: Column, ellipsis: str) -> str:
    room = column.width - cell_len(shown)
    if room < 0:
        return set_cell_size(shown, column.width - 1) + ellipsis
    return " " * room + shown if column.kind == "number" else shown + " " * room


def _put(text: Text, start: int, column: Column, title: str, style: Style) -> None:
    """Write a title over the blanks of a header; one with an arrow may begin in the gap before it."""
    first = start + column.width - len(title) if column.kind == "number" else start
    plain = text.plain
    text.plain = plain[:first] + title + plain[first + len(title) :]
    text.stylize(style, first, first + len(title))


def remark(line: Line, baseline: str | None, *, graph: bool) -> str:
    """All there is to say of a line, in words: what became of it, and what it was measured under.

    With `graph` also its time as a CUDA graph, for where that has no column.
    """
    head = line.headline
    said = line.remarks(graph=graph)
    if head.status == "running":
        rounds = f", {count(head.device_ms.count, 'round')} so far" if head.device_ms else ""
        said.insert(0, f"running{rounds}")
    for name, share in head.conditions.items():
        effect = wording.condition_effect(name)
        said.append(wording.condition(name, [share]) + (f": {effect}" if effect else ""))
    if not said:
        said = ["speedups are over it"] if head.is_baseline else []
        said += [f"speedup over {plain_text(baseline)}"] if head.speedup and baseline else []
    return f"{wording.name_with_backend(head)}: {'; '.join(said) or 'nothing to remark'}"


def wrapped(text: str, width: int, most: int) -> list[str]:
    """`text` in lines of `width`, at most `most`; dots at the end of what was cut."""
    if width < 8 or most < 1:  # no room for a word and the dots
        return []
    return textwrap.wrap(text, width, max_lines=most, placeholder=" ...")
