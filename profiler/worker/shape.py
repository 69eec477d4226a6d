"""One shape, measured: each case checked alone, then all together in rounds, then their results."""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

from impls import UnknownImplementation
from impls.contract import Implementation
from profiler.engine.protocol import MeasureShape, ShapeDone, Visiting, WorkerMessage
from profiler.events import CaseChecked, CaseStarted, Failure, Log, Result, Samples
from profiler.plans import stopping
from profiler.plans.plan import Case
from profiler.stats import estimate, mega_cycles
from profiler.worker.accuracy import Reference
from profiler.worker.check import CannotRun, Checked, check, largest_batch
from profiler.worker.compiled import forget_compiled, let_backward_repeat
from profiler.worker.cut import CutShort
from profiler.worker.devices import Device
from profiler.worker.extras import take_extras
from profiler.worker.failures import Explanation, explain
from profiler.worker.lost import raise_if_lost
from profiler.worker.rounds import Series, run_rounds
from profiler.worker.subject import SharedInputs, Subject
from profiler.workload import Pass

# A sample whose launch showed is slower than the others; so few of them cannot move the median.
_HIDDEN_SHARE = 0.95

Send = Callable[[WorkerMessage], None]
Find = Callable[[str], Implementation]


def measure_shape(request: MeasureShape, device: Device, find: Find, send: Send) -> None:
    """Do what is asked and send every event of it.

    Raises:
        DeviceLost: the device can no longer be used; what was measured has been sent.
    """
    # A collection goes through all that torch has loaded, a tenth of a second each time, if it may.
    gc.collect()
    gc.freeze()
    with suppress(CutShort):
        _measure(request, device, find, send)
    device.release()
    send(ShapeDone())


def _measure(request: MeasureShape, device: Device, find: Find, send: Send) -> None:
    forget_compiled()
    let_backward_repeat()
    shared = SharedInputs(request.workload, device, request.seed)
    subjects: list[Subject] = []
    checked = _check_cases(request, device, find, shared, send)
    if request.stopping.warm_up_s:
        checked = iter(list(checked))
        device.release()
    measured = _run_rounds(request, _kept(checked, subjects), device, send)
    for subject in subjects:
        for which, series in measured.get(subject.case, {}).items():
            send(_result(subject, which, series, request))
    for subject in subjects:
        if subject.case in measured:
            send(Visiting(case=subject.case))
            try:
                take_extras(subject, measured[subject.case], request.takes, device, send)
            except Exception as error:
                raise_if_lost(device, error)
                raise


def _kept(subjects: Iterable[Subject], kept: list[Subject]) -> Iterator[Subject]:
    """Pass the subjects on as they come, and keep them."""
    for subject in subjects:
        kept.append(subject)
        yield subject


def _check_cases(
    request: MeasureShape, device: Device, find: Find, shared: SharedInputs, send: Send
) -> Iterator[Subject]:
    """Every case's first calls; those that can be measured, each as soon as it has been checked.

    The inputs that a case was visited with in between are let go of before the next is checked,
    which is to find the device empty.
    """
    reference = _reference(request, device, send) if request.takes.accuracy else None
    for case in request.cases:
        try:
            implementation = find(case.implementation)
        except UnknownImplementation as error:  # a file that was edited since the engine looked at it
            send(_failure(case, Explanation("error", str(error))))
            continue
        checked = _check_case(case, implementation, request, device, reference, shared, send)
        if checked is not None:
            wanted = tuple(which for which in request.passes if which not in checked.lost)
            yield Subject(case, implementation, checked, wanted, shared, device)
            shared.let_go_of_inputs()


def _run_rounds(
    request: MeasureShape, subjects: Iterable[Subject], device: Device, send: Send
) -> dict[int, dict[Pass, Series]]:
    asked = request.stopping
    rested_s = 0.0

    def rest() -> bool:
        nonlocal rested_s
        time.sleep(asked.cooldown_s)
        rested_s += asked.cooldown_s
        return asked.cooldown_s > 0

    gc.disable()  # a collection inside a timed call would be counted as its wall time
    try:
        return run_rounds(
            subjects,
            warm_up_s=asked.warm_up_s,
            rest=rest,
            # The budget is for measuring: time to cool down is asked for beside it.
            rule=lambda: stopping.rule(asked, lambda: time.monotonic() - rested_s),
            order=random.Random(request.seed),
            clock=time.monotonic,
            reporter=_Reporter(request.cases, device, send),
        )
    finally:
        gc.enable()


