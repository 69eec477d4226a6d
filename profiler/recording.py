"""A session as it stands: its events folded into what can be shown.

The same fold serves a live run and a file: a session is its event log.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import msgspec

from profiler import training_recording
from profiler.catalog import together
from profiler.events import (
    LEAST_SAMPLES,
    BatchTried,
    CaseChecked,
    CaseStarted,
    Catalog,
    Ceilings,
    Continued,
    Energy,
    Event,
    Failure,
    Finished,
    Kernels,
    Labelled,
    Log,
    Note,
    PlanEnded,
    Planned,
    Replayed,
    Result,
    Samples,
    SessionStarted,
    Steps,
    Telemetry,
    TrainingChecked,
    TrainingFailure,
    TrainingPlanned,
    TrainingResult,
    TrainingStarted,
)
from profiler.plan import Plan
from profiler.showing import plan_to_show
from profiler.training_plan import TrainingPlan
from profiler.training_recording import TrainingRecord
from profiler.workload import PASSES, Attention, Pass


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

    def forget_samples(self) -> None:
        """Let go of the samples; a result stays."""
        self.device_ms, self.wall_ms, self.sm_mhz = [], [], []

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
    plan_number: int = 0
    """Which of the session's plans it belongs to."""
    check: CaseChecked | None = None
    failures: list[Failure] = field(default_factory=list)
    passes: dict[Pass, PassRecord] = field(default_factory=dict)
    ended: bool = False
    """Whether nothing more of it will be measured, done or not."""

    @property
    def done(self) -> bool:
        return bool(self.failures) or any(record.result for record in self.passes.values())

    @property
    def has_enough(self) -> bool:
        """Whether it can be shown in the place of an earlier measurement."""
        return self.done or (
            bool(self.passes)
            and all(len(record.device_ms) >= LEAST_SAMPLES for record in self.passes.values())
        )

    @property
    def was_cut(self) -> bool:
        """Whether its measurement was ended before it came to anything."""
        return self.ended and not self.done

    @property
    def has_something(self) -> bool:
        """Whether there is a number, or a reason for none."""
        return self.done or any(record.device_ms for record in self.passes.values())

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
    continued: list[Continued] = field(default_factory=list)
    """Later runs that went on with the session."""
    catalog: Catalog | None = None
    plans: list[Plan] = field(default_factory=list)
    ceilings: Ceilings | None = None
    cases: dict[int, CaseRecord] = field(default_factory=dict)
    training_plans: list[TrainingPlan] = field(default_factory=list)
    trainings: dict[int, TrainingRecord] = field(default_factory=dict)
    telemetry: list[Telemetry] = field(default_factory=list)
    """In order of time, whatever the order of the events."""
    logs: list[Log] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    labelled: Labelled | None = None
    finished: Finished | None = None
    at_plan: bool = False
    """Whether the latest plan is still being measured, as far as the events tell."""

    last_s: float = 0.0
    """The session's time at the latest event."""

    @classmethod
    def of(cls, events: Iterable[Event]) -> Recording:
        recording = cls()
        for event in events:
            recording.add(event)
        return recording

    def add(self, event: Event) -> None:
        """Fold one event in; an event about a case that never began is ignored."""
        self.last_s = max(self.last_s, event.at_s)
        match event:
            case SessionStarted():
                self.header = event
            case Catalog():
                self.catalog = event if self.catalog is None else _all_of(self.catalog, event)
            case Planned() | TrainingPlanned():
                self._begin_plan(event)
            case PlanEnded():
                self._end_plan()
            case Continued():
                self.continued.append(event)
            case Ceilings():
                self.ceilings = event if self.ceilings is None else _both(self.ceilings, event)
            case Telemetry():
                after = bisect_right(self.telemetry, event.at_s, key=lambda reading: reading.at_s)
                self.telemetry.insert(after, event)
            case Log():
                self.logs.append(event)
            case Note():
                self.notes.append(event)
            case Labelled():
                self.labelled = event
            case Finished():
                self._end_plan()
                self.finished = event
            case _:
                self._add_to_case(event)

    def _begin_plan(self, event: Planned | TrainingPlanned) -> None:
        self._end_plan()
        self.at_plan = True
        self.finished = None  # a session that is gone on with has not ended yet
        if isinstance(event, Planned):
            self.plans.append(event.plan)
        else:
            self.training_plans.append(event.plan)

    def _add_to_case(self, event: Event) -> None:
        match event:
            case CaseStarted():
                self.cases[event.case] = self._begun(event)
            case Result():
                self._case_of(event).pass_of(event.which).finish(event)
            case Failure():
                self._case_of(event).failures.append(event)
            case CaseChecked() | Samples() | Replayed() | Energy() | Kernels():
                if record := self.cases.get(event.case):
                    record.add(event)
            case (
                TrainingStarted()
                | BatchTried()
                | TrainingChecked()
                | Steps()
                | TrainingResult()
                | TrainingFailure()
            ):
                training_recording.fold(self.trainings, event, max(len(self.training_plans) - 1, 0))

    def only(self, *workloads: Attention) -> Recording:
        """The same recording narrowed to the cases of some workloads. Shares their records."""
        wanted = set(workloads)
        return replace(
            self,
            cases={number: case for number, case in self.cases.items() if case.workload in wanted},
            training_plans=[],
            trainings={},
        )

    def latest(self) -> Recording:
        """The same recording with each shape as it was measured last. Shares its records.

        A shape that is being measured anew stands as it was before, until all its cases have something to
        show; cut short, it leaves it so. Cases of two plans never stand side by side: what was not measured
        in the same rounds is not compared. Trainings, which take longer, may stand so where the later plan
        left out implementations of the earlier one; they are not compared.
        """
        if len(self.plans) < 2 and len(self.training_plans) < 2:
            return self
        return replace(
            self,
            cases=self._latest_cases(),
            trainings=training_recording.latest(self.trainings, self.training_plans),
        )

    def _latest_cases(self) -> dict[int, CaseRecord]:
        if len(self.plans) < 2:
            return self.cases
        by_shape: dict[Attention, dict[int, list[CaseRecord]]] = {}
        for case in self.cases.values():
            by_shape.setdefault(case.workload, {}).setdefault(case.plan_number, []).append(case)
        chosen = [case for plans in by_shape.values() for case in plans[plan_to_show(plans, self._asked)]]
        return {case.number: case for case in chosen}

    def _asked(self, number: int) -> int:
        """How many cases a plan has of each shape."""
        return len(self.plans[number].implementations) if number < len(self.plans) else 0

    def _end_plan(self) -> None:
        self.at_plan = False
        for case in self.cases.values():
            case.ended = True
        for training in self.trainings.values():
            training.ended = True

    def _begun(self, event: CaseStarted | Result | Failure) -> CaseRecord:
        last_plan = max(len(self.plans) - 1, 0)
        return CaseRecord(event.case, event.workload, event.implementation, last_plan)

    def _case_of(self, event: Result | Failure) -> CaseRecord:
        """Its record; made here for an unsupported case, which fails without having started."""
        return self.cases.get(event.case) or self.cases.setdefault(event.case, self._begun(event))

    @property
    def plan(self) -> Plan | None:
        """The session's plan; of several, all together, to be measured as in the latest."""
        if len(self.plans) < 2:
            return self.plans[0] if self.plans else None
        latest = self.plans[-1]
        return msgspec.structs.replace(
            latest,
            workloads=tuple(dict.fromkeys(shape for plan in self.plans for shape in plan.workloads)),
            implementations=tuple(
                dict.fromkeys(name for plan in self.plans for name in plan.implementations)
            ),
            passes=tuple(which for which in PASSES if any(which in plan.passes for plan in self.plans)),
            first_case=0,
        )

    @property
    def training_plan(self) -> TrainingPlan | None:
        """What the session trains; of several plans, all together, to be measured as in the latest."""
        return training_recording.together(self.training_plans)

    @property
    def baseline(self) -> str | None:
        """The implementation that speedups refer to: the plan's, else its first."""
        return _baseline(self.plan)

    @property
    def training_baseline(self) -> str | None:
        """The same of what is trained."""
        return _baseline(self.training_plan)

    @property
    def label(self) -> str:
        """What the session is called: by its latest label, else by its plan."""
        if self.labelled is not None:
            return self.labelled.label
        plan = self.plan or self.training_plan
        return plan.label if plan else ""


def _baseline(plan: Plan | TrainingPlan | None) -> str | None:
    if plan is None:
        return None
    return plan.baseline or next(iter(plan.implementations), None)


def _all_of(before: Catalog, now: Catalog) -> Catalog:
    """The implementations of both: a later plan may name further ones, and what was said last holds."""
    return msgspec.structs.replace(now, implementations=together(before.implementations, now.implementations))


def _both(before: Ceilings, now: Ceilings) -> Ceilings:
    """The ceilings of both: a session may learn those of further dtypes as it goes."""
    return msgspec.structs.replace(now, matmul={**before.matmul, **now.matmul}, copy=now.copy or before.copy)
