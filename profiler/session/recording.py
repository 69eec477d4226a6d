"""A session as it stands: its events folded into what can be shown.

The same fold serves a live run and a file: a session is its event log.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import msgspec

from profiler.engine.catalog import together
from profiler.events import (
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
from profiler.plans.plan import Plan
from profiler.plans.plan import together as together_as_one
from profiler.session.case_record import CaseRecord
from profiler.session.deferred import KINDS, Batch, event_of
from profiler.session.numbering import Numbering
from profiler.session.showing import plan_to_show
from profiler.session.unread import Notices
from profiler.training import recording as training_recording
from profiler.training.plan import TrainingPlan
from profiler.training.recording import TrainingRecord
from profiler.workload import Attention


class _Together:
    """The plans of a recording as one, put together once, for all that is narrowed from the recording."""

    def __init__(self) -> None:
        self._count = 0
        self._plan: Plan | None = None

    def of(self, plans: list[Plan]) -> Plan | None:
        if len(plans) != self._count:
            self._count, self._plan = len(plans), together_as_one(plans)
        return self._plan


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

    heard: int = 0
    """How many events came: another number means that there is something new."""

    _notices: Notices = field(default_factory=lambda: Notices("case"), repr=False, compare=False)
    _together: _Together = field(default_factory=_Together, repr=False, compare=False)
    _numbering: Numbering = field(default_factory=Numbering, repr=False, compare=False)
    _training_numbering: Numbering = field(default_factory=Numbering, repr=False, compare=False)
    _open: list[CaseRecord | TrainingRecord] = field(
        default_factory=list, init=False, repr=False, compare=False
    )
    """Of the plan that is being measured."""
    _by_shape: dict[Attention, dict[int, CaseRecord]] | None = field(
        default=None, init=False, repr=False, compare=False
    )

    @classmethod
    def of(cls, events: Iterable[Event]) -> Recording:
        recording = cls()
        for event in events:
            recording.add(event)
        return recording

    def add(self, event: Event | Batch) -> None:
        """Fold one event in, or lines of them; what is told of a case that never began is ignored."""
        if isinstance(event, Batch):
            self._add_batch(event)
            return
        self.heard += 1
        self.last_s = max(self.last_s, event.at_s)
        match event:
            case CaseChecked() | Samples() | Replayed() | Energy() | Kernels():
                if record := self.cases.get(self._numbering.number(event.case)):
                    record.add(event)
            case CaseStarted() | Result() | Failure():
                self._add_to_case(event)
            case Telemetry():
                self._add_reading(event)
            case (
                TrainingStarted()
                | BatchTried()
                | TrainingChecked()
                | Steps()
                | TrainingResult()
                | TrainingFailure()
            ):
                self._add_to_training(event)
            case _:
                self._add_to_session(event)

    def _add_to_session(self, event: Event) -> None:
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
            case Log():
                self.logs.append(event)
            case Note():
                self.notes.append(event)
            case Labelled():
                self.labelled = event
            case Finished():
                self._end_plan()
                self.finished = event

    def _add_reading(self, event: Telemetry) -> None:
        if not self.telemetry or self.telemetry[-1].at_s <= event.at_s:
            self.telemetry.append(event)
        else:
            after = bisect_right(self.telemetry, event.at_s, key=lambda reading: reading.at_s)
            self.telemetry.insert(after, event)

    def _begin_plan(self, event: Planned | TrainingPlanned) -> None:
        self._end_plan()
        self.at_plan = True
        self.finished = None  # a session that is gone on with has not ended yet
        if isinstance(event, Planned):
            self.plans.append(event.plan)
        else:
            self.training_plans.append(event.plan)

    def _add_to_case(self, event: CaseStarted | Result | Failure) -> None:
        number = self._numbering.number_of(event.case, (event.workload, event.implementation))
        record = self.cases.get(number)
        if record is None or isinstance(event, CaseStarted):  # an unsupported case fails without having begun
            last_plan = max(len(self.plans) - 1, 0)
            record = CaseRecord(
                number, event.workload, event.implementation, last_plan, notices=self._notices
            )
            self.cases[number] = record
            self.by_shape.setdefault(event.workload, {})[number] = record
            self._open.append(record)
        if not isinstance(event, CaseStarted):
            record.add(event)

    def _add_batch(self, batch: Batch) -> None:
        """It is what most of the time goes into that a large session takes to open."""
        between = iter(batch.between)
        cases, renumbered = self.cases, self._numbering.now
        for kind, number, line in zip(batch.kinds, batch.cases, batch.lines, strict=True):
            if kind not in KINDS:
                event = next(between)
                if isinstance(event, Telemetry):
                    self._add_reading(event)
                else:
                    self.add(event)
                continue
            record = cases.get(renumbered.get(number, number) if renumbered else number)
            if record is not None:
                record.defer(line, kind == "result")
            elif isinstance(orphan := event_of(line, number, self._notices), Result):
                self.add(orphan)  # it has what a case is made of
        self.last_s = max(self.last_s, batch.last_s)
        self.heard += len(batch.lines)

    def _add_to_training(self, event: training_recording.TrainingEvent) -> None:
        record = training_recording.fold(
            self.trainings, self._training_numbering, event, max(len(self.training_plans) - 1, 0)
        )
        if record is not None:
            self._open.append(record)

    @property
    def warnings(self) -> list[str]:
        """What is wrong with the session as a whole, in words."""
        if self._numbering.is_contradictory or self._training_numbering.is_contradictory:
            return [
                "two cases go by the same number in this session, as in files that were put together: "
                "each is shown as one of its own"
            ]
        return []

    @property
    def unread(self) -> list[str]:
        """What could not be read of a large session's lines about cases, in words, as far as they were
        decoded: of a case that nobody has asked for nothing is known yet."""
        return self._notices.told()

    def only(self, *workloads: Attention) -> Recording:
        """The same recording narrowed to the cases of some workloads. Shares their records."""
        found = [case for shape in set(workloads) for case in self.by_shape.get(shape, {}).values()]
        return replace(
            self,
            cases={case.number: case for case in sorted(found, key=lambda case: case.number)},
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
        chosen: dict[int, CaseRecord] = {}
        for cases in self.by_shape.values():
            plans: dict[int, list[CaseRecord]] = {}
            for case in cases.values():
                plans.setdefault(case.plan_number, []).append(case)
            number = plan_to_show(plans, self._asked) if len(plans) > 1 else next(iter(plans))
            chosen.update((case.number, case) for case in plans[number])
        return chosen

    @property
    def by_shape(self) -> dict[Attention, dict[int, CaseRecord]]:
        """The cases of each shape by their numbers, the shape that came first in front."""
        if self._by_shape is None:
            self._by_shape = {}
            for number, case in self.cases.items():
                self._by_shape.setdefault(case.workload, {})[number] = case
        return self._by_shape

    def _asked(self, number: int) -> int:
        """How many cases a plan has of each shape."""
        return len(self.plans[number].implementations) if number < len(self.plans) else 0

    def _end_plan(self) -> None:
        self.at_plan = False
        for record in self._open:
            record.ended = True
        self._open.clear()

    @property
    def plan(self) -> Plan | None:
        """The session's plan; of several, all together, to be measured as in the latest."""
        return self._together.of(self.plans)

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
