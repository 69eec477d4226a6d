"""The Train screen: choose models and contexts, watch the study's table fill, and each case's loss."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Footer

from profiler.machine.environment import Device
from profiler.results import wording
from profiler.training.model import Training
from profiler.training.plan import TrainingPlan
from profiler.training.wording import NOT_TOLD_APART
from profiler.units import count, plain_text
from tui.app.choice import device_info
from tui.app.pictures import sweep_head
from tui.app.pictures.sessions import short_device
from tui.app.pictures.study import Study, caption, study_grid, title
from tui.app.pictures.train_cases import Lines, case_line, summary
from tui.app.reproduce_training import training_command
from tui.app.screens.plan_screen import PlanScreen
from tui.app.train_choice import TrainChoice, train_of
from tui.app.train_state import TrainState, was_skipped
from tui.app.widgets.grid import GridTable
from tui.app.widgets.sweep_head import SweepHead
from tui.app.widgets.telemetry import TelemetryPanel
from tui.app.widgets.train import CasesPanel, TrainForm

_WIDE = 140  # columns from which the device's readings stand beside the cases


class TrainScreen(PlanScreen[TrainState]):
    """A training run, as the study has it."""

    class Start(Message):
        """Train this plan in place of what runs."""

        def __init__(self, plan: TrainingPlan) -> None:
            super().__init__()
            self.plan = plan

    class ResumeAsked(Message):
        """Train what the latest plan is missing."""

    class Opened(Message):
        """The details of a case are asked for."""

        def __init__(self, case: int) -> None:
            super().__init__()
            self.case = case

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "pause", "Pause", id="train.pause", tooltip="Begin no further row, or go on"),
        Binding(
            "x",
            "skip",
            "Skip row",
            id="train.skip",
            tooltip="Leave this row, all its implementations, and go on with the next; measured steps stay",
        ),
        Binding("S", "stop", "Stop", id="train.stop", tooltip="Train nothing more"),
        Binding("R", "resume", "Resume", id="train.resume", tooltip="Train what is missing"),
        Binding("n", "new", "New", id="train.new", tooltip="Choose what to train"),
        Binding(  # where the keys of a run take the footer's room
            "n",
            "new_instead",
            "New",
            show=False,
            id="train.new_instead",
            tooltip="Choose what to train in place of what runs",
        ),
        Binding(
            "d",
            "details",
            "Details",
            show=False,
            id="train.details",
            tooltip="All that is known of the cell's case",
        ),
        Binding(
            "b", "baseline", "Baseline", show=False, id="train.baseline", tooltip="Speedups over this column"
        ),
        Binding(
            "y",
            "copy",
            "Copy command",
            show=False,
            id="train.copy",
            tooltip="Copy the command that trains the same",
        ),
        Binding("escape", "leave_form", "Back", show=False, id="train.back"),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(TrainState(), id=id)
        self.HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (_WIDE, "-wide")]
        self._filled: tuple[TrainChoice, Device] | None = None
        """What the form was filled with; what a person changed in it since stays."""
        self._skipping: Training | None = None
        """The row that is to be left, until it is."""

    def compose(self) -> ComposeResult:
        """What is trained and how far it is, the form or the table, and below it the cases of a row."""
        yield SweepHead(id="head")
        yield TrainForm(id="form")
        yield GridTable(id="grid")
        with Horizontal(id="below"):
            yield CasesPanel(id="cases")
            yield TelemetryPanel(id="telemetry")
        yield Footer(show_command_palette=False, compact=True)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that have nothing to do now are not offered."""
        running, has_table = self._state.is_running, bool(self._state.study.trainings)
        offered = {
            "pause": running and self._view.can_measure and not self._shows_form,
            "skip": running and self._view.can_measure and not self._shows_form and self._has_next,
            "stop": running and self._view.can_measure,
            "resume": self._is_left and not self._view.cannot_go_on,
            "new": self._can_measure and not self._shows_form and not running,
            "new_instead": self._can_measure and not self._shows_form and running,
            "details": has_table and not self._shows_form,
            "baseline": has_table and not self._shows_form and len(self._state.study.implementations) > 1,
            "copy": self._shows_form or has_table,
            "leave_form": has_table and self._shows_form,
        }
        return offered.get(action, True)

    def action_new_instead(self) -> None:
        """The form, while something runs."""
        self.action_new()

    def action_skip(self) -> None:
        self._skipping = self._under_way
        self._paint(anew=False)
        super().action_skip()

    def action_resume(self) -> None:
        self.post_message(self.ResumeAsked())

    def action_details(self) -> None:
        """Open what is behind the cell under the cursor."""
        self.query_one(GridTable).action_open()

    def action_copy(self) -> None:
        """Send the command to the clipboard: that of the form, or of the whole table."""
        plan = self.query_one(TrainForm).plan if self._shows_form else self._plan
        if plan is None:
            self.notify("the form describes nothing that could be trained", severity="warning")
            return
        command = training_command(plan)
        self.app.copy_to_clipboard(command)
        self.notify(f"sent to the clipboard: {command}", markup=False)

    def on_train_form_started(self, message: TrainForm.Started) -> None:
        """The form is done with."""
        message.stop()
        self._in_form = False
        self.post_message(self.Start(message.plan))

    def on_grid_table_opened(self, message: GridTable.Opened) -> None:
        """A cell is to be seen in detail."""
        message.stop()
        self.post_message(self.Opened(message.case))

    def on_grid_table_moved(self, message: GridTable.Moved) -> None:
        """Below the table stand the cases of the cursor's row."""
        message.stop()
        self._paint_cases()

    @property
    def _plan(self) -> TrainingPlan | None:
        return self._view.recording.training_plan

    @property
    def _under_way(self) -> Training | None:
        """The row that is trained, as far as anything was heard of it."""
        running = self._state.study.running
        row = None if running is None else self._state.study.of_case(running)
        return row.training if row else None

    @property
    def _has_next(self) -> bool:
        """Whether there is a row to go on with: on the last one, to leave it is to stop."""
        plan = self._view.training
        return plan is None or self._under_way != plan.trainings[-1]

    @property
    def _is_left(self) -> bool:
        """Whether a run that is over has not come to everything."""
        resting = not self._state.is_running and self._view.mode in ("live", "recording")
        return resting and self._state.study.done < self._state.study.count

    @property
    def _shows_form(self) -> bool:
        return self._view.can_measure and (self._in_form or not self._state.study.trainings)

    def _fill(self) -> None:
        """Hand the form what was proposed, once; before there is a form, on_mount will."""
        hello = self._view.hello
        if hello is None or self._proposed is None:
            return
        runnable = [entry.name for entry in hello.catalog if entry.unavailable is None]
        device = Device(hello.name, device_info(hello), hello.gpu)
        filled = train_of(self._proposed, hello.kind, runnable), device
        if self._filled != filled:
            for form in self.query(TrainForm):
                form.update(*filled)
                self._filled = filled

    def _paint(self, *, anew: bool) -> None:
        """Hand every part what it shows; the table only where it is another."""
        if not self._state.is_running or self._under_way not in (None, self._skipping):
            self._skipping = None
        in_form = self._shows_form
        if self.has_class("-form") != in_form or self.focused is None:
            self.set_class(in_form, "-form")
            self.query_one(TrainForm if in_form else GridTable).focus()
            self.refresh_bindings()
        self.query_one(SweepHead).update(self._head())
        if anew and self._state.study.trainings:
            grid = self.query_one(GridTable)
            grid.update(study_grid(self._state.study, grid.glyphs))
            self.refresh_bindings()
        self._paint_cases()
        if not in_form:
            view = self._view
            gpu = view.recording.header.environment.gpu if view.recording.header else None
            kind = view.hello.kind if view.hello else "cpu"
            telemetry = self.query_one(TelemetryPanel)
            telemetry.update(view.recording.telemetry, gpu or (view.hello.gpu if view.hello else None), kind)

    def _paint_cases(self) -> None:
        """The cases of the row under way while the table follows it, else of the cursor's."""
        study, recording = self._state.study, self._view.recording
        grid = self.query_one(GridTable)
        if self._shows_form or grid.row >= len(study.trainings):
            return
        training = study.trainings[grid.row]
        lines = []
        for name in study.implementations:
            if row := study.row(training, name):
                record = recording.trainings.get(row.case)
                plan = recording.training_plans[record.plan_number] if record else self._plan
                skipped = row.status == "partial" and was_skipped(record, recording.trainings.values())
                lines.append(
                    case_line(row, record, plan, under_way=row.case == study.running, skipped=skipped)
                )
        under = study.row(training, grid.implementation or "")
        self.query_one(CasesPanel).update(
            Lines(
                title=title(training, study.trainings),
                cases=tuple(lines),
                said=summary(under, study.baseline) if under else "",
            )
        )

    def _head(self) -> sweep_head.Head:
        state, study = self._state, self._state.study
        if self._shows_form:
            return sweep_head.Head(
                title="A training run: GPT-2, with attention by each implementation",
                hint="left and right step, enter types a value, g starts, y copies the command",
                note="it takes the place of what is being measured" if state.is_running else "",
            )
        note = ""
        if self._is_left:
            missing = count(study.count - study.done, "case")
            note = f"{missing} not measured: {self._why_left or 'press R to train what is missing'}"
        elif not study.trainings:
            note = "nothing was trained in this session"
        return sweep_head.Head(
            title=self._caption(),
            hint=_legend(study),
            done=study.done,
            count=study.count,
            elapsed_s=int(state.elapsed_s) if state.is_running else None,
            left_s=state.left_s(self._view) if state.is_running else None,
            is_running=state.is_running,
            paused=self._view.paused and state.is_running,
            skipping=self._skipping is not None,
            preparing=state.is_running and not self._view.recording.trainings,
            note=note,
            unit="row",
        )

    def _caption(self) -> str:
        """On what, and what all rows have in common."""
        header, hello, plan = self._view.recording.header, self._view.hello, self._plan
        device = wording.device_name(header.environment) if header else ""
        if not device and hello:
            device = plain_text(hello.device_name)
        common = caption(self._state.study.trainings)
        batch = "" if plan is None or plan.batch is None else f"batch {plan.batch}"
        held = wording.held_to(plan).partition(" (")[0]
        rest = ", ".join(filter(None, (common, batch, held)))
        return ": ".join(filter(None, (short_device(device), rest)))


def _legend(study: Study) -> str:
    """How the cells are to be read; what explains the wide table alone comes last."""
    if study.baseline is None or len(study.implementations) == 1:
        return "batch, tokens/s   enter: details"
    said = f"batch, tokens/s, speedup over = {plain_text(study.baseline)} in the same rounds   enter: details"
    unsure = any(told.startswith(NOT_TOLD_APART) for told, _ in (study.differences or {}).values())
    return f"{said}   {NOT_TOLD_APART} not told apart" if unsure else said
