"""The lines above a sweep, painted."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from tui.app.pictures import sweep_head
from tui.app.widgets.painted import Painted


class SweepHead(Painted):
    """What is swept, what is shown, and how far it is."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._head = sweep_head.Head()

    def update(self, head: sweep_head.Head) -> None:
        """Show another state."""
        if head != self._head:
            self._head = head
            self.paint()

    def picture(self, width: int, height: int) -> Sequence[Text]:
        """Its lines."""
        return sweep_head.draw(self._head, width, look=self.look, glyphs=self.glyphs)

    def on_mount(self) -> None:
        """From here on there is room to paint."""
        self.paint()
