"""The rows that tables of training show: one a case, computed from a recording, and the study's tables."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

from profiler.events import LEAST_SAMPLES, Agreement, Estimate, TrainingFailure
from profiler.machine.datasheet import peaks_of
from profiler.results.conditions import TrainingConditions, training_conditions
from profiler.results.launch_bound import LAUNCH_BOUND_RATIO
from profiler.session.recording import Recording
from profiler.stats import CONFIDENCE, estimate_of_visits, paired_ratio
from profiler.training.model import Training
from profiler.training.plan import TrainingCase, TrainingPlan
from profiler.training.recording import TrainingRecord

TrainingStatus = Literal[
    "ok",
    "wrong",
    "nan",
    "diverged",
    "pending",
    "running",
    "partial",
    "oom",
    "unsupported",
    "error",
    "crashed",
    "timeout",
]


# Both rates have an error of some percent.
_MOST_PERCENT = 105.0


@dataclass(frozen=True)
class Parts:
    """A step's parts in ms, medians of the measured steps; `optimizer_ms` is all that is left."""

    forward_ms: float
    backward_ms: float
    optimizer_ms: float


@dataclass(frozen=True)
class TrainingRow:
    """One case of a training plan. What was not measured is None.

    `status` is "pending" before anything of it was done and where nothing ever will be (`ended`), "running"
    or "partial" without a result (partial when nothing more comes), else what became of it. "wrong" and
    "nan" are the check's, "diverged" is a loss that stopped being finite; neither has a speedup.

    `speedup` is the median of the per-round ratios of the time that a token takes in a median step,
    baseline / this; of rounds that were not the same it is that of all steps, without
    an interval. None for the baseline itself, and of two plans. `mfu_percent` is Training.model_tflops
    over the data sheet's rate for the dtype, `of_measured_percent` the same over the matmul rate
    measured on this GPU, None if that comes to more than there can be. `sm_mhz`, `power_w` and
    `joules_per_token` are from NVML's readings during the case's own measured steps, and `throttle` maps
    what those were made under to the share of readings that say so (profiler.results.conditions); where the
    visits were too short for readings of their own it is the whole row's, and there is no power.
    `batch` is what steps were made with, or what is asked for or found; of OOM None, for there it is what
    did not fit. `tried` are the batches that were tried, with whether they fit.
    """

    case: int
    training: Training
    implementation: str
    status: TrainingStatus
    ended: bool = False
    is_baseline: bool = False
    batch: int | None = None
    tried: Mapping[int, bool] = field(default_factory=dict)
    tokens_per_s: float | None = None
    step_ms: Estimate | None = None
    parts: Parts | None = None
    attention_percent: float | None = None
    gpu_busy_percent: float | None = None
    peak_bytes: int | None = None
    reserved_bytes: int | None = None
    process_bytes: int | None = None
    mfu_percent: float | None = None
    of_measured_percent: float | None = None
    speedup: Estimate | None = None
    first_step_ms: float | None = None
    compile_ms: float | None = None
    graph_breaks: Mapping[str, int] | None = None
    agreement: Agreement | None = None
    backend: str | None = None
    sm_mhz: float | None = None
    power_w: float | None = None
    joules_per_token: float | None = None
    throttle: Mapping[str, float] = field(default_factory=dict)
    converged: bool = True
    skipped_steps: int = 0
    steps_made: int = 0
    notes: tuple[str, ...] = ()
    failure: TrainingFailure | None = None

    @property
    def is_launch_bound(self) -> bool:
        """Whether a step takes over 1.2 times as long as its kernels, as for a single call."""
        return self.gpu_busy_percent is not None and self.gpu_busy_percent < 100 / LAUNCH_BOUND_RATIO

    @property
    def remarks(self) -> tuple[str, ...]:
        """What else is worth knowing of it, a clause each; why it failed comes first."""
        found = [self.failure.message] if self.failure else []
        if self.is_launch_bound:
            found.append(f"launch-bound: the GPU works in {self.gpu_busy_percent:.0f} % of a step")
        if self.speedup is not None and 1 < self.speedup.count < LEAST_SAMPLES:
            found.append(f"only {self.speedup.count} rounds: too few for the speedup to have an interval")
        if self.skipped_steps:
            steps = "1 step was" if self.skipped_steps == 1 else f"{self.skipped_steps:,} steps were"
            found.append(f"{steps} left out, for a gradient of the scaled loss had overflowed")
        return (*found, *self.notes)


