"""The Sweep screen: choose axes and values, watch the grid fill, read it as lines or as a heat map."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Footer

from profiler.machine.environment import Device
from profiler.plans.plan import Plan
from profiler.units import count
from profiler.workload import Pass
from tui.app.choice import device_info
from tui.app.metrics import BY_ID, Metric, measured
from tui.app.pictures import lines, sweep_head
from tui.app.pictures.cells import grid_of, of_pass
from tui.app.pictures.chart import chart_data
from tui.app.screens.plan_screen import PlanScreen
from tui.app.sweep_choice import sweep_of
from tui.app.sweep_state import SweepState
from tui.app.widgets.axes import AxesForm
from tui.app.widgets.chart import Chart
from tui.app.widgets.grid import GridTable
from tui.app.widgets.sweep_head import SweepHead
from tui.tables.columns import SHORT_PASS

_WIDE = 150  # columns from which the grid and the chart stand side by side
_TIME = "time"


class SweepScreen(PlanScreen[SweepState]):
    """A sweep, as a grid and as a chart."""

    class Start(Message):
        """Measure this plan in place of what runs."""

        def __init__(self, plan: Plan) -> None:
            super().__init__()
            self.plan = plan

    class ResumeAsked(Message):
        """Measure what the sweep is missing. The next plan that runs is taken to be that."""

    class Opened(Message):
        """The details of a case are asked for."""

        def __init__(self, case: int) -> None:
            super().__init__()
            self.case = case

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "pause", "Pause", id="sweep.pause", tooltip="Begin no further shape, or go on"),
        Binding(
            "x",
            "skip",
            "Skip shape",
            show=False,
            id="sweep.skip",
            tooltip="Leave this shape, go on with the next",
        ),
        Binding("S", "stop", "Stop", id="sweep.stop", tooltip="Measure nothing more"),
        Binding("R", "resume", "Resume", id="sweep.resume", tooltip="Measure what is missing"),
        Binding("n", "new", "New", id="sweep.new", tooltip="Choose what to sweep"),
        Binding("c", "chart", "Chart", id="sweep.chart", tooltip="The chart, or the grid again"),
        Binding(
            "v", "kind", "Kind", show=False, id="sweep.kind", tooltip="Lines, heat map, or which is best"
        ),
        Binding("m", "metric", "Metric", show=False, id="sweep.metric", tooltip="The next metric"),
        Binding("w", "which", "Pass", show=False, id="sweep.pass", tooltip="Forward, backward, or both"),
        Binding("b", "baseline", "Baseline", show=False, id="sweep.baseline", tooltip="The cursor's column"),
        Binding("escape", "leave_form", "Back", show=False, id="sweep.back"),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(SweepState(), id=id)
        self.HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (_WIDE, "-wide")]
        self._metric = _TIME
        self._pass: Pass | None = None

    def compose(self) -> ComposeResult:
        yield SweepHead(id="head")
        yield AxesForm(id="axes")
        with Horizontal(id="body"):
            with Vertical(id="left"):
                yield GridTable(id="grid")
            with Vertical(id="right"):
                yield Chart(id="chart")
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """The first chart is not to wait for plotext, nor the keys for its import."""
        self.run_worker(asyncio.to_thread(lines.load), name="plotext", exit_on_error=False)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that have nothing to do now are not offered."""
        running, has_sweep = self._state.is_running, bool(self._state.sweep.shapes)
        offered = {
            "pause": running,
            "skip": running,
            "stop": running,
            "resume": self._is_left and not self._view.cannot_go_on,
            "new": self._can_measure and not self._shows_form,
            "chart": has_sweep and not self._shows_form,
            "kind": has_sweep and not self._shows_form,
            "metric": has_sweep and not self._shows_form,
            "which": has_sweep and not self._shows_form and len(self._state.sweep.passes) > 1,
            "baseline": has_sweep and not self._shows_form,
            "leave_form": has_sweep and self._shows_form,
        }
        return offered.get(action, True)

    def action_chart(self) -> None:
        """The chart where there was the grid, and back; side by side, the focus goes there."""
        at_chart = self.has_class("-chart") if self.has_class("-narrow") else self.query_one(Chart).has_focus
        self.set_class(not at_chart, "-chart")
        self.query_one(GridTable if at_chart else Chart).focus()

    def action_kind(self) -> None:
        """The next kind of chart, which is brought into view."""
        chart = self.query_one(Chart)
        self.add_class("-chart")
        chart.focus()
        chart.next_kind()

    def action_metric(self) -> None:
        """The next metric that something was measured of."""
        known = [_TIME, *(metric.id for metric in self._metrics())]
        at = known.index(self._metric) if self._metric in known else -1
        self._metric = known[(at + 1) % len(known)]
        self._paint(anew=True)

    def action_which(self) -> None:
        """The next pass."""
        passes = self._state.sweep.passes
        self._pass = passes[(passes.index(self._which) + 1) % len(passes)]
        self._paint(anew=True)

    def action_resume(self) -> None:
        self._state.expect()
        self.post_message(self.ResumeAsked())

    def on_axes_form_started(self, message: AxesForm.Started) -> None:
        """The form is done with."""
        message.stop()
        self._state.expect()
        self._in_form = False
        self.post_message(self.Start(message.plan))

    def on_grid_table_opened(self, message: GridTable.Opened) -> None:
        """A cell is to be seen in detail."""
        message.stop()
        self.post_message(self.Opened(message.case))

    @property
    def _is_left(self) -> bool:
        """Whether a sweep that is over has not come to everything."""
        resting = not self._state.is_running and self._view.mode in ("live", "recording")
        return resting and self._state.sweep.missing > 0

    @property
    def _shows_form(self) -> bool:
        return self._view.can_measure and (self._in_form or not self._state.sweep.shapes)

    @property
    def _which(self) -> Pass:
        """The pass that is shown: as chosen, else the last there is."""
        passes = self._state.sweep.passes
        return self._pass if self._pass in passes else passes[-1]

    @property
    def _shown(self) -> Metric:
        """The metric that is shown; times are of the pass that is shown."""
        return BY_ID[self._which if self._metric == _TIME else self._metric]

    def _metrics(self) -> list[Metric]:
        found = (of_pass(line, self._which) for line in self._state.sweep.lines.values())
        return [metric for metric in measured(filter(None, found)) if metric.which is None]

    def _fill(self) -> None:
        """Hand the form what was proposed; before there is a form, on_mount will."""
        hello = self._view.hello
        if hello is not None and self._proposed is not None:
            device = Device(hello.name, device_info(hello), hello.gpu)
            for form in self.query(AxesForm):
                form.update(sweep_of(self._proposed, hello.kind), device)

    def _paint(self, *, anew: bool) -> None:
        """Hand every part what it shows; the grid and the chart only where the sweep is another."""
        in_form = self._shows_form
        if self.has_class("-form") != in_form or self.focused is None:
            self.set_class(in_form, "-form")
            at_chart = self.has_class("-chart") and self.has_class("-narrow")
            self.query_one(AxesForm if in_form else Chart if at_chart else GridTable).focus()
            self.refresh_bindings()
        sweep, metric = self._state.sweep, self._shown
        self.query_one(SweepHead).update(self._head(metric))
        if anew and sweep.shapes:
            grid = self.query_one(GridTable)
            grid.update(grid_of(sweep, metric, self._which, grid.glyphs))
            self.query_one(Chart).update(chart_data(sweep, metric, self._which))
            self.refresh_bindings()

    def _head(self, metric: Metric) -> sweep_head.Head:
        if self._shows_form:
            running = self._state.is_running
            return sweep_head.Head(
                title="A new sweep",
                hint="enter types a value, left and right step, g starts",
                note="it takes the place of what is being measured" if running else "",
            )
        state, sweep = self._state, self._state.sweep
        note = ""
        if self._is_left:
            missing = count(sweep.missing, "case")
            note = f"{missing} not measured: {self._why_left or 'press R to measure what is missing'}"
        elif not sweep.shapes:
            note = "nothing was swept in this session"
        shown = metric.title if metric.which else f"{SHORT_PASS[self._which]} {metric.title}"
        return sweep_head.Head(
            title=sweep_head.caption(self._view, sweep),
            metric=shown if sweep.shapes else "",
            baseline=sweep.baseline or "",
            done=sweep.done,
            count=sweep.count,
            elapsed_s=int(state.pace.elapsed_s) if state.is_running else None,
            left_s=state.left_s() if state.is_running else None,
            is_running=state.is_running,
            paused=self._view.paused and state.is_running,
            preparing=state.is_running and not sweep.lines,
            note=note,
        )
