"""How long a training run may still take, by the steps made so far, and how much it is at the least."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from profiler.training.model import Training
from profiler.training.plan import TrainingPlan
from profiler.training.recording import TrainingRecord, visit_s
from profiler.units import count

# More than most make of matmuls in float32; from an hour of that on it is worth a word.
_FAST_CPU_TFLOPS = 1.0
_LONG_HOURS = 1.0


def left_s(plan: TrainingPlan, trainings: Iterable[TrainingRecord], now_s: float) -> float | None:
    """Seconds that the rest of `plan` may take after `now_s` of the session; None before its first steps.

    A case makes its steps as fast as it has made them so far. One that has made none does the model's own
    work in them at the mean rate of those that have, and takes as long to come to them.
    """
    ours = range(plan.first_case, plan.first_case + plan.count)
    records = {record.number: record for record in trainings if record.number in ours}
    pace = _Pace.of(plan, [record for record in records.values() if record.steps])
    if pace is None:
        return None
    row_at = max((number for number, record in records.items() if _has_begun(record)), default=ours.start)
    total_s = 0.0
    for training, cases in plan.rows():
        if cases[-1].number < row_at:  # it is over, or was left
            continue
        for case in cases:
            total_s += pace.left_s(plan, training, records.get(case.number), now_s)
    return total_s


def least_tflop(plan: TrainingPlan) -> float:
    """The model's own work in all steps of a plan, in TFLOP; at a batch of one where it is to be found."""
    batch = plan.batch or 1
    tokens = plan.stopping.steps * batch * len(plan.implementations)
    return sum(row.model_tflops(tokens * row.context) for row in plan.trainings)


def takes_long(plan: TrainingPlan) -> str:
    """A word before what was made for a GPU is trained on a CPU; "" where there is nothing to say."""
    hours = least_tflop(plan) / _FAST_CPU_TFLOPS / 3600
    if plan.device != "cpu" or hours < _LONG_HOURS:
        return ""
    takes = f"{'at least ' if plan.batch is None else ''}{count(round(hours), 'hour')}"
    return f"this is made for a GPU: on a CPU of {_FAST_CPU_TFLOPS:g} TFLOP/s it takes {takes}"


@dataclass(frozen=True)
class _Pace:
    """What those that make steps tell of those that make none yet."""

    setting_up_s: float
    """From a case's beginning to its steps: the search for the batch, compiling, the check."""
    s_per_work: float

    @classmethod
    def of(cls, plan: TrainingPlan, records: list[TrainingRecord]) -> _Pace | None:
        if not records:
            return None
        return cls(
            statistics.fmean(max(0.0, visit_s(each.steps[0])[0] - each.started_s) for each in records),
            statistics.fmean(_step_s(each) / _work(plan, each.training) for each in records),
        )

    def left_s(
        self, plan: TrainingPlan, training: Training, record: TrainingRecord | None, now_s: float
    ) -> float:
        """Of one case."""
        if record is not None and (record.done or record.ended):
            return 0.0
        if record is not None and record.steps:
            made = sum(len(steps.step_ms) for steps in record.steps)
            return max(0, plan.stopping.steps - made) * _step_s(record)
        waited_s = 0.0 if record is None else max(0.0, now_s - record.started_s)
        steps_s = plan.stopping.steps * self.s_per_work * _work(plan, training)
        return max(0.0, self.setting_up_s - waited_s) + steps_s


def _work(plan: TrainingPlan, training: Training) -> float:
    """How much a step of one row is beside a step of another.

    Where the largest batch is looked for, about as many tokens fit whatever the context.
    """
    return training.model_tflops(1.0 if plan.batch is None else training.context)


def _step_s(record: TrainingRecord) -> float:
    """The median: a step that compiled, or came late, is not how they are."""
    return statistics.median(step_ms for steps in record.steps for step_ms in steps.step_ms) / 1000


def _has_begun(record: TrainingRecord) -> bool:
    """Not so where it failed before anything was tried, as what cannot run does for all rows at once."""
    return not record.done or bool(record.batches or record.check or record.steps)