def training_rows(recording: Recording, baseline: str | None = None) -> list[TrainingRow]:
    """Every row of what is trained, in the plans' order; speedups over `baseline`, else the plan's.

    These are all of the latest plan, and of plans before it those that something was measured of.
    """
    recording = recording.latest()
    session = _Session.of(recording, baseline or recording.training_baseline)
    records = {(record.training, record.implementation): record for record in recording.trainings.values()}
    found = []
    for case, batch in _asked(recording.training_plans, records):
        record = records.get((case.training, case.implementation))
        if record is not None:
            base = records.get((case.training, session.baseline or ""))
            found.append(session.row(record, base))
        else:
            is_due = recording.at_plan and case.number >= recording.training_plans[-1].first_case
            found.append(
                TrainingRow(
                    case=case.number,
                    training=case.training,
                    implementation=case.implementation,
                    status="pending",
                    ended=not is_due,
                    is_baseline=case.implementation == session.baseline,
                    batch=batch,
                )
            )
    return found


def _asked(
    plans: Sequence[TrainingPlan], records: Mapping[tuple[Training, str], TrainingRecord]
) -> list[tuple[TrainingCase, int | None]]:
    """Each row with each implementation that there is to show, row by row, and the batch if that is given.

    Of a case that several plans have it is the latest; what earlier plans never came to is left out.
    """
    order = dict.fromkeys(name for plan in plans for name in plan.implementations)
    asked: dict[Training, dict[str, tuple[TrainingCase, int | None]]] = {}
    for plan in plans:
        for training, cases in plan.rows():
            for case in cases:
                record = records.get((training, case.implementation))
                if plan is plans[-1] or (record is not None and (record.done or record.steps)):
                    asked.setdefault(training, {})[case.implementation] = case, plan.batch
    return [of_row[name] for of_row in asked.values() for name in order if name in of_row]


@dataclass(frozen=True)
class _Session:
    """What is the same for every row of a recording."""

    baseline: str | None
    sheet_tflops: Mapping[str, float]
    measured_tflops: Mapping[str, float]
    conditions: Mapping[int, TrainingConditions]

    @classmethod
    def of(cls, recording: Recording, baseline: str | None) -> _Session:
        gpu = recording.header.environment.gpu if recording.header else None
        peaks = peaks_of(gpu.name, gpu.compute_capability) if gpu else None
        matmul = recording.ceilings.matmul if recording.ceilings else {}
        return cls(
            baseline,
            peaks.tflops if peaks else {},
            {dtype: rate.tflops for dtype, rate in matmul.items()},
            training_conditions(recording),
        )

    def row(self, record: TrainingRecord, base: TrainingRecord | None) -> TrainingRow:
        result, check, status = record.result, record.check, _status(record)
        has_failed = result is None and record.failure is not None  # its steps so far stay in the session
        visits = [] if has_failed else list(record.rounds.values())
        tokens_per_s = None if has_failed else record.tokens_per_s
        is_baseline = record.implementation == self.baseline
        comparable = status in ("ok", "running", "partial") and not is_baseline
        during = self.conditions.get(record.number, TrainingConditions())
        dtype = record.training.dtype
        tflops = record.training.model_tflops(tokens_per_s) if tokens_per_s else None
        step_ms = estimate_of_visits(visits) if visits else None
        return TrainingRow(
            case=record.number,
            training=record.training,
            implementation=record.implementation,
            status=status,
            ended=record.ended,
            is_baseline=is_baseline,
            batch=None if status == "oom" else record.batch,
            tried={tried.batch: tried.fits for tried in record.batches},
            tokens_per_s=tokens_per_s,
            step_ms=result.step_ms if result else step_ms,
            parts=None if has_failed else _parts(record),
            attention_percent=result.attention_percent if result else None,
            gpu_busy_percent=result.gpu_busy_percent if result else None,
            peak_bytes=result.peak_bytes if result else None,
            reserved_bytes=result.reserved_bytes if result else None,
            process_bytes=result.process_bytes if result else None,
            mfu_percent=percent_of(tflops, self.sheet_tflops.get(dtype)),
            of_measured_percent=_possible(percent_of(tflops, self.measured_tflops.get(dtype))),
            speedup=_speedup(record, base) if comparable and base else None,
            first_step_ms=check.first_step_ms if check else None,
            compile_ms=check.compile_ms if check else None,
            graph_breaks=check.graph_breaks if check else None,
            agreement=check.agreement if check else None,
            backend=check.backend if check else None,
            sm_mhz=during.sm_mhz,
            power_w=during.power_w,
            joules_per_token=_per_token(during.power_w, tokens_per_s),
            throttle=during.shares,
            converged=result.converged if result else False,
            skipped_steps=result.skipped_steps if result else 0,
            steps_made=sum(len(steps.step_ms) for steps in record.steps),
            notes=check.notes if check else (),
            failure=record.failure if has_failed else None,
        )


