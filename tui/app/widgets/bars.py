"""The chosen metric of every implementation as bars."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from tui.app.metrics import METRICS, Metric
from tui.app.pictures.bars import Bar, bars_of, bars_picture
from tui.app.widgets.painted import Painted
from tui.tables.columns import Line


class BarsPanel(Painted):
    """Bars of one metric, the best first, in as many columns as its height needs."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._bars: list[Bar] = []
        self._metric = METRICS[0]

    def update(self, lines: Sequence[Line], metric: Metric) -> None:
        """Show a metric of the lines of one shape."""
        self._bars, self._metric = bars_of(lines, metric), metric
        self.paint()

    def picture(self, width: int, height: int) -> list[Text]:
        """The title and the bars."""
        return bars_picture(self._bars, self._metric, width, height, self.glyphs, self.look)
