"""How a headless run is shown while it goes on: a live table, plain lines in a pipe, or nothing."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from profiler import wording
from profiler.environment import Device
from profiler.events import CaseStarted, Event, Failure, Log, Result, Telemetry
from profiler.plan import Plan
from profiler.recording import Recording
from profiler.rows import rows
from profiler.units import byte_count, count, plain_text, shape_columns
from profiler.workload import PASS_LABELS
from tui import tables

if TYPE_CHECKING:
    from rich.console import RenderableType

Stop = Callable[[str], None]

_REPAINT_S = 0.25
# Heading, status, the table's own title and header, and a line or two of its remarks.
_LINES_BESIDE_ROWS = 11


class Progress:
    """Folds the events of a run; shows nothing. The other kinds of progress stand on it."""

    def __init__(self, plan: Plan) -> None:
        self.recording = Recording()
        self._plan = plan
        self._began_s = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def hear(self, event: Event) -> None:
        """Called by the engine with every event, in order."""
        self.recording.add(event)

    async def paint(self, stop: Stop) -> None:
        """Runs beside the engine; may `stop` it where nobody is listening any more."""

    def status(self) -> str:
        """How far the run is, and how long it may still take, judged by the shapes behind it."""
        elapsed_s = time.monotonic() - self._began_s
        text = f"{self._cases_done} of {self._plan.count} cases, {_clock(elapsed_s)}"
        left = len(self._plan.workloads) - self.shapes_done
        if self.shapes_done and left:
            text += f", about {_clock(elapsed_s / self.shapes_done * left)} left"
        return text

    @property
    def shapes_done(self) -> int:
        """Shapes with all their cases measured, or failed."""
        return self._cases_done // len(self._plan.implementations)

    @property
    def _cases_done(self) -> int:
        return sum(case.done for case in self.recording.cases.values())


class PlainProgress(Progress):
    """One line for each result and failure as it lands."""

    def __init__(self, plan: Plan, device: Device) -> None:
        super().__init__(plan)
        self._heading = _heading(plan, device)
        self._shapes = shape_columns(plan.workloads)
        self._stop: Stop | None = None
        self._told = 0

    def __enter__(self) -> Self:
        self._say(self._heading)
        return self

    async def paint(self, stop: Stop) -> None:
        """Only remembers how to stop: lines are written as they are heard."""
        self._stop = stop

    def hear(self, event: Event) -> None:
        """Print what is worth a line."""
        super().hear(event)
        match event:
            case Result():
                for row in rows(self.recording.only(event.workload)):
                    if row.case == event.case and row.which == event.which:
                        self._say(tables.plain_line(row, self._shapes))
            case Failure():
                self._say(self._failure(event))
            case CaseStarted():
                self._say_status()
            case Log() if event.level != "info":
                self._say(f"{event.level}: {plain_text(event.message)}")

    def _say_status(self) -> None:
        """How far it is, once before each shape but the first."""
        if self.shapes_done > self._told:
            self._told = self.shapes_done
            self._say(self.status())

    def _failure(self, event: Failure) -> str:
        """A line for the case, or for the one pass, that failed."""
        which = PASS_LABELS[event.which] if event.which else ""
        why = wording.failure_detail(event)
        word = wording.STATUS_WORDS[event.kind]
        return "  ".join(
            filter(None, (self._shapes.describe(event.workload), event.implementation, which, word, why))
        )

    def _say(self, line: str) -> None:
        try:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            # The reader has gone (`| head`). Python would complain again on leaving.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            if self._stop is not None:
                self._stop("the output was closed")


class LiveProgress(Progress):
    """A table that fills up: the shapes that fit on the screen while it runs, all of them at the end."""

    def __init__(self, plan: Plan, device: Device) -> None:
        from rich.console import Console
        from rich.live import Live

        super().__init__(plan)
        self._heading = _heading(plan, device, common=False)
        self._console = Console(highlight=False)
        # Painted by this program's own loop: rich's thread would read the recording while it changes.
        self._live = Live(console=self._console, auto_refresh=False, transient=True, vertical_overflow="crop")

    def __enter__(self) -> Self:
        self._live.start()
        self._repaint()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()
        if self.recording.cases:
            self._console.print(tables.results_table(self.recording, width=self._console.width))

    async def paint(self, stop: Stop) -> None:
        """Repaint at a pace that an SSH link follows."""
        while True:
            self._repaint()
            await asyncio.sleep(_REPAINT_S)

    def _repaint(self) -> None:
        self._live.update(self._view(), refresh=True)

    def _view(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        top = [Text(self._heading, overflow="ellipsis", no_wrap=True), Text(self._headline(), style="dim")]
        if not self.recording.cases:
            return Group(*top)
        room = max(1, self._console.height - _LINES_BESIDE_ROWS)
        table = tables.results_table(self._latest(room), width=self._console.width, most_lines=room)
        return Group(*top, "", table)

    def _headline(self) -> str:
        if not self.recording.cases:
            return f"loading torch, {_clock(time.monotonic() - self._began_s)}"
        reading = _reading(self.recording.telemetry[-1]) if self.recording.telemetry else ""
        return "  ".join(part for part in (self.status(), reading) if part)

    def _latest(self, lines: int) -> Recording:
        """The latest shapes, at most as many as lines: a long sweep is not folded again at each repaint."""
        shapes = list(dict.fromkeys(case.workload for case in self.recording.cases.values()))
        return self.recording.only(*shapes[-lines:])


def progress_for(plan: Plan, device: Device, *, quiet: bool) -> Progress:
    """What suits where stdout goes."""
    if quiet:
        return Progress(plan)
    return LiveProgress(plan, device) if sys.stdout.isatty() else PlainProgress(plan, device)


def _heading(plan: Plan, device: Device, *, common: bool = True) -> str:
    """What is about to be measured, and on what; with what the shapes have in common, if asked for."""
    names = ", ".join(plan.implementations)
    shapes = count(len(plan.workloads), "shape")
    caption = shape_columns(plan.workloads).caption() if common else ""
    return f"{device.info.name}: {names}; {shapes}" + (f" ({caption})" if caption else "")


def _reading(reading: Telemetry) -> str:
    """The device now, in a few words."""
    parts = (
        reading.sm_mhz is not None and f"SM {reading.sm_mhz} MHz",
        reading.power_w is not None and f"{reading.power_w:.0f} W",
        reading.temperature_c is not None and f"{reading.temperature_c} C",
        reading.utilization_percent is not None and f"{reading.utilization_percent:.0f} % busy",
        reading.process_bytes is not None and byte_count(reading.process_bytes),
        ", ".join(reading.throttle),
    )
    return "  ".join(part for part in parts if part)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
