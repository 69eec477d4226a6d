"""The line at the top: which device, which shape, and what is going on."""

from __future__ import annotations

from collections.abc import Sequence

from rich.style import Style
from rich.text import Text

from tui.app.widgets.painted import Painted


class StatusLine(Painted):
    """What is told on the left, what goes on at the right; the left gives way where room is short."""

    _left: Sequence[tuple[str, str]] = ()
    _right: tuple[str, str] = ("", "")

    def update(self, left: Sequence[tuple[str, str]], right: tuple[str, str]) -> None:
        """Show parts of (text, one of the look's names or "")."""
        if (tuple(left), right) != (self._left, self._right):
            self._left, self._right = tuple(left), right
            self.paint()

    def picture(self, width: int, height: int) -> list[Text]:
        """One line."""
        line = Text(no_wrap=True)
        for index, (text, style) in enumerate(self._left):
            line.append("  " if index else " ")
            line.append(text, style=self._styled(style))
        text, style = self._right[0].replace("±", self.glyphs.interval), self._right[1]
        room = max(width - len(text) - 2, 1)
        if line.cell_len > room:
            line.truncate(room - 1, overflow="crop")
            line.append(self.glyphs.ellipsis)
        line.append(" " * max(width - 1 - line.cell_len - len(text), 1))
        line.append(text, style=self._styled(style))
        return [line]

    def _styled(self, name: str) -> Style:
        return getattr(self.look, name) if name else Style.null()
