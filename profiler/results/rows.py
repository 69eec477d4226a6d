"""The rows that every table, report and export shows: one a pass of a case, computed from a recording."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from math import comb
from typing import Literal

from profiler.events import LEAST_SAMPLES, Accuracy, Energy, Estimate, Failure, Kernels, Memory
from profiler.machine.datasheet import Peaks, peaks_of
from profiler.results.conditions import Conditions, conditions
from profiler.results.launch_bound import is_launch_bound
from profiler.results.roofline import UNKNOWN, Roofline, roofline
from profiler.session.case_record import CaseRecord, PassRecord
from profiler.session.recording import Recording
from profiler.stats import CONFIDENCE, estimate, mega_cycles, paired_ratio
from profiler.workload import PASSES, Attention, Pass

Status = Literal[
    "ok", "wrong", "nan", "running", "partial", "oom", "unsupported", "error", "crashed", "timeout"
]


@dataclass(frozen=True, slots=True)
class Row:
    """One pass of one case. Times in ms; what was not measured is None.

    `status` is "ok" with a whole result, "running" or "partial" with samples only (partial when
    the session has ended), otherwise what kept it from one. `speedup` is the median of the
    per-round ratios baseline / this, None for the baseline itself and for wrong results.
    `is_fastest` is whether it has the lowest median of its shape and pass, or ties with the one
    that has: so several may be. `launch_bound` is whether an eager caller pays over 1.2 x the
    GPU's own time; such a pass has `graph_ms`, its time as a CUDA graph, or the reason why not.

    `sm_mhz` is the SM clock during the samples by the GPU's own counters, and `mega_cycles` the
    median of time times clock, in millions; `nvml_sm_mhz` is the median of what NVML said during
    the shape's rounds. `conditions` maps what those were taken under, "power cap" or "another
    process on the GPU", to the share of readings that say so (see profiler.results.conditions).
    `first_calls_ms` is the host time of the case's first forward and backward, compilation included.
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
    is_fastest: bool = False
    converged: bool = True
    launch_hidden: bool = True
    launch_bound: bool = False
    graph_ms: Estimate | None = None
    graph_reason: str | None = None
    sm_mhz: Estimate | None = None
    nvml_sm_mhz: float | None = None
    mega_cycles: float | None = None
    conditions: Mapping[str, float] = field(default_factory=dict)
    roofline: Roofline = UNKNOWN
    energy: Energy | None = None
    kernels: Kernels | None = None
    graph_breaks: Mapping[str, int] | None = None
    accuracy: Accuracy | None = None
    writes_inputs: tuple[str, ...] = ()
    backend: str | None = None
    first_calls_ms: Mapping[Pass, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    failure: Failure | None = None

    @property
    def is_tie(self) -> bool:
        """Whether the rounds show no difference from the baseline."""
        return self.speedup is not None and holds_one(self.speedup)

    @property
    def first_call_ms(self) -> float | None:
        """Host time of this pass's first call."""
        return self.first_calls_ms.get(self.which)

    @property
    def joules_per_token(self) -> float | None:
        """Energy of a call over its queries, of the whole batch."""
        return self.energy.joules / self.workload.queries if self.energy else None


def holds_one(ratio: Estimate) -> bool:
    """Whether a ratio's interval holds 1; never where samples are too few for an interval."""
    return ratio.count >= LEAST_SAMPLES and ratio.low <= 1 <= ratio.high


def conditions_of(some: Iterable[Row]) -> dict[str, dict[Attention, float]]:
    """What the rows' shapes were measured under: each condition with its share of every shape that had it."""
    found: dict[str, dict[Attention, float]] = {}
    for row in some:
        for name, share in row.conditions.items():
            found.setdefault(name, {})[row.workload] = share
    return found


def one_a_case(some: Iterable[Row]) -> list[Row]:
    """The first row of each case: what is known of the case stands in all of its rows."""
    first: dict[int, Row] = {}
    for row in some:
        first.setdefault(row.case, row)
    return list(first.values())


def rows(recording: Recording, baseline: str | None = None) -> list[Row]:
    """Every row of the recording, in the plan's order; speedups over `baseline`, else the plan's."""
    return [row for _, found in _by_case(recording, baseline, letting_go=False) for row in found]


def rows_by_case(recording: Recording, baseline: str | None = None) -> Iterator[tuple[CaseRecord, list[Row]]]:
    """The same a case after the other, for what goes through all of them once.

    Of a large session no more stays decoded meanwhile than a shape.
    """
    return _by_case(recording, baseline, letting_go=True)


def _by_case(
    recording: Recording, baseline: str | None, *, letting_go: bool
) -> Iterator[tuple[CaseRecord, list[Row]]]:
    recording = recording.latest()
    session = _Session(recording, baseline or recording.baseline, datasheet_peaks(recording))
    waiting: dict[int, list[Row]] = {}  # of cases that stand further on than others of their shape
    for number, case in sorted(recording.cases.items()):
        if number not in waiting:
            of_shape = recording.by_shape[case.workload]
            waiting |= {each: [] for each in of_shape}
            for row in session.rows_of(of_shape.values()):
                waiting[row.case].append(row)
            if letting_go:
                for record in of_shape.values():
                    record.let_go()
        yield case, waiting.pop(number)


def is_imported(recording: Recording) -> bool:
    """Whether its results were read from files, and not measured by the run that wrote it."""
    return recording.header is not None and recording.header.imported is not None


def datasheet_peaks(recording: Recording) -> Peaks | None:
    """What the data sheet of the session's GPU promises; None without a GPU, or for one not known."""
    gpu = recording.header.environment.gpu if recording.header else None
    return peaks_of(gpu.name, gpu.compute_capability) if gpu else None


@dataclass(frozen=True)
class _Session:
    """What is the same for every row of a recording."""

    recording: Recording
    baseline: str | None
    peaks: Peaks | None

    def rows_of(self, of_shape: Collection[CaseRecord]) -> list[Row]:
        """The rows of all cases of a shape: only beside each other it is known which is the fastest."""
        cases = sorted(of_shape, key=lambda case: case.number)
        base = {case.implementation: case for case in of_shape}.get(self.baseline or "")
        during = conditions(self.recording.telemetry, cases)
        found = [self.row(case, which, base, during) for case in cases for which in self._asked(case)]
        best = set(_fastest(self.recording, found))
        return [replace(row, is_fastest=True) if (row.case, row.which) in best else row for row in found]

    def _asked(self, case: CaseRecord) -> Iterator[Pass]:
        """The passes that the case's own plan asks for: of several plans each may ask for others."""
        plans, together = self.recording.plans, self.recording.plan
        own = plans[case.plan_number].passes_of(case.workload) if case.plan_number < len(plans) else PASSES
        return (which for which in (together.passes if together else PASSES) if which in own)

    def row(self, case: CaseRecord, which: Pass, base: CaseRecord | None, during: Conditions) -> Row:
        record = case.passes.get(which, PassRecord())
        result, check, replayed = record.result, case.check, record.replayed
        failure = case.failure_of(which)
        status = _status(case, record, failure)
        device_ms = result.device_ms if result else _estimate(record.device_ms)
        tflops = result.tflops if result else None
        if tflops is None and device_ms is not None and device_ms.median > 0:
            tflops = case.workload.tflops(which, device_ms.median)
        comparable = status in ("ok", "running", "partial") and case.implementation != self.baseline
        memory = result.memory if result else check.memory.get(which) if check else None
        launch_bound = _is_launch_bound(record)
        clocks = [mhz for mhz in record.sm_mhz if mhz is not None]
        during = during if device_ms else Conditions()
        return Row(
            case=case.number,
            workload=case.workload,
            implementation=case.implementation,
            which=which,
            status=status,
            device_ms=device_ms,
            wall_ms=result.wall_ms if result else _estimate(record.wall_ms),
            tflops=tflops,
            memory=memory,
            speedup=_speedup(record, which, base) if comparable and base else None,
            is_baseline=case.implementation == self.baseline,
            converged=result.converged if result else False,
            launch_hidden=result.launch_hidden if result else True,
            launch_bound=launch_bound,
            graph_ms=_estimate(replayed.replay_ms) if replayed else None,
            graph_reason=replayed.reason if replayed else None,
            sm_mhz=result.sm_mhz if result else _estimate(clocks),
            nvml_sm_mhz=during.sm_mhz,
            mega_cycles=result.mega_cycles if result else mega_cycles(record.device_ms, record.sm_mhz),
            conditions=during.shares,
            roofline=self._roofline(case.workload, which, device_ms, memory, launch_bound),
            energy=record.energy,
            kernels=record.kernels,
            graph_breaks=check.graph_breaks if check else None,
            accuracy=check.accuracy if check else None,
            writes_inputs=check.writes_inputs if check else (),
            backend=check.backend if check else None,
            first_calls_ms=check.first_call_ms if check else {},
            notes=check.notes if check else (),
            failure=failure if result is None else None,
        )

    def _roofline(
        self,
        shape: Attention,
        which: Pass,
        device_ms: Estimate | None,
        memory: Memory | None,
        launch_bound: bool,
    ) -> Roofline:
        if device_ms is None or device_ms.median <= 0:  # too short for the clock
            return UNKNOWN
        if memory is None and is_imported(self.recording):  # nor is known what it moves
            return UNKNOWN
        return roofline(
            shape,
            which,
            device_ms.median,
            memory,
            launch_bound=launch_bound,
            ceilings=self.recording.ceilings,
            peaks=self.peaks,
        )


def _is_launch_bound(record: PassRecord) -> bool:
    """By the samples; by the result's medians where these are not there, as in what was imported."""
    result = record.result
    if record.device_ms or result is None or result.wall_ms is None:
        return is_launch_bound(record.device_ms, record.wall_ms)
    return is_launch_bound([result.device_ms.median], [result.wall_ms.median])


def _estimate(samples: list[float]) -> Estimate | None:
    return estimate(samples) if samples else None


def _speedup(record: PassRecord, which: Pass, base: CaseRecord) -> Estimate | None:
    base_samples = base.passes.get(which, PassRecord()).device_ms
    if base_samples and record.device_ms and _is_right(base) and not base.failure_of(which):
        with suppress(ValueError):  # every sample may be too short for the clock
            return paired_ratio(base_samples, record.device_ms)
    return None


def _fastest(recording: Recording, found: list[Row]) -> Iterator[tuple[int, Pass]]:
    """(case, pass) of the fastest of each shape and pass in which two or more finished right.

    The lowest median was picked out of all, so what ties with it does so at a level that allows for
    every pair of them (Bonferroni). A median that was not pinned down ties with nothing. In a session that
    was imported nothing is the fastest: it has no rounds, so what ties is not known.
    """
    if is_imported(recording):
        return
    contenders: dict[tuple[Attention, Pass], list[tuple[float, Row]]] = {}
    for row in found:
        if row.status == "ok" and row.device_ms:
            contenders.setdefault((row.workload, row.which), []).append((row.device_ms.median, row))
    for (_, which), times in contenders.items():
        if len(times) < 2:
            continue
        lowest, best = min(times, key=lambda time: time[0])
        confidence = 1 - (1 - CONFIDENCE) / comb(len(times), 2)
        for median, row in times:
            pinned = row.converged and best.converged
            if median == lowest or (pinned and _tie(recording, row, best, confidence)):
                yield row.case, which


def _tie(recording: Recording, one: Row, other: Row, confidence: float) -> bool:
    """Whether the rounds that both were measured in show no difference between them."""
    mine, others = (recording.cases[row.case].passes[row.which].device_ms for row in (one, other))
    with suppress(ValueError):  # no round has a sample of both
        return holds_one(paired_ratio(mine, others, confidence))
    return False


def _is_right(case: CaseRecord) -> bool:
    accuracy = case.check.accuracy if case.check else None
    return accuracy is None or accuracy.verdict == "ok"


def _status(case: CaseRecord, record: PassRecord, failure: Failure | None) -> Status:
    if record.result is None and failure is not None:
        return failure.kind
    if not _is_right(case) and case.check and case.check.accuracy:
        verdict = case.check.accuracy.verdict
        return "wrong" if verdict == "wrong" else "nan"
    if record.result is not None:
        return "ok"
    return "partial" if case.ended else "running"
