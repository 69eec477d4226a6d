"""One shape, measured: each case checked alone, then all together in rounds, then their results."""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from impls.contract import Implementation, Layout
from profiler import stopping
from profiler.events import CaseChecked, CaseStarted, Failure, Log, Result, Samples
from profiler.plan import Case
from profiler.protocol import MeasureShape, ShapeDone, Visiting, WorkerMessage
from profiler.stats import estimate
from profiler.worker.accuracy import Reference
from profiler.worker.calls import Calls
from profiler.worker.check import CannotRun, Checked, check, largest_batch
from profiler.worker.devices import Device
from profiler.worker.failures import Explanation, explain
from profiler.worker.inputs import Tensors, make_inputs
from profiler.worker.reference import is_affordable
from profiler.worker.rounds import Series, run_rounds
from profiler.worker.timer import Timing
from profiler.workload import Pass

# A sample whose launch showed is slower than the others; so few of them cannot move the median.
_HIDDEN_SHARE = 0.95

Send = Callable[[WorkerMessage], None]
Find = Callable[[str], Implementation]


class DeviceLost(RuntimeError):
    """A kernel faulted: CUDA answers every further call with the same error, so the worker must go."""


def measure_shape(request: MeasureShape, device: Device, find: Find, send: Send) -> None:
    """Do what is asked and send every event of it.

    Raises:
        DeviceLost: the device can no longer be used; what was measured has been sent.
    """
    reference = _reference(request, device, send)
    shared = _SharedInputs(request, device)
    subjects = []
    for case in request.cases:
        implementation = find(case.implementation)
        checked = _check_case(case, implementation, request, device, reference, send)
        if checked is not None:
            wanted = tuple(which for which in request.passes if which not in checked.lost)
            subjects.append(_Subject(case, implementation, checked, wanted, shared, device))
    del reference
    device.release()
    reporter = _Reporter(subjects, device, send)
    gc.disable()  # a collection inside a timed call would be counted as its wall time
    try:
        measured = run_rounds(
            subjects,
            rule=lambda: stopping.rule(request.stopping, time.monotonic),
            order=random.Random(request.seed),
            clock=time.monotonic,
            reporter=reporter,
        )
    finally:
        gc.enable()
    for subject in subjects:
        for which, series in measured.get(subject.case, {}).items():
            send(_result(subject, which, series, request))
    shared.clear()
    device.release()
    send(ShapeDone())


def _reference(request: MeasureShape, device: Device, send: Send) -> Reference | None:
    backward = request.passes != ("fwd",)
    if not is_affordable(request.workload, device.name):
        lengths = f"{request.workload.seq_q} x {request.workload.seq_k}"
        message = f"accuracy was not checked at {lengths}: the reference for one head would take minutes"
        send(Log(level="warning", message=message))
        return None
    send(Visiting(case=request.cases[0].number))
    try:
        return Reference.compute(request.workload, device.name, request.seed, backward=backward)
    except Exception as error:
        _raise_if_lost(device, error)
        send(Log(level="warning", message=f"accuracy was not checked: {explain(error).message}"))
    return None


def _check_case(
    case: Case,
    implementation: Implementation,
    request: MeasureShape,
    device: Device,
    reference: Reference | None,
    send: Send,
) -> Checked | None:
    """The case's first calls; its failures are sent, and None returned if nothing is left to measure."""
    workload = case.workload
    send(CaseStarted(case=case.number, workload=workload, implementation=case.implementation))
    checked: Checked | None = None
    lost: list[tuple[Pass | None, Explanation]]  # None stands for all passes
    try:
        checked = check(implementation, workload, request.passes, device, request.seed, reference)
        lost = [*checked.lost.items()]
    except CannotRun as error:
        lost = [(None, error.explanation)]
    for _, explanation in lost:
        _raise_if_lost(device, explanation, lambda fault: send(_failure(case, fault)))
    fits = None
    if any(explanation.kind == "oom" for _, explanation in lost):
        fits = largest_batch(implementation, workload, request.passes, device)
    for which, explanation in lost:
        send(_failure(case, explanation, which=which, fits=fits if explanation.kind == "oom" else None))
    if checked is not None:
        send(_case_checked(case, implementation, checked))
    return checked


def _case_checked(case: Case, implementation: Implementation, checked: Checked) -> CaseChecked:
    notes = list(checked.notes)
    if implementation.padded_head_dim:
        head_dim = case.workload.head_dim
        padded = implementation.padded_head_dim(head_dim)
        if padded != head_dim:
            notes.append(f"head dim {head_dim} is computed as {padded}")
    return CaseChecked(
        case=case.number,
        first_call_ms=checked.first_call_ms,
        backend=checked.backend,
        accuracy=checked.accuracy,
        memory=checked.memory,
        notes=tuple(notes),
    )


