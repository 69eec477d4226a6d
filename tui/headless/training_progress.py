"""How a training run is shown while it goes on: the study's table filling up, plain lines, or nothing."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from profiler.events import BatchTried, Event, Log, Steps, TrainingFailure, TrainingResult, TrainingStarted
from profiler.machine.environment import Device
from profiler.results import wording
from profiler.session.recording import Recording
from profiler.training.columns import training_columns
from profiler.training.pace import left_s, takes_long
from profiler.training.plan import TrainingPlan
from profiler.training.recording import TrainingRecord
from profiler.training.rows import training_rows
from profiler.training.study import StudyTable, study_tables
from profiler.training.wording import loss, of_study_table, tokens_per_s, tried
from profiler.units import count, plain_text
from tui.app.glyphs import ASCII, UNICODE
from tui.app.pictures.sparkline import sparkline
from tui.headless.progress import LineProgress, LiveDisplay, Progress
from tui.tables import training as training_tables
from tui.tables.details import details
from tui.tables.study import study_table

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

# Heading, status, what is being done, its curves, a blank; a table's title, header, rule and legend.
_LINES_ABOVE = 6
_LINES_BESIDE_ROWS = 9
_CURVE = 20
_WORTH_A_LINE_S = 60
_BETWEEN_CURVES = "   "
_FIGURE = 8  # of a loss, or of tokens/s
_TRIED = 4  # batches that are named of those that were tried


class TrainingLines(LineProgress):
    """One line for each result and failure as it lands, and the tables at the end."""

    def __init__(self, plan: TrainingPlan, device: Device) -> None:
        super().__init__(plan, "\n".join(filter(None, (_heading(plan, device), takes_long(plan)))))
        self._columns = training_columns(plan.trainings)
        self._has_estimated = False

    def hear(self, event: Event) -> None:
        """Print what is worth a line."""
        super().hear(event)
        match event:
            case Steps() if not self._has_estimated:
                self._has_estimated = True
                if (_left_s(self.recording) or 0) >= _WORTH_A_LINE_S:
                    self.say(self.status())
            case TrainingResult() | TrainingFailure():
                for row in training_rows(self.recording):
                    if row.case == event.case:
                        self.say_failure(training_tables.training_line(row, self._columns))
            case TrainingStarted():
                self.say_status()
            case Log() if event.level != "info":
                self.say(f"{event.level}: {plain_text(event.message)}")

    def left_s(self, elapsed_s: float) -> float | None:
        """How long the rest may take, judged by the steps so far."""
        return _left_s(self.recording)

    def end(self) -> None:
        """The tables, as wide as they are: whoever reads a pipe has any width."""
        if self.recording.trainings:
            behind = list(details(self.recording))
            self.say("\n".join(["", *behind, *([""] if behind else [])]))
            self.say(training_tables.whole(self.recording))


class LiveTraining(LiveDisplay):
    """The study's table of the model that is at work, with what is being done above it."""

    def __init__(self, plan: TrainingPlan, device: Device) -> None:
        super().__init__(plan)
        self._plan = plan
        self._heading = _heading(plan, device)
        self._columns = training_columns(plan.trainings)
        self._at: int | None = None

    def hear(self, event: Event) -> None:
        """Remember what the latest event is about."""
        super().hear(event)
        case = getattr(event, "case", None)
        if case in self.recording.trainings:
            self._at = case

    def left_s(self, elapsed_s: float) -> float | None:
        """How long the rest may take, judged by the steps so far."""
        return _left_s(self.recording)

    def end(self) -> None:
        """Leave the tables where the live one was."""
        self._live.stop()
        if lines := list(details(self.recording)):
            self.say("\n".join([*lines, ""]))
        if self.recording.trainings:
            for part in training_tables.training_view(self.recording, width=self._console.width):
                self._console.print(part)
                self.say("")

    def view(self) -> RenderableType:
        """The heading, how far it is, what is being done, and the table that it will stand in."""
        from rich.console import Group
        from rich.text import Text

        record = self.recording.trainings.get(self._at) if self._at is not None else None
        status = self.headline(begun=record is not None, ceilings=self._plan.takes.ceilings)
        lines = [Text(self._heading), Text(status, style="dim")]
        if record is None:
            return Group(*_on_one_line(lines), *self._warning)
        lines += [Text(self._doing(record)), self._curves(record)]
        return Group(*_on_one_line(lines), "", *self._tables(record))

    @property
    def _warning(self) -> list[RenderableType]:
        from rich.text import Text

        warning = takes_long(self._plan)
        return [Text(warning, style="yellow")] if warning else []

    def _doing(self, record: TrainingRecord) -> str:
        """Who is at work on what, and how far it is."""
        where = self._columns.describe(record.training)
        who = f"{record.implementation} at {where}" if where else record.implementation
        return plain_text(f"{who}: {_stage(record, self._plan)}")

    def _curves(self, record: TrainingRecord) -> Text:
        """Loss and tokens/s of its steps so far, the newest at the right; the loss until rounds begin."""
        from rich.text import Text

        losses, rates = record.losses, record.steps_tokens_per_s
        curves: list[tuple[str, Sequence[float | None], str]] = []
        if losses:
            curves.append(("loss before rounds" if record.measured else "loss", losses, loss(losses[-1])))
        if rates:
            curves.append(("tokens/s", rates, tokens_per_s(rates[-1])))
        glyphs = ASCII if self._console.options.ascii_only else UNICODE
        words = [f"{name} {latest:>{_FIGURE}} " for name, _, latest in curves]
        room = self._console.width - len(_BETWEEN_CURVES) - sum(map(len, words))
        length = max(1, min(_CURVE, room // 2))
        drawn = [sparkline(values, length, glyphs)[0] for _, values, _ in curves]
        return Text(_BETWEEN_CURVES.join(map("".join, zip(words, drawn, strict=True))), style="dim")

    def _tables(self, record: TrainingRecord) -> list[RenderableType]:
        """The table of the row at work, and of those before it the latest that there is room for."""
        rows = training_rows(self.recording)
        tables = study_tables(rows, self.recording.trainings)
        current = next(index for index, table in enumerate(tables) if of_study_table(record.training, table))
        room = self._console.height - _LINES_ABOVE
        shown: list[StudyTable] = []
        for table in reversed(tables[: current + 1]):
            room -= len(table.rows) + _LINES_BESIDE_ROWS
            if room < 0 and shown:
                break
            shown.insert(0, table)
        note = wording.held_to(self._plan)
        return [study_table(table, width=self._console.width, note=note) for table in shown]


def training_progress_for(plan: TrainingPlan, device: Device, *, quiet: bool) -> Progress:
    """What suits where stdout goes."""
    if quiet or sys.stdout is None:
        return Progress(plan)
    return LiveTraining(plan, device) if sys.stdout.isatty() else TrainingLines(plan, device)


def _left_s(recording: Recording) -> float | None:
    plans = recording.training_plans
    return left_s(plans[-1], recording.trainings.values(), recording.last_s) if plans else None


def _heading(plan: TrainingPlan, device: Device) -> str:
    """What is about to be trained, and on what."""
    names = ", ".join(plan.implementations)
    caption = training_columns(plan.trainings).caption()
    batch = "" if plan.batch is None else f"batch {plan.batch}"
    rows = count(len(plan.trainings), "row")
    common = ", ".join(filter(None, (caption, batch)))
    heading = f"{device.info.name}: {names}; {rows}{f' ({common})' if common else ''}"
    return ", ".join(filter(None, (heading, wording.held_to(plan))))


def _stage(record: TrainingRecord, plan: TrainingPlan) -> str:
    """What a case is at, as far as its events tell."""
    if record.failure is not None:
        return "failed"
    if record.result is not None:
        return "done"
    if record.check is None:
        return _first_step(record, plan)
    made = sum(len(steps.step_ms) for steps in record.steps)
    measured = len(record.measured_steps_ms)
    stage = f"batch {record.check.batch}, step {made} of {plan.stopping.steps}"
    return f"{stage}, {measured} measured" if measured else stage


def _first_step(record: TrainingRecord, plan: TrainingPlan) -> str:
    if plan.batch is None:
        return f"finding the batch: {_latest(record.batches)}".rstrip(": ")
    return "compiling, the first step" if record.training.mode != "eager" else "the first step"


def _latest(batches: list[BatchTried]) -> str:
    """The last few that were tried."""
    return f"{'... ' if len(batches) > _TRIED else ''}{tried(batches[-_TRIED:])}"


def _on_one_line(lines: list[Text]) -> list[Text]:
    for line in lines:
        line.no_wrap, line.overflow = True, "ellipsis"
    return lines
