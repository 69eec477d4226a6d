"""The chart of a sweep, below a line of selectors for what it shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.events import Blur, Click, Focus

from tui.app.metrics import METRICS
from tui.app.pictures import chart
from tui.app.pictures.chart import ChartData, Selection, Selector
from tui.app.widgets.painted import Painted

_GAP = 2


class Chart(Painted, can_focus=True):
    """Left and right go to a selector, up and down turn it. A picture is drawn anew only if it differs."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "go(-1)", "Selector", show=False, id="chart.left"),
        Binding("right", "go(1)", "Selector", show=False, id="chart.right"),
        Binding("up", "turn(-1)", "Before", show=False, id="chart.before"),
        Binding("down,enter", "turn(1)", "Turn", id="chart.next", tooltip="The selector's next value"),
    ]

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._data = ChartData(METRICS[0])
        self._selection = Selection()
        self._at = 0
        self._drawn: tuple[object, list[Text]] | None = None

    @property
    def selection(self) -> Selection:
        """What is drawn."""
        return self._selection

    @property
    def selectors(self) -> list[Selector]:
        """What can be turned now."""
        return chart.selectors(self._selection, self._data) if self._data.implementations else []

    def update(self, data: ChartData) -> None:
        """Show other figures, if they are others."""
        if data != self._data and data.implementations:
            self._data = data
            self._selection = chart.settled(self._selection, data)
            self.paint()

    def action_go(self, selectors: int) -> None:
        """To the selector before or after."""
        self._at = min(max(self._at + selectors, 0), max(0, len(self.selectors) - 1))
        self.paint()

    def action_turn(self, direction: int) -> None:
        """The next value of the selector under the cursor."""
        if self._at < len(self.selectors):
            self._turn(self.selectors[self._at], direction)

    def next_kind(self) -> None:
        """Lines, heat map, which is best, and again."""
        if self.selectors:
            self._turn(self.selectors[0], 1)

    def picture(self, width: int, height: int) -> Sequence[Text]:
        """The selectors, and the chart."""
        if not self._data.implementations:
            return []
        return [self._line(width), *self._chart(width, height - 1)]

    def on_click(self, event: Click) -> None:
        """A click on a selector turns it."""
        if event.y:
            return
        at = 0
        for index, selector in enumerate(self.selectors):
            end = at + len(_words(selector)) + _GAP
            if at <= event.x < end:
                self._at = index
                self._turn(selector, 1)
                return
            at = end

    def on_focus(self, event: Focus) -> None:
        """The selector under the cursor looks stronger with the focus."""
        self.paint()

    def on_blur(self, event: Blur) -> None:
        """And stands back without."""
        self.call_later(self.paint)

    def on_mount(self) -> None:
        """From here on there is room to paint."""
        self.paint()

    def _turn(self, selector: Selector, direction: int) -> None:
        at = selector.values.index(selector.value)
        value = selector.values[(at + direction) % len(selector.values)]
        self._selection = chart.settled(self._selection.with_value(selector.id, value), self._data)
        self._at = min(self._at, len(self.selectors) - 1)
        self.paint()

    def _line(self, width: int) -> Text:
        line = Text()
        for index, selector in enumerate(self.selectors):
            if selector.label:
                line.append(f"{selector.label} ", self.look.muted)
            is_here = index == self._at
            cursor = self.look.cursor if self.has_focus else self.look.cursor_away
            can_turn = len(selector.values) > 1
            style = self.look.value if can_turn else self.look.muted
            line.append(selector.shown, style + cursor if is_here else style)
            line.append(" " * _GAP)
        return line

    def _chart(self, width: int, height: int) -> list[Text]:
        """Drawn once for its figures, selection and size."""
        painted = self.app.console.color_system in ("256", "truecolor")
        key = (self._data, self._selection, width, height, painted, self.glyphs)
        if self._drawn is None or self._drawn[0] != key:
            text = chart.draw(self._data, self._selection, width, height, glyphs=self.glyphs, painted=painted)
            self._drawn = key, list(text.split("\n", allow_blank=True))
        return self._drawn[1]


def _words(selector: Selector) -> str:
    return f"{selector.label} {selector.shown}" if selector.label else selector.shown