def _status(record: TrainingRecord) -> TrainingStatus:
    if record.result is None and record.failure is not None:
        return record.failure.kind
    if not _is_right(record) and record.check and record.check.agreement:
        return "wrong" if record.check.agreement.verdict == "wrong" else "nan"
    if record.result is not None:
        return "ok"
    return "partial" if record.ended else "running"


def _is_right(record: TrainingRecord) -> bool:
    agreement = record.check.agreement if record.check else None
    return agreement is None or agreement.verdict == "ok"


def _parts(record: TrainingRecord) -> Parts | None:
    if (result := record.result) is not None:
        return Parts(result.forward_ms, result.backward_ms, result.optimizer_ms)
    if not record.measured_steps_ms:
        return None

    def median(name: str) -> float:
        times = [part_ms for steps in record.measured for part_ms in getattr(steps, name)]
        return statistics.median(times) if times else 0.0

    return Parts(median("forward_ms"), median("backward_ms"), median("optimizer_ms"))


def _speedup(record: TrainingRecord, base: TrainingRecord) -> Estimate | None:
    """The ratio of the time of a token by round, of the rounds that both were measured in.

    Where there was no round of both, as with CUDA graphs, it is that of all steps, without an interval.
    """
    if base.failure or not _is_right(base) or base.plan_number != record.plan_number:
        return None
    of_rounds = ratio_of_rounds(base, record)
    if of_rounds is None and record.result and base.result and base.result.tokens_per_s:
        ratio = record.result.tokens_per_s / base.result.tokens_per_s
        return Estimate(median=ratio, low=ratio, high=ratio, count=1)
    return of_rounds


def ratio_of_rounds(
    slower: TrainingRecord, faster: TrainingRecord, confidence: float = CONFIDENCE
) -> Estimate | None:
    """The one's time of a token over the other's, by round; None where no round is of both.

    By each round's median step: that of a host that was late once is not the implementation's.
    """
    if slower.plan_number != faster.plan_number:
        return None
    # A round of before the other had begun, in this worker, is no round of both.
    since_s = max(slower.started_s, faster.started_s)
    mine, others = _ms_per_token(slower, since_s), _ms_per_token(faster, since_s)
    both = sorted(mine.keys() & others.keys())
    with suppress(ValueError):  # no round, or steps too short for the clock
        return paired_ratio(
            [mine[number] for number in both], [others[number] for number in both], confidence
        )
    return None


def _ms_per_token(record: TrainingRecord, since_s: float) -> dict[int, float]:
    """The median time of a step over its tokens, by round, of those since then."""
    tokens = record.tokens_per_step
    rounds = record.rounds_since(since_s)
    return {number: statistics.median(times) / tokens for number, times in rounds.items() if tokens}


def percent_of(part: float | None, whole: float | None) -> float | None:
    """`part` in percent of `whole`; None where one is not known, or there is no whole."""
    return 100 * part / whole if part is not None and whole else None


def _possible(percent: float | None) -> float | None:
    """None where it is over what there can be: that peak was measured while something else ran."""
    return percent if percent is None or percent <= _MOST_PERCENT else None


def _per_token(power_w: float | None, tokens_per_s: float | None) -> float | None:
    return power_w / tokens_per_s if power_w is not None and tokens_per_s else None
