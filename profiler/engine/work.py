"""What an engine has a worker measure together: the cases of a shape, or of a row of training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import impls
from impls.contract import DeviceInfo, Implementation
from profiler.engine.protocol import MeasureShape, MeasureTraining
from profiler.events import (
    Event,
    Failure,
    FailureKind,
    Planned,
    Result,
    TrainingFailure,
    TrainingPlanned,
    TrainingResult,
)
from profiler.plans.plan import Case, Plan
from profiler.training.model import Training
from profiler.training.plan import TrainingCase, TrainingPlan
from profiler.workload import Attention

AnyPlan = Plan | TrainingPlan

RESULTS = (Result, TrainingResult)
FAILURES = (Failure, TrainingFailure)


class Work(Protocol):
    """Cases that share their rounds, spoken of by their numbers."""

    @property
    def waiting(self) -> tuple[int, ...]:
        """Those that have not been answered yet, in order."""
        ...

    def why_not(self, case: int, device: DeviceInfo) -> str | None:
        """Why it cannot be measured on the device, as far as that is known without trying."""
        ...

    def request(self) -> MeasureShape | MeasureTraining:
        """What asks a worker for all that wait."""
        ...

    def failure(self, case: int, kind: FailureKind, message: str) -> Failure | TrainingFailure:
        """The event that ends it so."""
        ...

    def loss(self, case: int, why: str) -> str:
        """What to say where the worker was lost, and why, at a case that was answered already."""
        ...

    def note(self, event: Event) -> None:
        """Take account of what was answered."""
        ...


class ShapeWork:
    """The cases of one shape. A case is answered when each of its passes is."""

    def __init__(self, plan: Plan, workload: Attention, cases: Sequence[Case]) -> None:
        self._plan = plan
        self._workload = workload
        self._cases = {case.number: case for case in cases}
        self._unanswered = {case.number: set(plan.passes_of(workload)) for case in cases}

    @property
    def waiting(self) -> tuple[int, ...]:
        return tuple(number for number, passes in self._unanswered.items() if passes)

    def why_not(self, case: int, device: DeviceInfo) -> str | None:
        return _why_not(
            self._cases[case].implementation, lambda found: found.supports(self._workload, device)
        )

    def request(self) -> MeasureShape:
        return MeasureShape(
            workload=self._workload,
            cases=tuple(self._cases[number] for number in self.waiting),
            passes=self._plan.passes_of(self._workload),
            stopping=self._plan.stopping,
            takes=self._plan.takes,
            seed=self._plan.seed,
        )

    def failure(self, case: int, kind: FailureKind, message: str) -> Failure:
        return Failure(
            case=case,
            workload=self._workload,
            implementation=self._cases[case].implementation,
            kind=kind,
            message=message,
        )

    def loss(self, case: int, why: str) -> str:
        return (
            f"after the rounds, at {self._cases[case].implementation}: {why}; graphs, kernels and energy of "
            "this shape are missing from here on"
        )

    def note(self, event: Event) -> None:
        if isinstance(event, Result | Failure) and event.case in self._unanswered:
            unanswered = self._unanswered[event.case]
            unanswered -= unanswered.copy() if event.which is None else {event.which}


class TrainingWork:
    """The cases of one row of training. A case is answered by its result or its failure."""

    def __init__(self, plan: TrainingPlan, training: Training, cases: Sequence[TrainingCase]) -> None:
        self._plan = plan
        self._training = training
        self._cases = {case.number: case for case in cases}
        self._answered: set[int] = set()

    @property
    def waiting(self) -> tuple[int, ...]:
        return tuple(number for number in self._cases if number not in self._answered)

    def why_not(self, case: int, device: DeviceInfo) -> str | None:
        return _why_not(
            self._cases[case].implementation, lambda found: _why_not_trained(found, self._training, device)
        )

    def request(self) -> MeasureTraining:
        return MeasureTraining(
            training=self._training,
            cases=tuple(self._cases[number] for number in self.waiting),
            batch=self._plan.batch,
            stopping=self._plan.stopping,
            takes=self._plan.takes,
            seed=self._plan.seed,
        )

    def failure(self, case: int, kind: FailureKind, message: str) -> TrainingFailure:
        return TrainingFailure(
            case=case,
            training=self._training,
            implementation=self._cases[case].implementation,
            kind=kind,
            message=message,
        )

    def loss(self, case: int, why: str) -> str:
        left = "what the row still lacks is begun anew" if self.waiting else "nothing of the row is missing"
        return f"when {self._cases[case].implementation} was done with: {why}; {left}"

    def note(self, event: Event) -> None:
        if isinstance(event, TrainingResult | TrainingFailure):
            self._answered.add(event.case)


def works_of(plan: AnyPlan) -> Iterator[Work]:
    """What a plan has to be measured together, in its order."""
    if isinstance(plan, Plan):
        yield from (ShapeWork(plan, workload, cases) for workload, cases in plan.shapes())
    else:
        yield from (TrainingWork(plan, training, cases) for training, cases in plan.rows())


def planned(plan: AnyPlan) -> Planned | TrainingPlanned:
    """The event that tells of a plan."""
    return Planned(plan=plan) if isinstance(plan, Plan) else TrainingPlanned(plan=plan)


def dtypes_of(plan: AnyPlan) -> tuple[str, ...]:
    """What a plan computes in, each once."""
    parts = plan.workloads if isinstance(plan, Plan) else plan.trainings
    return tuple(dict.fromkeys(part.dtype for part in parts))


def why_not_trained(implementation: str, training: Training, device: DeviceInfo) -> str | None:
    """Why a model cannot be trained with an implementation on a device, as one clause, or None.

    A package or a function of one's own may still refuse when it is tried.
    """
    return _why_not(implementation, lambda found: _why_not_trained(found, training, device))


def _why_not(name: str, reason_of: Callable[[Implementation], str | None]) -> str | None:
    try:
        return reason_of(impls.find(name))
    except impls.UnknownImplementation as error:  # a plan may come from another attnprof's screen
        return str(error)


def _why_not_trained(found: Implementation, training: Training, device: DeviceInfo) -> str | None:
    one_layer = training.attention(batch=1)
    if reason := found.supports(one_layer, device):
        return reason
    if not found.backward:
        return "has no backward, which training needs"
    if found.replays:  # each layer's output would be overwritten by the next layer's before its backward
        return "overwrites its output with its next call, and each layer makes one: train in reduce-overhead"
    if training.mode == "fullgraph" and found.breaks_graph:
        return found.breaks_graph(one_layer, device)
    return None