def _reference(request: MeasureShape, device: Device, send: Send) -> Reference | None:
    backward = request.passes != ("fwd",)
    if request.workload.dropout:
        send(Log(level="info", message="accuracy was not checked: with dropout no two outputs are alike"))
        return None
    send(Visiting(case=request.cases[0].number))
    try:
        with device.without_limit():
            return Reference.compute(request.workload, device.name, request.seed, backward=backward)
    except Exception as error:
        raise_if_lost(device, error)
        send(Log(level="warning", message=f"accuracy was not checked: {explain(error).message}"))
    return None


def _check_case(
    case: Case,
    implementation: Implementation,
    request: MeasureShape,
    device: Device,
    reference: Reference | None,
    shared: SharedInputs,
    send: Send,
) -> Checked | None:
    """The case's first calls; its failures are sent, and None returned if nothing is left to measure."""
    workload = case.workload
    send(CaseStarted(case=case.number, workload=workload, implementation=case.implementation))

    def first_calls() -> tuple[Checked | None, list[tuple[Pass | None, Explanation]]]:
        """What they told, and which passes were lost: None stands for all."""
        try:
            checked = check(implementation, workload, request.passes, device, request.seed, reference)
        except CannotRun as error:
            return None, [(None, error.explanation)]
        return checked, [*checked.lost.items()]

    checked, lost = first_calls()
    if _ran_out(lost) and shared.let_go():  # so far beside what the others' calls hold
        del checked
        checked, lost = first_calls()
    for _, explanation in lost:
        raise_if_lost(device, explanation, lambda fault: send(_failure(case, fault)))
    fits = None
    if _ran_out(lost):
        if checked is not None:
            checked.compiled = None
        forget_compiled()  # what is left of a call that failed, a CUDA graph half recorded say
        fits = largest_batch(implementation, workload, request.passes, device)
    for which, explanation in lost:
        send(_failure(case, explanation, which=which, fits=fits if explanation.kind == "oom" else None))
    if checked is not None:
        send(_case_checked(case, implementation, checked))
    return checked


def _ran_out(lost: Iterable[tuple[Pass | None, Explanation]]) -> bool:
    return any(explanation.kind == "oom" for _, explanation in lost)


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
        writes_inputs=checked.writes_inputs,
        graph_breaks=checked.graph_breaks,
        notes=tuple(notes),
    )


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


def _result(subject: Subject, which: Pass, series: Series, request: MeasureShape) -> Result:
    device_ms = estimate(series.device_ms)
    clocks = [mhz for mhz in series.sm_mhz if mhz is not None]
    asked = request.stopping
    return Result(
        case=subject.case,
        workload=request.workload,
        implementation=subject.implementation.name,
        which=which,
        device_ms=device_ms,
        wall_ms=estimate(series.wall_ms) if series.wall_ms else None,
        tflops=request.workload.tflops(which, device_ms.median),
        sm_mhz=estimate(clocks) if clocks else None,
        mega_cycles=mega_cycles(series.device_ms, series.sm_mhz),
        memory=subject.checked.memory.get(which),
        converged=asked.repeats is not None or stopping.is_within(series.device_ms, asked.precision),
        launch_hidden=series.hidden >= _HIDDEN_SHARE * len(series.device_ms),
    )


def _clocks(sm_mhz: list[float | None]) -> list[float | None]:
    """As they are written: none at all where no sample has one."""
    if not any(sm_mhz):
        return []
    return [None if mhz is None else round(mhz, 1) for mhz in sm_mhz]


class _Reporter:
    """Sends what happens in rounds as events."""

    def __init__(self, cases: Iterable[Case], device: Device, send: Send) -> None:
        self._cases = {case.number: case for case in cases}
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
                    sm_mhz=_clocks(series.sm_mhz[first:]),
                )
            )

    def failed(self, case: int, error: Exception) -> None:
        described, explanation = self._cases[case], explain(error)
        raise_if_lost(self._device, explanation, lambda lost: self._send(_failure(described, lost)))
        self._send(_failure(described, explanation))
