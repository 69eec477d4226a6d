"""The grid of a sweep as it fills: it follows the row that is measured until the person looks elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.events import Blur, Click, Focus, MouseScrollDown, MouseScrollUp
from textual.message import Message

from tui.app.pictures import cells
from tui.app.pictures.cells import HEADER_LINES, Grid, Window
from tui.app.widgets.painted import Painted

_WHEEL_ROWS = 3


class GridTable(Painted, can_focus=True):
    """Shapes down, implementations across. The cursor is on a cell; what is behind it, enter opens."""

    class Opened(Message):
        """The details of a case are asked for."""

        def __init__(self, case: int) -> None:
            super().__init__()
            self.case = case

    class Moved(Message):
        """The cursor is on another cell."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1, 0)", "Up", show=False, id="grid.up"),
        Binding("down", "move(1, 0)", "Down", show=False, id="grid.down"),
        Binding("left", "move(0, -1)", "Left", show=False, id="grid.left"),
        Binding("right", "move(0, 1)", "Right", show=False, id="grid.right"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="grid.page_up"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="grid.page_down"),
        Binding("home", "move(-100000, 0)", "First", show=False, id="grid.first"),
        Binding("end", "move(100000, 0)", "Last", show=False, id="grid.last"),
        Binding("f", "follow", "Follow", show=False, id="grid.follow", tooltip="Back to what is measured"),
        Binding("enter", "open", "Details", show=False, id="grid.open", tooltip="The details of the cell"),
    ]

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._given = self._grid = Grid()
        self._window = Window()
        self._follows = True

    @property
    def implementation(self) -> str | None:
        """The one whose column the cursor is in."""
        column = self._window.cursor[1]
        names = self._grid.implementations
        return names[column] if column < len(names) else None

    @property
    def case(self) -> int | None:
        """The case that the cursor is on; None where none has begun."""
        row, column = self._window.cursor
        return self._grid.cells[row][column].case if self._has_cell(row, column) else None

    @property
    def row(self) -> int:
        """The row that the cursor is in."""
        return self._window.cursor[0]

    @property
    def follows(self) -> bool:
        """Whether the row that is measured is kept in view."""
        return self._follows

    def update(self, grid: Grid) -> None:
        """Show another state of the grid. A grid of other shapes starts at its top, and follows."""
        if grid.shapes != self._grid.shapes:
            self._window, self._follows = Window(has_focus=self.has_focus), True
        self._given = self._grid = grid
        self._settle()

    def picture(self, width: int, height: int) -> Sequence[Text]:
        """The names, and the rows in view."""
        return cells.draw(self._grid, self._window, width, height, look=self.look, glyphs=self.glyphs)

    def action_move(self, rows: int, columns: int) -> None:
        """Move the cursor; from now on the person decides what is in view."""
        row, column = self._window.cursor
        self._follows = False
        self._go_to(row + rows, column + columns)

    def action_page(self, direction: int) -> None:
        """A screenful up or down."""
        self.action_move(direction * max(1, self._room - 1), 0)

    def action_follow(self) -> None:
        """Keep the row that is measured in view again."""
        self._follows = True
        self._settle()

    def action_open(self) -> None:
        """Open what is behind the cell under the cursor, or say that there is nothing."""
        if self.case is not None:
            self.post_message(self.Opened(self.case))
        elif self._grid.cells:
            self.notify("nothing of this cell has been measured: there is no more to show", timeout=3)

    def on_click(self, event: Click) -> None:
        """A click brings the cursor to a cell; a second one opens it."""
        row = event.y - HEADER_LINES + self._window.first_row
        column = cells.column_at(self._grid, self._window.first_column, event.x)
        if event.y < HEADER_LINES or row >= len(self._grid.cells):
            return
        wanted = (row, self._window.cursor[1] if column is None else column)
        if wanted == self._window.cursor:
            self.action_open()
            return
        self._follows = False
        self._go_to(*wanted)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        """The wheel moves what is in view."""
        event.stop()
        self._scroll(-_WHEEL_ROWS)

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        """The wheel moves what is in view."""
        event.stop()
        self._scroll(_WHEEL_ROWS)

    def on_focus(self, event: Focus) -> None:
        """The cursor looks stronger with the focus."""
        self._window = replace(self._window, has_focus=True)
        self.paint()

    def on_blur(self, event: Blur) -> None:
        """The cursor stands back without the focus."""
        self._window = replace(self._window, has_focus=False)
        self.paint()

    def on_mount(self) -> None:
        """From here on there is room to paint."""
        self.paint()

    def paint(self) -> None:
        """Draw what is in view, which a change of size may move, and give more or less room."""
        self._grid = cells.fitting(self._given, self.size.width)
        self._window = self._in_view(self._window)
        super().paint()

    def _has_cell(self, row: int, column: int) -> bool:
        return row < len(self._grid.cells) and column < len(self._grid.implementations)

    @property
    def _room(self) -> int:
        return max(1, self.size.height - HEADER_LINES)

    def _scroll(self, rows: int) -> None:
        """Move what is in view, and the cursor with it where it would fall out."""
        self._follows = False
        last = max(0, len(self._grid.cells) - self._room)
        first = min(max(self._window.first_row + rows, 0), last)
        row, column = self._window.cursor
        row = min(max(row, first), first + self._room - 1)
        self._window = replace(self._window, first_row=first, cursor=(row, column))
        self.paint()

    def _settle(self) -> None:
        row, column = self._window.cursor
        if self._follows and self._grid.running is not None:
            row = self._grid.running
        self._go_to(row, column)

    def _go_to(self, row: int, column: int) -> None:
        row = min(max(row, 0), max(0, len(self._grid.cells) - 1))
        column = min(max(column, 0), max(0, len(self._grid.implementations) - 1))
        if (row, column) != self._window.cursor:
            self._window = replace(self._window, cursor=(row, column))
            self.post_message(self.Moved())
        self.paint()

    def _in_view(self, window: Window) -> Window:
        """The same window, moved as little as shows the cursor."""
        row, column = window.cursor
        first_row = min(max(window.first_row, row - self._room + 1), row)
        first_row = max(0, min(first_row, len(self._grid.cells) - self._room))
        first_column = min(window.first_column, column)
        while first_column < column and column >= first_column + cells.columns_in_view(
            self._grid, first_column, self.size.width
        ):
            first_column += 1
        return replace(window, first_row=first_row, first_column=first_column)
