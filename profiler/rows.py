"""The rows that every table, report and export shows: one a pass of a case, computed from a recording."""

from __future__ import annotations

import statistics
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from profiler.events import Accuracy, Estimate, Failure, Memory
from profiler.recording import CaseRecord, PassRecord, Recording
from profiler.stats import estimate, paired_ratio
from profiler.workload import PASSES, Attention, Pass

Status = Literal[
    "ok", "wrong", "nan", "running", "partial", "oom", "unsupported", "error", "crashed", "timeout"
]
LAUNCH_BOUND_RATIO = 1.2


@dataclass(frozen=True)
class Row:
    """One pass of one case. Times in ms; what was not measured is None.

    `status` is "ok" with a whole result, "running" or "partial" with samples only (partial when
    the session has ended), otherwise what kept it from one. `speedup` is the median of the
    per-round ratios baseline / this, None for the baseline itself and for wrong results.
    `launch_bound` is whether an eager caller pays over 1.2 x the GPU's own time.
    """

    case: int
    workload: Attention
    implementation: str
    which: Pass
    status: Status
    device_ms: Estimate | None = None
    wall_ms: Estimate | None = None
    tflops: float | None = None
    memory: Memory | None = None
    speedup: Estimate | None = None
    is_baseline: bool = False
    converged: bool = True
    launch_hidden: bool = True
    launch_bound: bool = False
    accuracy: Accuracy | None = None
    backend: str | None = None
    first_call_ms: float | None = None
    notes: tuple[str, ...] = ()
    failure: Failure | None = None


def rows(recording: Recording, baseline: str | None = None) -> list[Row]:
    """Every row of the recording, in the plan's order; speedups over `baseline`, else the plan's."""
    baseline = baseline or recording.baseline
    baselines = {case.workload: case for case in recording.cases.values() if case.implementation == baseline}
    passes: tuple[Pass, ...] = recording.plan.passes if recording.plan else PASSES
    return [
        _row(recording, case, which, baselines.get(case.workload), baseline)
        for case in sorted(recording.cases.values(), key=lambda case: case.number)
        for which in passes
    ]


def _row(
    recording: Recording, case: CaseRecord, which: Pass, base: CaseRecord | None, baseline: str | None
) -> Row:
    record = case.passes.get(which, PassRecord())
    result, check = record.result, case.check
    device_ms = result.device_ms if result else estimate(record.device_ms) if record.device_ms else None
    wall_ms = result.wall_ms if result else estimate(record.wall_ms) if record.wall_ms else None
    failure = case.failure_of(which)
    status = _status(recording, case, record, failure)
    is_baseline = case.implementation == baseline
    speedup = None
    if base is not None and not is_baseline and status in ("ok", "running", "partial"):
        base_samples = base.passes.get(which, PassRecord()).device_ms
        if base_samples and record.device_ms and _is_right(base) and not base.failure_of(which):
            with suppress(ValueError):  # every sample may be too short for the clock
                speedup = paired_ratio(base_samples, record.device_ms)
    tflops = result.tflops if result else None
    if tflops is None and device_ms is not None and device_ms.median > 0:
        tflops = case.workload.tflops(which, device_ms.median)
    return Row(
        case=case.number,
        workload=case.workload,
        implementation=case.implementation,
        which=which,
        status=status,
        device_ms=device_ms,
        wall_ms=wall_ms,
        tflops=tflops,
        memory=result.memory if result else check.memory.get(which) if check else None,
        speedup=speedup,
        is_baseline=is_baseline,
        converged=result.converged if result else False,
        launch_hidden=result.launch_hidden if result else True,
        launch_bound=_is_launch_bound(record),
        accuracy=check.accuracy if check else None,
        backend=check.backend if check else None,
        first_call_ms=check.first_call_ms.get(which) if check else None,
        notes=check.notes if check else (),
        failure=failure if result is None else None,
    )


def _is_launch_bound(record: PassRecord) -> bool:
    """By the rounds that have both times: later ones may run at another clock."""
    if not (record.wall_ms and record.device_ms):
        return False
    device_ms = statistics.median(record.device_ms[: len(record.wall_ms)])
    return statistics.median(record.wall_ms) > LAUNCH_BOUND_RATIO * device_ms


def _is_right(case: CaseRecord) -> bool:
    accuracy = case.check.accuracy if case.check else None
    return accuracy is None or accuracy.verdict == "ok"


def _status(recording: Recording, case: CaseRecord, record: PassRecord, failure: Failure | None) -> Status:
    if record.result is None and failure is not None:
        return failure.kind
    if not _is_right(case) and case.check and case.check.accuracy:
        verdict = case.check.accuracy.verdict
        return "wrong" if verdict == "wrong" else "nan"
    if record.result is not None:
        return "ok"
    return "partial" if recording.finished else "running"
