"""Interleaved rounds: every case is measured once a round, in a fresh random order.

Drift in clocks or heat then hits all alike, and ratios of the same round are paired. No torch
here: the schedule is tested with subjects whose times are made up.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from profiler.plans.stopping import Rule
from profiler.worker.cut import CutShort
from profiler.worker.timer import Timing
from profiler.workload import Pass

# Wall time is an eager caller's cost, not the comparison: this many samples pin its median well enough,
# and past them every call is spent on device time.
WALL_ROUNDS = 20
_MOST_WARM_UP = 10
_SETTLED = 0.02
_REPORT_EVERY_S = 0.5


class Subject(Protocol):
    """Something to measure: one visit is one sample of each of its passes."""

    @property
    def case(self) -> int: ...
    def visit(self, *, wall: bool) -> dict[Pass, Timing]: ...


@dataclass
class Series:
    """The samples of one pass of one subject, by round."""

    device_ms: list[float] = field(default_factory=list)
    wall_ms: list[float] = field(default_factory=list)
    sm_mhz: list[float | None] = field(default_factory=list)
    hidden: int = 0
    reported: int = 0

    def add(self, timing: Timing) -> None:
        self.device_ms.append(timing.device_ms)
        self.sm_mhz.append(timing.sm_mhz)
        if timing.wall_ms is not None:
            self.wall_ms.append(timing.wall_ms)
        self.hidden += timing.hidden


class Reporter(Protocol):
    """Told what happens while rounds run."""

    def visiting(self, case: int) -> None: ...
    def measured(self, case: int, which: Pass, series: Series) -> None:
        """Samples from index `series.reported` on are new."""
        ...

    def failed(self, case: int, error: Exception) -> None: ...


def warm_up(subject: Subject, least_s: float, most_s: float, clock: Callable[[], float]) -> None:
    """Visit until the median of a visit's total time settles: for at least `least_s`, at most `most_s`."""
    began_s = clock()
    totals: list[float] = []
    while True:
        totals.append(sum(timing.device_ms for timing in subject.visit(wall=False).values()))
        spent_s = clock() - began_s
        if spent_s >= most_s or (spent_s >= least_s and has_settled(totals)):
            return


def has_settled(totals: Sequence[float]) -> bool:
    """Whether the median of the last three is that of the three before."""
    if len(totals) < 6:
        return False
    before, now = statistics.median(totals[-6:-3]), statistics.median(totals[-3:])
    return abs(now - before) <= _SETTLED * before


def run_rounds(
    subjects: Iterable[Subject],
    *,
    warm_up_s: float,
    rest: Callable[[], bool],
    rule: Callable[[], Rule],
    order: random.Random,
    clock: Callable[[], float],
    reporter: Reporter,
) -> dict[int, dict[Pass, Series]]:
    """Warm the subjects up, then measure in rounds until the rule is content.

    The device is warmed up for at least `warm_up_s` by all subjects together, each until it settles.
    `rest` is called before each round and answers whether it did: then the round begins with a visit
    that does not count, for the device has to wake. `rule` is called when the rounds begin, so that
    its budget is theirs alone. A subject that raises is reported and left out from then on; what
    was measured of it stays. Returns each remaining subject's series by case and pass.

    Without any `warm_up_s` somebody is waiting: the first round is what each subject takes when it
    comes, in their order, and is told at once.
    """
    active: dict[int, Subject] = {}
    measured: dict[int, dict[Pass, Series]] = {}
    if warm_up_s:
        subjects = list(subjects)
        least_s, most_s = warm_up_s / max(len(subjects), 1), _MOST_WARM_UP * warm_up_s
    for subject in subjects:
        reporter.visiting(subject.case)
        series: dict[Pass, Series] = {}
        try:
            if warm_up_s:
                warm_up(subject, least_s, most_s, clock)
            else:
                _add(series, subject.visit(wall=True))
        except Exception as error:
            reporter.failed(subject.case, error)
        else:
            active[subject.case], measured[subject.case] = subject, series
            _report(subject.case, series, reporter)
    first = 0 if warm_up_s else 1
    try:
        _run(active, measured, first, rest=rest, stopping=rule(), order=order, clock=clock, reporter=reporter)
    except CutShort:
        for case, passes in measured.items():
            _report(case, passes, reporter)
        raise
    return measured


def _run(
    active: dict[int, Subject],
    measured: dict[int, dict[Pass, Series]],
    rounds: int,
    *,
    rest: Callable[[], bool],
    stopping: Rule,
    order: random.Random,
    clock: Callable[[], float],
    reporter: Reporter,
) -> None:
    last_report_s = clock()
    while active:
        rested = rest()
        for case in order.sample(list(active), k=len(active)):
            reporter.visiting(case)
            try:
                if rested:
                    active[case].visit(wall=False)
                    rested = False
                timings = active[case].visit(wall=rounds < WALL_ROUNDS)
            except Exception as error:
                del active[case]
                _report(case, measured.pop(case), reporter)
                reporter.failed(case, error)
                continue
            _add(measured[case], timings)
        rounds += 1
        finished = stopping.is_finished(
            rounds, (series.device_ms for passes in measured.values() for series in passes.values())
        )
        if finished or clock() - last_report_s >= _REPORT_EVERY_S:
            for case, passes in measured.items():
                _report(case, passes, reporter)
            last_report_s = clock()
        if finished:
            break


def _add(series: dict[Pass, Series], timings: dict[Pass, Timing]) -> None:
    for which, timing in timings.items():
        series.setdefault(which, Series()).add(timing)


def _report(case: int, passes: dict[Pass, Series], reporter: Reporter) -> None:
    for which, series in passes.items():
        reporter.measured(case, which, series)
        series.reported = len(series.device_ms)