def _raise_if_lost(
    device: Device,
    cause: Explanation | Exception,
    report: Callable[[Explanation], None] = lambda lost: None,
) -> None:
    """Raise DeviceLost, after reporting it, if the device does not answer any more."""
    try:
        device.synchronize()
    except Exception as error:
        first = explain(error).message if isinstance(cause, Exception) else cause.message
        report(Explanation("crashed", f"the GPU faulted: {first}"))
        raise DeviceLost(first) from error


def _failure(
    case: Case, explanation: Explanation, *, which: Pass | None = None, fits: int | None = None
) -> Failure:
    return Failure(
        case=case.number,
        workload=case.workload,
        implementation=case.implementation,
        which=which,
        kind=explanation.kind,
        message=explanation.message,
        requested_bytes=explanation.requested_bytes,
        largest_batch=fits,
    )


def _result(subject: _Subject, which: Pass, series: Series, request: MeasureShape) -> Result:
    device_ms = estimate(series.device_ms)
    asked = request.stopping
    return Result(
        case=subject.case,
        workload=request.workload,
        implementation=subject.implementation.name,
        which=which,
        device_ms=device_ms,
        wall_ms=estimate(series.wall_ms) if series.wall_ms else None,
        tflops=request.workload.tflops(which, device_ms.median),
        memory=subject.checked.memory.get(which),
        converged=asked.repeats is not None or stopping.is_within(series.device_ms, asked.precision),
        launch_hidden=series.hidden >= _HIDDEN_SHARE * len(series.device_ms),
    )


@dataclass
class _SharedInputs:
    """The shape's inputs, made once for each layout that is asked for."""

    request: MeasureShape
    device: Device
    by_layout: dict[Layout, Tensors] = field(default_factory=dict)

    def get(self, layout: Layout) -> Tensors:
        if layout not in self.by_layout:
            self.by_layout[layout] = make_inputs(
                self.request.workload, layout, self.device.name, self.request.seed
            )
        return self.by_layout[layout]

    def keep_only(self, layout: Layout) -> None:
        self.by_layout = {kept: tensors for kept, tensors in self.by_layout.items() if kept == layout}

    def clear(self) -> None:
        self.by_layout.clear()


class _Subject:
    """A case that passed its first calls, ready to be visited in rounds."""

    def __init__(
        self,
        case: Case,
        implementation: Implementation,
        checked: Checked,
        passes: tuple[Pass, ...],
        shared: _SharedInputs,
        device: Device,
    ) -> None:
        self.case = case.number
        self.described = case
        self.implementation = implementation
        self.checked = checked
        self._passes = passes
        self._shared = shared
        self._device = device
        self._calls: Calls | None = None

    def visit(self, *, wall: bool) -> dict[Pass, Timing]:
        """One sample of each pass; it fitted alone, so if memory runs out others' inputs give way."""
        try:
            return self._sample(wall)
        except RuntimeError as error:  # torch.OutOfMemoryError is one, and so is the CPU allocator's
            if explain(error).kind != "oom":
                raise
        self._shared.keep_only(self.implementation.layout)
        self._device.release()
        return self._sample(wall)

    def _sample(self, wall: bool) -> dict[Pass, Timing]:
        # Whatever must be made is made here, before any clock starts.
        inputs = self._shared.get(self.implementation.layout)
        if self._calls is None:
            attend = self.implementation.prepare(self.described.workload, self._device.name)
            self._calls = Calls(attend, self._device)
        return {which: self._calls.time(which, inputs, wall=wall) for which in self._passes}


class _Reporter:
    """Sends what happens in rounds as events."""

    def __init__(self, subjects: Iterable[_Subject], device: Device, send: Send) -> None:
        self._cases = {subject.case: subject.described for subject in subjects}
        self._device = device
        self._send = send

    def visiting(self, case: int) -> None:
        self._send(Visiting(case=case))

    def measured(self, case: int, which: Pass, series: Series) -> None:
        first = series.reported
        if len(series.device_ms) > first:
            self._send(
                Samples(
                    case=case,
                    which=which,
                    first_round=first,
                    device_ms=[round(ms, 6) for ms in series.device_ms[first:]],
                    wall_ms=[round(ms, 6) for ms in series.wall_ms[first:]],
                )
            )

    def failed(self, case: int, error: Exception) -> None:
        described, explanation = self._cases[case], explain(error)
        _raise_if_lost(self._device, explanation, lambda lost: self._send(_failure(described, lost)))
        self._send(_failure(described, explanation))
