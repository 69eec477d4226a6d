"""The device's clocks, power, temperature, memory and utilization, as they go."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from profiler.events import Gpu, Telemetry
from tui.app.pictures.telemetry import telemetry_picture
from tui.app.widgets.painted import Painted


class TelemetryPanel(Painted):
    """Sparklines with current values and limits, and in words what holds the clocks back."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._telemetry: Sequence[Telemetry] = ()
        self._gpu: Gpu | None = None
        self._kind = "cuda"

    def update(self, telemetry: Sequence[Telemetry], gpu: Gpu | None, kind: str) -> None:
        """Show the newest of the readings, which are in order of time. `kind` is "cuda" or "cpu"."""
        self._telemetry, self._gpu, self._kind = telemetry, gpu, kind
        self.paint()

    def picture(self, width: int, height: int) -> list[Text]:
        """The quantities, and the conditions in words."""
        return telemetry_picture(
            self._telemetry, self._gpu, self._kind, width, height, self.glyphs, self.look
        )
