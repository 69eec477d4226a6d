"""A text of many lines that is moved through with keys and wheel, and says where in it one is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.events import MouseScrollDown, MouseScrollUp

from tui.app.pictures.look import Look
from tui.app.widgets.painted import Painted

Lines = Callable[[int], Sequence[Text]]
"""The lines for a width."""

_WHEEL = 3


class Pager(Painted, can_focus=True):
    """Shows the lines that `lines` makes for its width, below those of `head`, which stay.

    An arrow in the last column says where there are more. `show` is to be called whenever the
    lines may have changed; the place in the text stays.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "Line up", show=False, id="pager.up"),
        Binding("down", "move(1)", "Line down", show=False, id="pager.down"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="pager.page_up"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="pager.page_down"),
        Binding("home", "move(-1000000)", "To the top", show=False, id="pager.top"),
        Binding("end", "move(1000000)", "To the end", show=False, id="pager.end"),
    ]

    def __init__(self, lines: Lines, *, head: Lines | None = None, id: str | None = None) -> None:
        super().__init__(id=id)
        self._make = lines
        self._make_head = head
        self._first = 0
        self._made: tuple[int, Look, list[Text], list[Text]] | None = None
        """The head and the lines, with the width and the look that they were made for."""

    def show(self) -> None:
        """Make the lines anew, and paint what differs."""
        self._made = None
        self.paint()

    @property
    def first(self) -> int:
        """The line at the top, from 0."""
        return self._first

    def action_move(self, lines: int) -> None:
        """Move through the text, as far as there is any."""
        self._first += lines
        self.paint()

    def action_page(self, pages: int) -> None:
        """Move by what is in view, less a line to read on from."""
        self.action_move(pages * max(1, self.size.height - 1))

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        event.stop()
        self.action_move(-_WHEEL)

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        event.stop()
        self.action_move(_WHEEL)

    def picture(self, width: int, height: int) -> list[Text]:
        """The head, and the lines in view."""
        head, lines = self._lines(width - 2)
        room = max(height - len(head), 1)
        self._first = min(max(self._first, 0), max(len(lines) - room, 0))
        shown = lines[self._first : self._first + room]
        if self._first and shown:
            shown[0] = self._marked(shown[0], self.glyphs.up, width)
        if self._first + room < len(lines):
            shown[-1] = self._marked(shown[-1], self.glyphs.down, width)
        return head + shown

    def _lines(self, width: int) -> tuple[list[Text], list[Text]]:
        if self._made is None or self._made[:2] != (width, self.look):
            head = list(self._make_head(width)) if self._make_head else []
            self._made = width, self.look, head, list(self._make(width))
        return self._made[2:]

    def _marked(self, line: Text, arrow: str, width: int) -> Text:
        marked = Text.assemble(line)  # the line's own style ends with it
        marked.truncate(width - 2, pad=True)
        return marked.append(f" {arrow}", self.look.value)
