"""Trainings as they stand: their events folded into one record a case, which a recording holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from profiler.events import (
    LEAST_SAMPLES,
    BatchTried,
    Steps,
    TrainingChecked,
    TrainingFailure,
    TrainingResult,
    TrainingStarted,
)
from profiler.session.numbering import Numbering
from profiler.session.showing import plan_to_show
from profiler.training.model import Training
from profiler.training.plan import TrainingPlan

TrainingEvent = TrainingStarted | BatchTried | TrainingChecked | Steps | TrainingResult | TrainingFailure


@dataclass
class TrainingRecord:
    """All that is known of one case of training. `steps` stand in the order in which they were made."""

    number: int
    training: Training
    implementation: str
    plan_number: int = 0
    """Which of the session's training plans it belongs to."""
    started_s: float = 0.0
    """When it was begun, by the session's time; if it was lost and begun anew, then."""
    batches: list[BatchTried] = field(default_factory=list)
    check: TrainingChecked | None = None
    steps: list[Steps] = field(default_factory=list)
    result: TrainingResult | None = None
    failure: TrainingFailure | None = None
    ended: bool = False
    """Whether nothing more of it will be measured, done or not."""

    @property
    def done(self) -> bool:
        return self.result is not None or self.failure is not None

    @property
    def has_enough(self) -> bool:
        """Whether it can be shown in the place of an earlier measurement."""
        return self.done or len(self.rounds) >= LEAST_SAMPLES

    @property
    def was_cut(self) -> bool:
        """Whether its measurement was ended before it came to anything."""
        return self.ended and not self.done

    @property
    def has_something(self) -> bool:
        """Whether there is a number, or a reason for none."""
        return self.done or any(steps.measured for steps in self.steps)

    @property
    def batch(self) -> int | None:
        """Sequences a step; None while that is not known."""
        if self.result is not None:
            return self.result.batch
        if self.check is not None:
            return self.check.batch
        return self.failure.batch if self.failure is not None else None

    @property
    def measured(self) -> list[Steps]:
        """Those of the steps that count."""
        return [steps for steps in self.steps if steps.measured]

    @property
    def measured_steps_ms(self) -> list[float]:
        """The time of each step that counts, in order."""
        return [step_ms for steps in self.measured for step_ms in steps.step_ms]

    @property
    def losses(self) -> list[float | None]:
        """The loss of every step before the rounds, from the first on; None where it is not finite.

        In rounds all implementations update the same parameters in turn: the loss of a measured step is
        that of what all of them have learnt, and falls the faster the more they are.
        """
        return [loss for steps in self.steps if not steps.measured for loss in steps.loss]

    @property
    def tokens_per_step(self) -> int | None:
        """The batch's tokens; None while the batch is not known."""
        return self.batch * self.training.context if self.batch is not None else None

    @property
    def steps_tokens_per_s(self) -> list[float]:
        """Tokens/s of every step, those before the measured ones too; empty while the batch is not known."""
        tokens = self.tokens_per_step
        if tokens is None:
            return []
        return [tokens / step_ms * 1000 for steps in self.steps for step_ms in steps.step_ms if step_ms > 0]

    @property
    def tokens_per_s(self) -> float | None:
        """All measured tokens over the time of all of them: the result's, or so far; None before any."""
        if self.result is not None:
            return self.result.tokens_per_s
        times, tokens = self.measured_steps_ms, self.tokens_per_step
        total_ms = sum(times)
        return tokens * len(times) / total_ms * 1000 if tokens is not None and total_ms > 0 else None

    @property
    def rounds(self) -> dict[int, list[float]]:
        """The times of the measured steps by their round."""
        return self.rounds_since(0.0)

    def rounds_since(self, since_s: float) -> dict[int, list[float]]:
        """Those of the rounds that ended after a time of the session."""
        found: dict[int, list[float]] = {}
        for steps in self.measured:
            if steps.round is not None and steps.step_ms and steps.at_s >= since_s:
                found.setdefault(steps.round, []).extend(steps.step_ms)
        return found

    @property
    def first_s(self) -> float | None:
        """When the first measured step began, by the session's time; None before any."""
        return visit_s(self.measured[0])[0] if self.measured else None

    @property
    def last_s(self) -> float | None:
        """When the latest measured step had ended, by the session's time; None before any."""
        return max((steps.at_s for steps in self.measured), default=None)


def visit_s(steps: Steps) -> tuple[float, float]:
    """When these steps began and ended, by the session's time: they are told of as soon as they are made."""
    return max(0.0, steps.at_s - sum(steps.step_ms) / 1000), steps.at_s


def fold(
    trainings: dict[int, TrainingRecord], numbering: Numbering, event: TrainingEvent, plan_number: int
) -> TrainingRecord | None:
    """Fold one event in, and return the record if one was made; what is told of no known case is ignored.

    An unsupported case fails without having begun: its record is made then.
    """
    if not isinstance(event, TrainingStarted | TrainingResult | TrainingFailure):
        if record := trainings.get(numbering.number(event.case)):
            _add(record, event)
        return None
    number = numbering.number_of(event.case, (event.training, event.implementation))
    record = trainings.get(number)
    is_new = record is None or isinstance(event, TrainingStarted)
    if record is None or isinstance(event, TrainingStarted):
        record = TrainingRecord(number, event.training, event.implementation, plan_number, event.at_s)
        trainings[number] = record
    _add(record, event)
    return record if is_new else None


def _add(record: TrainingRecord, event: TrainingEvent) -> None:
    match event:
        case BatchTried():
            record.batches.append(event)
        case TrainingChecked():
            record.check = event
        case Steps():
            record.steps.append(event)
        case TrainingResult():
            record.result = event
        case TrainingFailure():
            record.failure = event


def latest(
    trainings: Mapping[int, TrainingRecord], plans: Sequence[TrainingPlan]
) -> dict[int, TrainingRecord]:
    """Each row as it was measured last, and of implementations that were not asked for then, the latest."""
    rows: dict[Training, dict[int, list[TrainingRecord]]] = {}
    for record in trainings.values():
        rows.setdefault(record.training, {}).setdefault(record.plan_number, []).append(record)

    def expected(number: int) -> int:
        return len(plans[number].implementations) if number < len(plans) else 0

    chosen: list[TrainingRecord] = []
    for measured in rows.values():
        shown: dict[str, TrainingRecord] = {}
        while measured:
            number = plan_to_show(measured, expected)
            for record in measured.pop(number):
                shown.setdefault(record.implementation, record)
        chosen += shown.values()
    return {record.number: record for record in sorted(chosen, key=lambda record: record.number)}


class _Plans(TrainingPlan, frozen=True, kw_only=True):
    """Several plans as one, of which no run can be made: it may have more cases than a plan."""

    def __post_init__(self) -> None:
        pass


def together(plans: Sequence[TrainingPlan]) -> TrainingPlan | None:
    """A session's training plans as one, to be measured as in the latest; None where there is none."""
    if len(plans) < 2:
        return plans[0] if plans else None
    own = {
        "trainings": tuple(dict.fromkeys(training for plan in plans for training in plan.trainings)),
        "implementations": tuple(dict.fromkeys(name for plan in plans for name in plan.implementations)),
        "first_case": 0,
    }
    return _Plans(**{**msgspec.structs.asdict(plans[-1]), **own})
