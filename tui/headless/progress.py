"""How a headless run is shown while it goes on: a live table, plain lines in a pipe, or nothing."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterable
from typing import IO, TYPE_CHECKING, cast

from profiler.engine.work import AnyPlan
from profiler.events import CaseStarted, Event, Failure, Log, Result, Telemetry
from profiler.machine.environment import Device
from profiler.plans.plan import Plan
from profiler.results import wording
from profiler.results.conditions import ANOTHER_PROCESS
from profiler.results.rows import rows
from profiler.session.recording import Recording
from profiler.units import byte_count, clock, count, plain_text, shape_columns
from profiler.workload import PASS_LABELS
from tui.output import BackgroundOutput, put
from tui.tables import details
from tui.tables import results as tables

if TYPE_CHECKING:
    from rich.console import RenderableType

Stop = Callable[[str], None]

_REPAINT_S = 0.25
# Heading, status, the table's own title and header, its legend, and a line or two of its remarks.
_LINES_BESIDE_ROWS = 12


class Progress:
    """Folds the events of a run; shows nothing while it goes on. The other kinds stand on it."""

    reader_left = False
    """Whether whoever read the output has gone: there is nobody to measure for."""

    def __init__(self, plan: AnyPlan) -> None:
        self.recording = Recording()
        self._began_s = time.monotonic()
        self._count = plan.count
        self._abreast = len(plan.implementations)
        self._done_before = 0

    def go_on_from(self, events: Iterable[Event]) -> None:
        """What the session holds already, of runs before this one."""
        for event in events:
            self.recording.add(event)
        self._done_before = self._all_done

    def begin(self) -> None:
        """Show what is about to happen."""

    def hear(self, event: Event) -> None:
        """Called by the engine with every event, in order."""
        self.recording.add(event)

    async def paint(self, stop: Stop) -> None:
        """Runs beside the engine; may `stop` it where nobody is reading any more."""

    def end(self) -> None:
        """Show how it ended."""

    def say(self, line: str) -> None:
        """A line after the end."""
        if sys.stdout is not None:  # as it is where a program was started without one
            put(line + "\n")

    def leave(self, *, patient: bool) -> None:
        """See that all has been written; if not `patient`, only for a moment."""

    def status(self) -> str:
        """How far the run is, and how long it may still take."""
        elapsed_s = time.monotonic() - self._began_s
        text = f"{self._cases_done} of {self._count} cases, {clock(elapsed_s)}"
        if left_s := self.left_s(elapsed_s):
            text += f", about {clock(left_s)} left"
        return text

    def left_s(self, elapsed_s: float) -> float | None:
        """How long the rest may take, judged by the shapes behind it; None where there is none."""
        left = self._count // self._abreast - self.shapes_done
        return elapsed_s / self.shapes_done * left if self.shapes_done else None

    @property
    def shapes_done(self) -> int:
        """Shapes, or rows of training, with all their cases measured, or failed."""
        return self._cases_done // self._abreast

    @property
    def _cases_done(self) -> int:
        return self._all_done - self._done_before

    @property
    def _all_done(self) -> int:
        cases, trainings = self.recording.cases.values(), self.recording.trainings.values()
        return sum(case.done for case in cases) + sum(record.done for record in trainings)


class WrittenProgress(Progress):
    """Progress that is written, in the background."""

    def __init__(self, plan: AnyPlan) -> None:
        super().__init__(plan)
        self._output = BackgroundOutput()

    def say(self, line: str) -> None:
        """Write a line, soon."""
        self._output.write(line + "\n")

    def leave(self, *, patient: bool) -> None:
        """Wait for what is still to be written."""
        self._output.drain(patient=patient)


class LineProgress(WrittenProgress):
    """Progress in lines, for a pipe; what has a line of its own, the kinds that stand on it say."""

    def __init__(self, plan: AnyPlan, heading: str) -> None:
        super().__init__(plan)
        self._heading = heading
        self._told = 0
        self._failures: set[str] = set()

    def begin(self) -> None:
        """Print the heading."""
        self.say(self._heading)

    async def paint(self, stop: Stop) -> None:
        """Lines are written as they are heard; here it is noticed when nobody reads them (`| head`)."""
        while not isinstance(self._output.error, BrokenPipeError):
            await asyncio.sleep(_REPAINT_S)
        self.reader_left = True
        stop("the output was closed")

    def say_status(self) -> None:
        """How far it is, once before each shape, or row of training, but the first."""
        if self.shapes_done > self._told:
            self._told = self.shapes_done
            self.say(self.status())

    def say_failure(self, line: str) -> None:
        """Once: a new worker, after one was lost, comes upon what the first has told."""
        if line not in self._failures:
            self._failures.add(line)
            self.say(line)


class PlainProgress(LineProgress):
    """One line for each result and failure as it lands."""

    def __init__(self, plan: Plan, device: Device) -> None:
        super().__init__(plan, _heading(plan, device))
        self._shapes = shape_columns(plan.workloads)

    def hear(self, event: Event) -> None:
        """Print what is worth a line."""
        super().hear(event)
        match event:
            case Result():
                for row in rows(self.recording.only(event.workload)):
                    if row.case == event.case and row.which == event.which:
                        self.say(tables.plain_line(row, self._shapes))
            case Failure():
                self.say_failure(self._failure(event))
            case CaseStarted():
                self.say_status()
            case Log() if event.level != "info":
                self.say(f"{event.level}: {plain_text(event.message)}")

    def end(self) -> None:
        """What is behind the results: energy and kernels, where they were asked for, and the rest."""
        for index, line in enumerate(details.details(self.recording)):
            self.say(line if index else f"\n{line}")

    def _failure(self, event: Failure) -> str:
        """A line for the case, or for the one pass, that failed."""
        which = PASS_LABELS[event.which] if event.which else ""
        why = wording.failure_detail(event)
        word = wording.STATUS_WORDS[event.kind]
        return "  ".join(
            filter(None, (self._shapes.describe(event.workload), event.implementation, which, word, why))
        )


class LiveDisplay(WrittenProgress):
    """Lines below the prompt that are painted again and again while it runs; of what, `view` says."""

    def __init__(self, plan: AnyPlan) -> None:
        from rich.console import Console
        from rich.live import Live

        super().__init__(plan)
        self._console = Console(file=cast("IO[str]", self._output), highlight=False)
        # Painted by this program's own loop: rich's thread would read the recording while it changes.
        self._live = Live(console=self._console, auto_refresh=False, transient=True, vertical_overflow="crop")

    def begin(self) -> None:
        """Take the screen's lines below the prompt."""
        self._live.start()

    async def paint(self, stop: Stop) -> None:
        """Repaint at a pace that an SSH link follows, and not while it is behind."""
        while True:
            if not self._output.is_behind:
                self._live.update(self.view(), refresh=True)
            await asyncio.sleep(_REPAINT_S)

    def view(self) -> RenderableType:
        """What is on the screen now."""
        return ""

    def headline(self, *, begun: bool, ceilings: bool) -> str:
        """How far it is, and how the device is; before the first case, what the worker is at.

        `begun` is whether there is a case, `ceilings` whether the device's are measured first.
        """
        if not begun and (preparing := self._preparing(ceilings)):
            return f"{preparing}, {clock(time.monotonic() - self._began_s)}"
        reading = _reading(self.recording.telemetry[-1]) if self.recording.telemetry else ""
        return "  ".join(part for part in (self.status(), reading) if part)

    def _preparing(self, ceilings: bool) -> str:
        if self.recording.header is None:
            return "loading torch"
        if ceilings and self.recording.ceilings is None:
            return "measuring what the device does at best"
        return ""


