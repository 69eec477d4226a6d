"""A session as it stands: its events folded into what can be shown.

The same fold serves a live run and a file: a session is its event log.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from profiler.events import (
    CaseChecked,
    CaseStarted,
    Catalog,
    Ceilings,
    Energy,
    Event,
    Failure,
    Finished,
    Kernels,
    Log,
    Planned,
    Replayed,
    Result,
    Samples,
    SessionStarted,
    Telemetry,
)
from profiler.plan import Plan
from profiler.workload import Attention, Pass


@dataclass
class PassRecord:
    """Samples of one pass of one case, by round, its result, and what was taken after the rounds.

    `sm_mhz` stands beside `device_ms`, None where a clock is not known; it may end sooner.
    `last_s` is when the latest samples came, or the result.
    """

    device_ms: list[float] = field(default_factory=list)
    wall_ms: list[float] = field(default_factory=list)
    sm_mhz: list[float | None] = field(default_factory=list)
    result: Result | None = None
    replayed: Replayed | None = None
    energy: Energy | None = None
    kernels: Kernels | None = None
    last_s: float = 0.0

    def add(self, event: Samples | Replayed | Energy | Kernels) -> None:
        """Samples of further rounds, or what was taken after them."""
        match event:
            case Samples():
                self._add_samples(event)
            case Replayed():
                self.replayed = event
            case Energy():
                self.energy = event
            case Kernels():
                self.kernels = event

    def _add_samples(self, event: Samples) -> None:
        if event.sm_mhz:
            # Rounds before these may have come without clocks, and these with fewer clocks than times.
            self.sm_mhz.extend([None] * (len(self.device_ms) - len(self.sm_mhz)))
            self.sm_mhz.extend(event.sm_mhz[: len(event.device_ms)])
        self.device_ms.extend(event.device_ms)
        self.wall_ms.extend(event.wall_ms)
        self.last_s = max(self.last_s, event.at_s)

    def finish(self, result: Result) -> None:
        """The result of the rounds."""
        self.result = result
        self.last_s = max(self.last_s, result.at_s)


@dataclass
class CaseRecord:
    """All that is known of one case."""

    number: int
    workload: Attention
    implementation: str
    check: CaseChecked | None = None
    failures: list[Failure] = field(default_factory=list)
    passes: dict[Pass, PassRecord] = field(default_factory=dict)

    @property
    def done(self) -> bool:
        return bool(self.failures) or any(record.result for record in self.passes.values())

    def failure_of(self, which: Pass) -> Failure | None:
        """What kept this pass, or the whole case, from a result."""
        return next((failure for failure in self.failures if failure.which in (None, which)), None)

    def add(self, event: CaseChecked | Samples | Replayed | Energy | Kernels) -> None:
        """What is told of the case once it has begun."""
        if isinstance(event, CaseChecked):
            self.check = event
        else:
            self.pass_of(event.which).add(event)

    def pass_of(self, which: Pass) -> PassRecord:
        """The record of a pass, made if there is none yet."""
        return self.passes.setdefault(which, PassRecord())


@dataclass
class Recording:
    """The state that a session's events add up to."""

    header: SessionStarted | None = None
    catalog: Catalog | None = None
    plan: Plan | None = None
    ceilings: Ceilings | None = None
    cases: dict[int, CaseRecord] = field(default_factory=dict)
    telemetry: list[Telemetry] = field(default_factory=list)
    """In order of time, whatever the order of the events."""
    logs: list[Log] = field(default_factory=list)
    finished: Finished | None = None

    @classmethod
    def of(cls, events: Iterable[Event]) -> Recording:
        recording = cls()
        for event in events:
            recording.add(event)
        return recording

    def add(self, event: Event) -> None:
        """Fold one event in; an event about a case that never began is ignored."""
        match event:
            case SessionStarted():
                self.header = event
            case Catalog():
                self.catalog = event
            case Planned():
                self.plan = event.plan
            case Ceilings():
                self.ceilings = event
            case Telemetry():
                after = bisect_right(self.telemetry, event.at_s, key=lambda reading: reading.at_s)
                self.telemetry.insert(after, event)
            case Log():
                self.logs.append(event)
            case Finished():
                self.finished = event
            case _:
                self._add_to_case(event)

    def _add_to_case(self, event: Event) -> None:
        match event:
            case CaseStarted():
                self.cases[event.case] = CaseRecord(event.case, event.workload, event.implementation)
            case Result():
                self._case_of(event).pass_of(event.which).finish(event)
            case Failure():
                self._case_of(event).failures.append(event)
            case CaseChecked() | Samples() | Replayed() | Energy() | Kernels():
                if record := self.cases.get(event.case):
                    record.add(event)

    def only(self, *workloads: Attention) -> Recording:
        """The same recording narrowed to the cases of some workloads. Shares their records."""
        wanted = set(workloads)
        return replace(
            self, cases={number: case for number, case in self.cases.items() if case.workload in wanted}
        )

    def _case_of(self, event: Result | Failure) -> CaseRecord:
        """Its record; made here for an unsupported case, which fails without having started."""
        return self.cases.setdefault(event.case, CaseRecord(event.case, event.workload, event.implementation))

    @property
    def baseline(self) -> str | None:
        """The implementation that speedups refer to: the plan's, else its first."""
        if self.plan is None:
            return None
        return self.plan.baseline or next(iter(self.plan.implementations), None)
