"""A session as it stands: its events folded into what can be shown.

The same fold serves a live run and a file: a session is its event log.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from profiler.events import (
    CaseChecked,
    CaseStarted,
    Catalog,
    Event,
    Failure,
    Finished,
    Log,
    Planned,
    Result,
    Samples,
    SessionStarted,
    Telemetry,
)
from profiler.plan import Plan
from profiler.workload import Attention, Pass


@dataclass
class PassRecord:
    """Samples of one pass of one case, by round, and its result once there is one."""

    device_ms: list[float] = field(default_factory=list)
    wall_ms: list[float] = field(default_factory=list)
    result: Result | None = None


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


@dataclass
class Recording:
    """The state that a session's events add up to."""

    header: SessionStarted | None = None
    catalog: Catalog | None = None
    plan: Plan | None = None
    cases: dict[int, CaseRecord] = field(default_factory=dict)
    telemetry: list[Telemetry] = field(default_factory=list)
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
            case CaseStarted():
                self.cases[event.case] = CaseRecord(event.case, event.workload, event.implementation)
            case CaseChecked():
                if record := self.cases.get(event.case):
                    record.check = event
            case Samples():
                self._add_samples(event)
            case Result():
                record = self._case_of(event)
                record.passes.setdefault(event.which, PassRecord()).result = event
            case Failure():
                self._case_of(event).failures.append(event)
            case Telemetry():
                self.telemetry.append(event)
            case Log():
                self.logs.append(event)
            case Finished():
                self.finished = event

    def only(self, *workloads: Attention) -> Recording:
        """The same recording narrowed to the cases of some workloads. Shares their records."""
        wanted = set(workloads)
        return replace(
            self, cases={number: case for number, case in self.cases.items() if case.workload in wanted}
        )

    def _case_of(self, event: Result | Failure) -> CaseRecord:
        """Its record; made here for an unsupported case, which fails without having started."""
        return self.cases.setdefault(event.case, CaseRecord(event.case, event.workload, event.implementation))

    def _add_samples(self, event: Samples) -> None:
        if record := self.cases.get(event.case):
            samples = record.passes.setdefault(event.which, PassRecord())
            samples.device_ms.extend(event.device_ms)
            samples.wall_ms.extend(event.wall_ms)

    @property
    def baseline(self) -> str | None:
        """The implementation that speedups refer to: the plan's, else its first."""
        if self.plan is None:
            return None
        return self.plan.baseline or next(iter(self.plan.implementations), None)