class LiveProgress(LiveDisplay):
    """A table that fills up: the shapes that fit on the screen while it runs, all of them at the end."""

    def __init__(self, plan: Plan, device: Device) -> None:
        super().__init__(plan)
        self._plan = plan
        self._heading = _heading(plan, device, common=False)

    def end(self) -> None:
        """Leave the whole table where the live one was, above it what may be longer than a screen."""
        self._live.stop()
        if lines := list(details.details(self.recording)):
            self.say("\n".join([*lines, ""]))
        if self.recording.cases:
            self._console.print(tables.results_table(self.recording, width=self._console.width))

    def view(self) -> RenderableType:
        """The heading, how far it is, and the latest shapes."""
        from rich.console import Group
        from rich.text import Text

        status = self.headline(begun=bool(self.recording.cases), ceilings=self._plan.takes.ceilings)
        top = [Text(self._heading, overflow="ellipsis", no_wrap=True), Text(status, style="dim")]
        if not self.recording.cases:
            return Group(*top)
        room = max(1, self._console.height - _LINES_BESIDE_ROWS)
        table = tables.results_table(self._latest(room), width=self._console.width, most_lines=room)
        return Group(*top, "", table)

    def _latest(self, lines: int) -> Recording:
        """The latest shapes, at most as many as lines: a long sweep is not folded again at each repaint."""
        shapes = list(dict.fromkeys(case.workload for case in self.recording.cases.values()))
        return self.recording.only(*shapes[-lines:])


def progress_for(plan: Plan, device: Device, *, quiet: bool) -> Progress:
    """What suits where stdout goes."""
    if quiet or sys.stdout is None:
        return Progress(plan)
    return LiveProgress(plan, device) if sys.stdout.isatty() else PlainProgress(plan, device)


def _heading(plan: Plan, device: Device, *, common: bool = True) -> str:
    """What is about to be measured, and on what; with what the shapes have in common, if asked for."""
    names = ", ".join(plan.implementations)
    shapes = count(len(plan.workloads), "shape")
    heading = f"{device.info.name}: {names}; {shapes}"
    if not common:
        return heading
    caption = shape_columns(plan.workloads).caption()
    heading += f" ({caption})" if caption else ""
    return ", ".join(filter(None, (heading, wording.held_to(plan))))


def _reading(reading: Telemetry) -> str:
    """The device now, in a few words."""
    parts = (
        reading.sm_mhz is not None and f"SM {reading.sm_mhz} MHz",
        reading.power_w is not None and f"{reading.power_w:.0f} W",
        reading.temperature_c is not None and f"{reading.temperature_c} C",
        reading.utilization_percent is not None and f"{reading.utilization_percent:.0f} % busy",
        reading.process_bytes is not None and byte_count(reading.process_bytes),
        ", ".join(reading.throttle),
        bool(reading.other_processes) and ANOTHER_PROCESS,
    )
    return "  ".join(part for part in parts if part)
