"""The Bench: implementations and a shape to turn, and what that does to their times."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Footer

from impls import UnknownImplementation
from profiler.engine.catalog import together
from profiler.engine.control import Hello
from profiler.events import CatalogEntry
from profiler.results.rows import rows
from profiler.units import describe_shape
from profiler.workload import Attention
from tui.app.activity import NO_SHAPE, activity, has_no_shape, is_live, why_nothing
from tui.app.bench_driver import Stage
from tui.app.choice import Choice, device_info
from tui.app.metrics import BY_ID, METRICS, Metric
from tui.app.named import entry_named
from tui.app.snapping import snapped
from tui.app.view import View
from tui.app.widgets.bars import BarsPanel
from tui.app.widgets.picker import Picker
from tui.app.widgets.results import ResultsTable
from tui.app.widgets.status import StatusLine
from tui.app.widgets.telemetry import TelemetryPanel
from tui.tables.columns import Line, lines_of


class BenchScreen(Screen[None]):
    """One shape at a time. It posts what a person wants, and paints the view that it is shown."""

    AUTO_FOCUS = "Picker"

    class Wanted(Message):
        """A choice to measure now; `anew` even if it was measured before."""

        def __init__(self, choice: Choice, *, anew: bool = False) -> None:
            super().__init__()
            self.choice = choice
            self.anew = anew

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "app.focus_next", "Panel", show=False, id="bench.panel", tooltip="The other panel"),
        Binding("b", "baseline", "Baseline", id="bench.baseline", tooltip="Speedups over the row's"),
        Binding("r", "again", "Again", id="bench.again", tooltip="Measure this shape again"),
        Binding(
            "a,plus",
            "add",
            "Add",
            show=False,
            id="bench.add",
            tooltip="Another implementation: NAME+compile, FILE.py:FUNCTION",
        ),
        Binding("m", "metric(1)", "Bars", id="bench.metric", tooltip="The next metric of the bars"),
        Binding(
            "M", "metric(-1)", "Bars back", show=False, id="bench.metric_back", tooltip="The metric before"
        ),
        Binding(
            "s", "sort", "Sort", show=False, id="bench.sort", tooltip="Sort the table by its next column"
        ),
        Binding(
            "d",
            "details",
            "Details",
            show=False,
            id="bench.details",
            tooltip="All that is known of the row's case",
        ),
        Binding(
            "slash", "filter", "Filter", show=False, id="bench.filter", tooltip="Narrow the table by name"
        ),
    ]

    def __init__(self, choice: Choice, playable: tuple[Attention, ...] = ()) -> None:
        """Look at `choice` first; `playable` are the shapes that a demonstration has."""
        super().__init__()
        self._choice = choice
        self._playable = playable
        self._metric = 0
        self._filter = ""
        self._shown: View | None = None
        self._stage: Stage | None = None
        self._seen: Stage | None = None
        self._named: tuple[CatalogEntry, ...] = ()
        """Implementations beside those that the engine lists."""
        self._listed: tuple[Hello | None, tuple[CatalogEntry, ...]] = None, ()
        """What the picker was last told of."""

    def compose(self) -> ComposeResult:
        """Status above, picker and results side by side, bars and readings below."""
        yield StatusLine(id="status")
        with Horizontal(id="top"):
            yield Picker(self._choice, id="picker")
            yield ResultsTable(id="results")
        with Horizontal(id="below"):
            yield BarsPanel(id="bars")
            yield TelemetryPanel(id="telemetry")
        yield Footer(show_command_palette=False, compact=True)

    @property
    def choice(self) -> Choice:
        """What is looked at."""
        return self._choice

    def choose(self, choice: Choice) -> None:
        """Look at something else, as if it had been picked."""
        self._choice = choice
        self._update_picker()
        self._paint()

    def list_too(self, entries: Iterable[CatalogEntry]) -> None:
        """Have these in the list too."""
        self._named = together(self._named, entries)
        self._update_picker()

    def progress(self, stage: Stage | None, seen: Stage | None) -> None:
        """What of the choice is being measured, and how well it was known before."""
        self._stage, self._seen = stage, seen

    def show(self, view: View) -> None:
        """Paint a moment of the app."""
        self._shown = view
        listed = view.hello, self._catalog()
        if self._listed != listed:
            self._listed = listed
            self._update_picker()
        self._paint()

    def on_picker_changed(self, message: Picker.Changed) -> None:
        """Look at the new choice, and have it measured."""
        message.stop()
        if not self._is_measured_here and (shapes := self._recorded_shapes()):
            choice = snapped(self._choice, message.choice, shapes)
            if choice is None:
                self.app.bell()
                self.notify("the recording has nothing further that way", timeout=3)
            if choice != message.choice:
                self._choice = choice or self._choice
                self._update_picker()
                message = Picker.Changed(self._choice)
        self._choice = message.choice
        self._paint()  # what was seen before is there at once
        self.post_message(self.Wanted(message.choice))

    def action_baseline(self) -> None:
        """Compare with the implementation under the cursor."""
        name = self._under_cursor()
        if name is None:
            self.notify("put the cursor on an implementation first", severity="warning")
        elif name != self._choice.baseline:
            self.choose(self._choice.with_baseline(name))
            self.post_message(self.Wanted(self._choice))

    def action_again(self) -> None:
        """Measure this shape again."""
        self.post_message(self.Wanted(self._choice, anew=True))

    def action_add(self) -> None:
        """Ask for the name of an implementation that is not in the list, and have it measured."""
        from tui.app.screens.prompt import PromptScreen

        hello = self._shown.hello if self._shown else None
        if hello is None or not self._is_measured_here:
            self.notify("nothing is measured here that could be added to", severity="warning")
            return

        def why_not(text: str) -> str | None:
            if not text.strip():
                return "type a name; escape leaves"
            try:
                entry = entry_named(text.strip(), hello)
            except UnknownImplementation as error:
                return str(error)
            return f"it cannot run here: {entry.unavailable}" if entry.unavailable else None

        def add(text: str | None) -> None:
            if text is not None:
                self._add(entry_named(text.strip(), hello))

        prompt = PromptScreen(
            "Add an implementation by its name",
            hint="such as flash2+compile, flash2+deterministic or kernel.py:attention",
            check=why_not,
        )
        self.app.push_screen(prompt, add)

    def action_metric(self, step: int) -> None:
        """Show another metric in the bars: the next that anything has a value of."""
        lines = self._lines()
        for _ in METRICS:
            self._metric = (self._metric + step) % len(METRICS)
            if any(METRICS[self._metric].value(line) is not None for line in lines):
                break
        self._paint()

    def action_sort(self) -> None:
        """Sort the table by its next column."""
        self.query_one(ResultsTable).action_sort(1)

    def action_details(self) -> None:
        """Open the details of the row under the cursor."""
        name = self._under_cursor()
        line = next((line for line in self._lines() if line.headline.implementation == name), None)
        if line is None:
            line = self.query_one(ResultsTable).line
        if line is None:
            self.notify("nothing of this shape has been measured yet", severity="warning")
        else:
            self.post_message(ResultsTable.Opened(line.headline.case))

    def action_filter(self) -> None:
        """Narrow the table to names with a text in them."""
        from tui.app.screens.prompt import PromptScreen

        def narrow(text: str | None) -> None:
            if text is not None:
                self._filter = text.strip()
                self._paint()

        self.app.push_screen(
            PromptScreen("Filter implementations by name (empty: all)", self._filter), narrow
        )

    @property
    def _is_measured_here(self) -> bool:
        return self._shown is None or self._shown.mode == "live"

    def _recorded_shapes(self) -> tuple[Attention, ...]:
        """What a recording has, or what a demonstration can play."""
        if self._shown is not None and self._shown.mode == "demo":
            return self._playable
        return tuple(self._shown.recording.by_shape) if self._shown else ()

    def _under_cursor(self) -> str | None:
        """The implementation that the focused panel's cursor is on."""
        table = self.query_one(ResultsTable)
        if self.focused is table and table.line is not None:
            return table.line.headline.implementation
        return getattr(self.query_one(Picker).row, "name", None)

    def _bars(self) -> Metric:
        """The metric of the bars: as chosen, but of a pass that is measured."""
        metric, passes = METRICS[self._metric], self._choice.measured_passes
        return metric if metric.which is None or metric.which in passes else BY_ID[passes[-1]]

    def _add(self, entry: CatalogEntry) -> None:
        self.list_too((entry,))
        if entry.name not in self._choice.implementations:
            self.choose(self._choice.toggled(entry.name, [listed.name for listed in self._catalog()]))
            self.post_message(self.Wanted(self._choice))

    def _catalog(self) -> tuple[CatalogEntry, ...]:
        """What the engine lists and has told of since; where it measures, also what a person has named."""
        view = self._shown
        if view is None or view.hello is None:
            return ()
        told = view.recording.catalog.implementations if view.recording.catalog else ()
        return together(view.hello.catalog, self._named if self._is_measured_here else (), told)

    def _update_picker(self) -> None:
        hello = self._shown.hello if self._shown else None
        if hello is not None:
            self.query_one(Picker).update(self._choice, self._catalog(), device_info(hello))

    def _lines(self) -> list[Line]:
        """What is known of the choice: its implementations' rows of this shape."""
        if self._shown is None:
            return []
        recording = self._shown.recording.only(self._choice.workload())
        wanted = set(self._choice.implementations)
        found = rows(recording, self._choice.baseline)
        return lines_of(
            row for row in found if row.implementation in wanted and row.which in self._choice.measured_passes
        )

    def _paint(self) -> None:
        if self._shown is None or not self.is_mounted:
            return
        view, lines = self._shown, self._lines()
        self._show_picker(not has_no_shape(view))
        note = "" if lines else why_nothing(self._shown, self._choice)
        is_measuring = self._stage is not None
        self.query_one(ResultsTable).update(
            lines,
            baseline=self._choice.baseline,
            note=note,
            filter=self._filter,
            seen=is_measuring and self._stage == "quick" and bool(lines) and not is_live(lines),
        )
        self.query_one(BarsPanel).update(lines, self._bars())
        gpu = view.recording.header.environment.gpu if view.recording.header else None
        kind = view.hello.kind if view.hello else "cpu"
        telemetry = self.query_one(TelemetryPanel)
        telemetry.update(view.recording.telemetry, gpu or (view.hello.gpu if view.hello else None), kind)
        self._paint_status(view, lines)

    def _show_picker(self, shows: bool) -> None:
        """Where a recording has no shape there is none to be turned."""
        picker = self.query_one(Picker)
        if picker.display != shows:
            picker.display = shows
            (picker if shows else self.query_one(ResultsTable)).focus()

    def _paint_status(self, view: View, lines: list[Line]) -> None:
        device = _device(view.hello) if view.hello else "connecting"
        shape = NO_SHAPE if has_no_shape(view) else describe_shape(self._choice.workload())
        left = [(shape, "value"), (device, "")]
        self.query_one(StatusLine).update(left, activity(view, self._choice, lines, self._stage, self._seen))


def _device(hello: Hello) -> str:
    """Its name; that it is no GPU is said first, so that it is seen where names are cut."""
    return f"CPU: {hello.device_name}" if hello.kind == "cpu" else hello.device_name
