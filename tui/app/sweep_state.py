"""A sweep as it stands: its plan, the lines of its cases, which shape runs, and how long it may take.

It is kept up to date from the app's views. A shape's lines are computed anew only when something
came for it, so a sweep of thousands of cases costs no more at each repaint than a small one.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from profiler.plans.plan import Plan
from profiler.results.rows import rows
from profiler.session.case_record import CaseRecord
from profiler.session.recording import Recording
from profiler.workload import PASSES, Attention, Pass
from tui.app.view import View
from tui.tables.columns import Line, lines_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


_MOST_CASES_AT_ONCE = 300  # of which the rows take some thirty milliseconds


@dataclass(frozen=True)
class Sweep:
    """What there is to paint. `lines` has a line for every case that has begun."""

    shapes: tuple[Attention, ...] = ()
    implementations: tuple[str, ...] = ()
    passes: tuple[Pass, ...] = PASSES
    baseline: str | None = None
    lines: Mapping[tuple[Attention, str], Line] = field(default_factory=lambda: MappingProxyType({}))
    running: Attention | None = None
    done: int = 0

    @property
    def count(self) -> int:
        """How many cases there are."""
        return len(self.shapes) * len(self.implementations)

    @property
    def missing(self) -> int:
        """How many cases have neither a result nor a failure."""
        return self.count - self.done


@dataclass
class Pace:
    """How long a sweep has been measuring, and how long the rest may take, judged by the shapes behind it."""

    began_s: float | None = None
    _last_s: float = 0.0
    _active_s: float = 0.0
    _done_before: int = 0

    def begin(self, now_s: float, done: int) -> None:
        """It starts, or goes on, with `done` shapes already behind it."""
        self.began_s = self._last_s = now_s
        self._active_s, self._done_before = 0.0, done

    def tick(self, now_s: float, *, resting: bool) -> None:
        """Time has passed; a rest between shapes is not counted."""
        if not resting:
            self._active_s += max(0.0, now_s - self._last_s)
        self._last_s = now_s

    @property
    def elapsed_s(self) -> float:
        """Since it began, rests included."""
        return 0.0 if self.began_s is None else self._last_s - self.began_s

    def left_s(self, done: int, left: int) -> float | None:
        """For `left` shapes more; None where no shape tells."""
        measured = done - self._done_before
        return self._active_s / measured * left if measured > 0 and left else None


class SweepState:
    """Follows the views. `sweep` is replaced whenever there is something new to paint.

    A live session's other plans, such as the Bench's single shapes, are left out; a recording is shown whole.
    """

    def __init__(self) -> None:
        self.sweep = Sweep()
        self.pace = Pace()
        self.is_running = False
        self._baseline: str | None = None
        self._expected = False
        self._recording: Recording | None = None
        self._plans_read = 0
        self._ours: set[int] = set()
        """The sweep's plans, by their places in the session."""
        self._seen: dict[Attention, tuple[object, ...]] = {}
        self._lines: dict[Attention, list[Line]] = {}
        self._cases: dict[int, CaseRecord] = {}
        """Those of the sweep's plans."""
        self._behind: dict[Attention, list[CaseRecord]] = {}
        """Shapes whose lines are still to be computed, of a large recording."""
        self._heard = 0
        self._painted = 0

    @property
    def is_behind(self) -> bool:
        """Whether another update would have something new, though nothing came."""
        return bool(self._behind)

    def expect(self) -> None:
        """The next plan that runs is the sweep's, even of a single shape."""
        self._expected = True

    def set_baseline(self, implementation: str) -> None:
        """Speedups refer to this one from the next update on."""
        self._baseline = implementation
        self._seen.clear()
        self._painted = 0

    def update(self, view: View) -> bool:
        """Take in a view. True where `sweep` is another than before."""
        before, ran = self.sweep, self.is_running
        if view.recording is not self._recording:
            self._begin_session(view.recording)
        plans = view.recording.plans
        for number in range(self._plans_read, len(plans)):
            self._read(plans[number], number, of_many=view.can_measure)
        self._plans_read = len(plans)
        self.is_running = view.running is not None and len(plans) - 1 in self._ours
        if not plans and view.recording.cases and not view.can_measure:
            self._ours.add(0)  # a file that has lost its plan still has what was measured
        if self._ours:
            self._fold(view.recording)
        if self.is_running:
            if not ran:
                self.pace.begin(view.now_s, self.shapes_done)
            self.pace.tick(view.now_s, resting=view.paused and self.sweep.running is None)
        return self.sweep is not before

    @property
    def shapes_done(self) -> int:
        """Shapes with all their cases measured, or failed."""
        return self.sweep.done // max(1, len(self.sweep.implementations))

    def left_s(self) -> int | None:
        """Whole seconds that the rest may take; None where nothing tells yet."""
        left = self.pace.left_s(self.shapes_done, len(self.sweep.shapes) - self.shapes_done)
        return None if left is None else round(left)

    def _begin_session(self, recording: Recording) -> None:
        self._recording = recording
        self._plans_read = 0
        self.is_running = False
        self._start_over()

    def _start_over(self) -> None:
        self.sweep = Sweep()
        self._ours.clear()
        self._seen.clear()
        self._lines.clear()
        self._cases, self._behind = {}, {}
        self._heard = self._painted = 0

    def _read(self, plan: Plan, number: int, *, of_many: bool) -> None:
        """Take up a plan that is a sweep's: of several shapes, or asked for here."""
        if of_many and len(plan.workloads) < 2 and not self._expected:
            return
        if of_many and not set(plan.workloads) <= set(self.sweep.shapes):
            self._start_over()
            self._baseline = None
        self._expected = False
        self._ours.add(number)
        known = self.sweep
        self.sweep = Sweep(
            shapes=tuple(dict.fromkeys([*known.shapes, *plan.workloads])),
            implementations=tuple(dict.fromkeys([*known.implementations, *plan.implementations])),
            passes=tuple(
                which for which in PASSES if which in (*(known.passes if known.shapes else ()), *plan.passes)
            ),
            baseline=self._baseline or plan.baseline or plan.implementations[0],
            lines=known.lines,
        )

    def _fold(self, recording: Recording) -> None:
        if recording.heard != self._heard or not self._seen:
            self._heard = recording.heard
            self._look_for_news(recording)
        cases, begun = self._cases, self._running_of(recording)
        changed = begun != self.sweep.running or bool(self._behind)
        self._catch_up(recording)
        # What is behind is painted when there is twice as much as before, for painting takes time too.
        if changed and (not self._behind or len(self._lines) >= 2 * self._painted):
            self._painted = len(self._lines)
            shown = replace(recording, cases=cases).latest().cases.values()
            self.sweep = replace(
                self.sweep,
                lines={
                    (shape, line.headline.implementation): line
                    for shape, lines in self._lines.items()
                    for line in lines
                },
                running=begun,
                done=sum(case.done for case in shown),
                baseline=self._baseline or self.sweep.baseline,
            )

    def _look_for_news(self, recording: Recording) -> None:
        """Which shapes something came for since they were last looked at."""
        self._cases = {}
        for shape, cases in recording.by_shape.items():
            ours = {number: case for number, case in cases.items() if case.plan_number in self._ours}
            seen = tuple(map(_progress, ours.values()))
            if ours and self._seen.get(shape) != seen:
                self._seen[shape] = seen
                self._behind[shape] = list(ours.values())
            self._cases.update(ours)
        self._list_too(self._cases.values())

    def _list_too(self, cases: Iterable[CaseRecord]) -> None:
        """What was measured and stands in no plan, as in a file that was put together, is shown too."""
        known = self.sweep
        shapes = {**dict.fromkeys(known.shapes), **dict.fromkeys(case.workload for case in cases)}
        names = {
            **dict.fromkeys(known.implementations),
            **dict.fromkeys(case.implementation for case in cases),
        }
        if len(shapes) > len(known.shapes) or len(names) > len(known.implementations):
            self.sweep = replace(known, shapes=tuple(shapes), implementations=tuple(names))

    def _catch_up(self, recording: Recording) -> None:
        """Compute the lines of as many shapes as keys may wait for."""
        done = 0
        while self._behind and done < _MOST_CASES_AT_ONCE:
            shape = next(iter(self._behind))
            cases = self._behind.pop(shape)
            self._lines[shape] = self._lines_of(recording, cases)
            done += len(cases)
            for case in cases:
                case.let_go()

    def _running_of(self, recording: Recording) -> Attention | None:
        """The shape being measured: that of the latest case, unless all its cases are through."""
        latest = next(reversed(self._cases.values()), None)
        if latest is None or not self.is_running:
            return None
        cases = [
            case
            for case in recording.by_shape[latest.workload].values()
            if case.plan_number == latest.plan_number
        ]
        through = len(cases) >= len(self.sweep.implementations) and all(case.done for case in cases)
        return None if through else latest.workload

    def _lines_of(self, recording: Recording, cases: list[CaseRecord]) -> list[Line]:
        """Of one shape, in the sweep's passes."""
        narrow = replace(recording, cases={case.number: case for case in cases})
        found = rows(narrow, self._baseline or self.sweep.baseline)
        return lines_of(row for row in found if row.which in self.sweep.passes)


def _progress(case: CaseRecord) -> tuple[object, ...]:
    """What changes whenever something came for a case."""
    return case.number, case.ended, case.heard
