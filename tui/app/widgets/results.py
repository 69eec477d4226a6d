"""The results table: one row an implementation, sorted by the column chosen, with a cursor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.events import Click
from textual.message import Message

from profiler.results import wording
from profiler.units import count, plain_text
from tui.app.metrics import BY_ID, ranked
from tui.app.pictures.results import NAME, Layout, remark, wrapped
from tui.app.widgets.painted import PaintedRows
from tui.tables.columns import Line

_TALL = 14  # lines from which titles may have two
_SHARE_BELOW = 3  # of so many lines, one may be for what is said below the rows
_SPARE = 4  # lines left over from which the columns are explained


@dataclass(frozen=True)
class _Content:
    """What the table is told to show."""

    lines: tuple[Line, ...] = ()
    baseline: str | None = None
    note: str = ""
    filter: str = ""
    seen: bool = False


class ResultsTable(PaintedRows, can_focus=True):
    """The lines of one shape, as many columns as fit, and below them the remarks on the row under the cursor.

    The cursor stays on its implementation whatever the order, and through `update`.
    """

    class RowChosen(Message):
        """The cursor came to another implementation."""

        def __init__(self, implementation: str) -> None:
            super().__init__()
            self.implementation = implementation

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, ResultsTable.RowChosen)

    class Opened(Message):
        """The details of a case are asked for."""

        def __init__(self, case: int) -> None:
            super().__init__()
            self.case = case

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "Row", show=False, id="results.up", tooltip="The row above"),
        Binding("down", "move(1)", "Row", show=False, id="results.down", tooltip="The row below"),
        Binding("home", "move(-1000)", "First row", show=False, id="results.first"),
        Binding("end", "move(1000)", "Last row", show=False, id="results.last"),
        Binding(
            "left",
            "sort(-1)",
            "Sort",
            show=False,
            id="results.sort_left",
            tooltip="Sort by the column before",
        ),
        Binding(
            "right", "sort(1)", "Sort", show=False, id="results.sort_right", tooltip="Sort by the next column"
        ),
        Binding(
            "S",
            "reverse",
            "Reverse",
            show=False,
            id="results.reverse",
            tooltip="The worst first, or the best",
        ),
        Binding(
            "enter",
            "open",
            "Details",
            show=False,
            id="results.open",
            tooltip="The details of the row under the cursor",
        ),
    ]

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._content = _Content()
        self._fitted: Layout | None = None
        self._order: list[int] = []
        """The lines shown, from the top, by their places in the plan's order."""
        self._wanted: str | None = None
        self._sort: str | None = None
        self._worst_first = False
        self._in_view = range(0)
        """The rows that there is room for."""

    def update(
        self,
        lines: Sequence[Line],
        *,
        baseline: str | None,
        note: str = "",
        filter: str = "",
        seen: bool = False,
    ) -> None:
        """Show the lines of one shape, one an implementation, in the plan's order.

        `note` is said below the table. `filter` keeps the implementations with this text in their
        names. `seen` lines are those of an earlier measurement, and are dim until there are others.
        """
        content = _Content(tuple(lines), baseline, plain_text(note), filter, seen)
        if content != self._content:
            self._content, self._fitted = content, None
            self._arrange()

    @property
    def line(self) -> Line | None:
        """The line under the cursor."""
        cursor = self._cursor
        return None if cursor is None else self._content.lines[self._order[cursor]]

    @property
    def lines(self) -> list[Line]:
        """The lines that pass the filter, in the order shown."""
        return [self._content.lines[index] for index in self._order]

    @property
    def sort_key(self) -> str | None:
        """The metric's id, or "implementation"; None for the plan's order."""
        return self._sort

    def sort_by(self, key: str | None, *, worst_first: bool = False) -> None:
        """Order the rows, the best first unless asked otherwise; None is the plan's order."""
        self._sort, self._worst_first = key, worst_first
        self._arrange()

    def action_move(self, rows: int) -> None:
        """Move the cursor, as far as there are rows."""
        if self._order:
            self._choose(min(max((self._cursor or 0) + rows, 0), len(self._order) - 1))

    def action_sort(self, step: int) -> None:
        """Sort by the next column, or the one before; the plan's order is between the last and the first."""
        if self._fitted:
            keys = [None, *self._fitted.keys]
            place = keys.index(self._sort) if self._sort in keys else 0
            self.sort_by(keys[(place + step) % len(keys)])

    def action_reverse(self) -> None:
        """The worst first, or the best again; the plan's order has no reverse."""
        self.sort_by(self._sort, worst_first=not self._worst_first)

    def action_open(self) -> None:
        """Ask for the details of the row under the cursor."""
        if self.line:
            self.post_message(self.Opened(self.line.headline.case))

    def on_click(self, event: Click) -> None:
        """A title sorts, again in reverse, and once more in the plan's order; a row takes the cursor."""
        where = event.get_content_offset(self)
        if where is None or self._fitted is None:
            return
        row = self._in_view.start + where.y - self._fitted.header_height
        if where.y < self._fitted.header_height:
            self._sort_by_title(self._fitted.key_at(where.x))
        elif row in self._in_view:
            self._choose(row)
            if event.chain == 2:
                self.action_open()

    def _sort_by_title(self, key: str | None) -> None:
        if key is None:
            return
        if key != self._sort:
            self.sort_by(key)
        elif not self._worst_first:
            self.sort_by(key, worst_first=True)
        else:
            self.sort_by(None)

    def picture(self, width: int, height: int) -> list[Text]:
        """Titles, rows, and what is to be said of them."""
        if not self._order:
            return self._nothing(width)
        if self._fitted is None or (self._fitted.width, self._fitted.one_line) != (width, height < _TALL):
            self._fitted = Layout.fitting(
                list(self._content.lines), width, self.glyphs, one_line=height < _TALL
            )
        fitted = self._fitted
        below = self._below(fitted, height)
        self._scroll(max(height - fitted.header_height - len(below), 1))
        picture = fitted.header(self._sort, ascending=self._ascending, glyphs=self.glyphs, look=self.look)
        picture += [self._row(fitted, row) for row in self._in_view]
        if (spare := height - len(picture) - len(below)) > 0:
            below.insert(0, Text())
        if spare > _SPARE:
            explained = "; ".join(fitted.explained(list(self._content.lines), self.glyphs.interval))
            below += [Text(), *self._said(explained, width, spare - 2)]
        return picture + below

    def _nothing(self, width: int) -> list[Text]:
        """What stands in the place of rows."""
        content = self._content
        said = (
            f"No implementation here has '{plain_text(content.filter)}' in its name." if content.lines else ""
        )
        return [line for text in (content.note, said) for line in self._said(text, width, 3)]

    def _row(self, fitted: Layout, row: int) -> Text:
        index = self._order[row]
        under = (
            (self.look.cursor if self.has_focus else self.look.cursor_away) if row == self._cursor else None
        )
        line, quiet = self._content.lines[index], self._content.seen
        return fitted.row(index, line, self.glyphs, self.look, quiet=quiet, cursor=under)

    def _below(self, fitted: Layout, height: int) -> list[Text]:
        """The note, and the remarks on the row under the cursor, with how many rows are hidden."""
        most = max(1, height // _SHARE_BELOW)
        said = self._remarks(fitted, most, hidden=0)
        for _ in range(2):  # to say that rows are hidden may take the line of one more
            hidden = len(self._order) - (height - fitted.header_height - len(said))
            said = self._remarks(fitted, most, hidden=max(hidden, 0))
        return said

    def _remarks(self, fitted: Layout, most: int, *, hidden: int) -> list[Text]:
        content, line = self._content, self.line
        said = remark(line, content.baseline, graph=not fitted.shows("graph")) if line else ""
        if hidden:
            said = f"{count(hidden, 'more row')}; {said}"
        if content.note and most == 1:
            return self._said(f"{content.note}; {said}", fitted.width, 1)
        note = self._said(content.note, fitted.width, 1)
        return note + self._said(said, fitted.width, most - len(note), muted=False)

    def _said(self, text: str, width: int, most: int, *, muted: bool = True) -> list[Text]:
        style = self.look.muted if muted else Style.null()
        return [Text(line, style=style, end="") for line in wrapped(text, width, most)]

    def _scroll(self, rows: int) -> None:
        """Have `rows` rows in view, the cursor's among them."""
        cursor = self._cursor or 0
        first = min(max(self._in_view.start, cursor - rows + 1), cursor, max(len(self._order) - rows, 0))
        self._in_view = range(first, min(first + rows, len(self._order)))

    @property
    def _ascending(self) -> bool:
        lower_first = self._sort == NAME or (self._sort in BY_ID and BY_ID[self._sort].better == "lower")
        return lower_first != self._worst_first

    @property
    def _cursor(self) -> int | None:
        """The place of the cursor among the rows shown: at what was chosen, else the first."""
        names = [self._content.lines[index].headline.implementation for index in self._order]
        if self._wanted in names:
            return names.index(self._wanted)
        return 0 if names else None

    def _choose(self, row: int) -> None:
        implementation = self._content.lines[self._order[row]].headline.implementation
        if implementation != self._wanted:
            self._wanted = implementation
            self.post_message(self.RowChosen(implementation))
            self.paint()

    def _arrange(self) -> None:
        """Filter and sort."""
        lines = self._content.lines
        text = self._content.filter.casefold()
        kept = [line for line in lines if text in wording.name_with_backend(line.headline).casefold()]
        if self._sort == NAME:
            kept.sort(key=lambda line: line.headline.implementation, reverse=self._worst_first)
        elif self._sort is not None:
            kept = ranked(kept, BY_ID[self._sort], worst_first=self._worst_first)
        places = {id(line): place for place, line in enumerate(lines)}
        self._order = [places[id(line)] for line in kept]
        self.paint()
