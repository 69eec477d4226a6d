"""What is taken of a case after its rounds, alone: the pass as a CUDA graph, its kernels, its energy.

None of it may disturb the samples, and none of it is a reason for a case to fail: what cannot be
had is said.
"""

from __future__ import annotations

import statistics
import warnings
from collections.abc import Callable, Mapping

from profiler.engine.protocol import WorkerMessage
from profiler.events import Energy, Kernels, Log, Replayed
from profiler.plans.plan import Takes
from profiler.results.launch_bound import is_launch_bound
from profiler.worker import cut
from profiler.worker.devices import CudaDevice, Device
from profiler.worker.energy import NoEnergyCounter, energy_of
from profiler.worker.failures import explain
from profiler.worker.graphs import capture
from profiler.worker.kernels import kernels_of
from profiler.worker.rounds import Series
from profiler.worker.subject import Subject
from profiler.workload import PASS_LABELS, Pass

# Replays are alike: their launch is one, and nothing of them is decided anew.
_REPLAYS = 10
_REPLAYS_BEFORE = 3

Send = Callable[[WorkerMessage], None]


def take_extras(
    subject: Subject, measured: dict[Pass, Series], takes: Takes, device: Device, send: Send
) -> None:
    """Take what is asked for of every pass that was measured.

    Raises:
        Exception: only if the device itself is lost.
    """
    to_capture = _to_capture(subject, measured) if takes.graphs and isinstance(device, CudaDevice) else set()
    if not (takes.kernels or takes.energy or to_capture):
        return
    subject.make_room()
    for which, series in measured.items():
        cut.heed()
        if which in to_capture and isinstance(device, CudaDevice):
            send(_replayed(subject, which, device))
            device.release()  # a graph's memory is its own until then
        if takes.kernels and (kernels := _kernels(subject, which, device, send)):
            send(kernels)
        if takes.energy and (energy := _energy(subject, which, series, device, send)):
            send(energy)


def _to_capture(subject: Subject, measured: Mapping[Pass, Series]) -> set[Pass]:
    """The passes that a graph would help, unless what was measured was one: such have none within."""
    if subject.implementation.replays:
        return set()
    return {which for which, series in measured.items() if is_launch_bound(series.device_ms, series.wall_ms)}


def _replayed(subject: Subject, which: Pass, device: CudaDevice) -> Replayed:
    timer = device.timer()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what cannot be captured says so by raising
            replay = capture(subject.calls, which, subject.inputs, device.capture_stream)
        for _ in range(_REPLAYS_BEFORE):
            timer.sample(replay, wall=False)
        times_ms = [timer.sample(replay, wall=False).device_ms for _ in range(_REPLAYS)]
    except Exception as error:
        device.synchronize()  # raises in its turn if the device is lost
        return Replayed(case=subject.case, which=which, reason=explain(error).message)
    return Replayed(case=subject.case, which=which, replay_ms=[round(ms, 6) for ms in times_ms])


def _kernels(subject: Subject, which: Pass, device: Device, send: Send) -> Kernels | None:
    flush = device.bench.flush_l2 if isinstance(device, CudaDevice) else None
    try:
        kernels, span_us = kernels_of(subject.ready(which), on_gpu=flush is not None, before=flush)
    except Exception as error:
        device.synchronize()
        send(_without("kernels", subject, which, explain(error).message))
        return None
    return Kernels(
        case=subject.case,
        which=which,
        kernels=kernels,
        span_us=round(span_us, 3),
        operators=flush is None,
    )


def _energy(subject: Subject, which: Pass, series: Series, device: Device, send: Send) -> Energy | None:
    if not isinstance(device, CudaDevice):
        send(_without("energy", subject, which, "only a GPU has the counter"))
        return None
    call_ms = statistics.median(series.wall_ms or series.device_ms)
    clock = device.bench.clock
    try:
        call = subject.ready(which)
        if clock is not None:
            clock.before()
        window = energy_of(call, call_ms, device.energy_j)
        if clock is not None:
            clock.after()
        sm_mhz = clock.mhz() if clock is not None else None
    except NoEnergyCounter as error:
        send(_without("energy", subject, which, str(error)))
        return None
    except Exception as error:
        device.synchronize()
        send(_without("energy", subject, which, explain(error).message))
        return None
    return Energy(
        case=subject.case,
        which=which,
        joules=window.joules,
        power_w=round(window.power_w, 1),
        window_s=round(window.window_s, 3),
        call_ms=round(window.call_ms, 6),
        sm_mhz=None if sm_mhz is None else round(sm_mhz, 1),
    )


def _without(what: str, subject: Subject, which: Pass, why: str) -> Log:
    name = f"{subject.implementation.name} {PASS_LABELS[which]}"
    return Log(level="warning", message=f"no {what} of {name}: {why}")
