"""What the device does at best: the rate of a matmul in each dtype, and of copying memory.

Timed as every call is: launch hidden, L2 flushed, warmed up, medians. Percentages of these say
how near a kernel comes to what this GPU does today, at the clock it ran at then, which is kept
beside: under a power limit minutes of load may end a few percent lower. The data sheet's figure
is for a clock that matmuls do not hold at all.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from profiler.events import Ceilings, CopyRate, Log, MatmulRate
from profiler.plans import stopping
from profiler.worker.devices import Device
from profiler.worker.failures import explain
from profiler.worker.timer import Call, CallTimer, Timing


@dataclass(frozen=True)
class _Effort:
    """Matmuls grow by doubling until one lasts `enough_ms`, or to the largest; then they are timed."""

    smallest_matmul: int
    largest_matmul: int
    enough_ms: float
    copy_bytes: int
    warm_up_s: float
    budget_s: float


_EFFORT = {
    # A matmul of a millisecond fills any GPU; the copy is many times the largest L2.
    "cuda": _Effort(
        smallest_matmul=2048,
        largest_matmul=16384,
        enough_ms=1.0,
        copy_bytes=2**30,
        warm_up_s=0.2,
        budget_s=0.4,
    ),
    # A CPU is no benchmark here: it should not wait for its ceilings.
    "cpu": _Effort(
        smallest_matmul=256,
        largest_matmul=2048,
        enough_ms=5.0,
        copy_bytes=2**26,
        warm_up_s=0.02,
        budget_s=0.1,
    ),
}
_PRECISION = 0.01
# Operands and result, or the copy, take no more than this of what is free.
_MOST_OF_MEMORY = 0.25


def send_ceilings(dtypes: Sequence[str], device: Device, send: Callable[[Ceilings | Log], None]) -> None:
    """Measure and send; empty ones, with the reason, where it cannot be done: a run goes on without."""
    try:
        ceilings = measure_ceilings(dtypes, device)
    except Exception as error:
        send(Log(level="warning", message=f"the ceilings were not measured: {explain(error).message}"))
        ceilings = Ceilings(matmul={})
    send(ceilings)


def measure_ceilings(dtypes: Sequence[str], device: Device) -> Ceilings:
    """The rates of `dtypes`' matmuls and of a copy on `device`."""
    effort = _EFFORT[device.kind]
    with device.without_limit():
        device.release()
        most_bytes = int(_MOST_OF_MEMORY * device.available_bytes())
        matmul = {dtype: _matmul(dtype, effort, most_bytes, device) for dtype in dtypes}
        copy = _copy(effort, most_bytes, device)
        device.release()
    return Ceilings(matmul=matmul, copy=copy)


def _matmul(dtype: str, effort: _Effort, most_bytes: int, device: Device) -> MatmulRate:
    kind: torch.dtype = getattr(torch, dtype)
    size = effort.smallest_matmul
    while True:
        # Values as attention's are: a GPU under its power limit is faster on zeros.
        left, right = (torch.randn(size, size, device=device.name, dtype=kind) for _ in range(2))
        call, timer = _into(torch.empty_like(left), left, right), device.timer()
        # The first of a size picks an algorithm, any may be held up by something else.
        lasts_ms = min(timer.sample(call, wall=False).device_ms for _ in range(4))
        double_bytes = 3 * (2 * size) ** 2 * left.element_size()
        if lasts_ms >= effort.enough_ms or 2 * size > effort.largest_matmul or double_bytes > most_bytes:
            median_ms, sm_mhz = _median(timer, call, effort)
            return MatmulRate(tflops=_rounded(2 * size**3 / median_ms / 1e9), size=size, sm_mhz=sm_mhz)
        size *= 2


def _into(out: torch.Tensor, left: torch.Tensor, right: torch.Tensor) -> Call:
    return lambda: torch.mm(left, right, out=out)


def _copy(effort: _Effort, most_bytes: int, device: Device) -> CopyRate:
    size_bytes = min(effort.copy_bytes, most_bytes // 2)
    source = torch.ones(size_bytes, dtype=torch.uint8, device=device.name)
    target = torch.empty_like(source)
    median_ms, sm_mhz = _median(device.timer(), lambda: target.copy_(source), effort)
    return CopyRate(gb_per_s=_rounded(2 * size_bytes / median_ms / 1e6), bytes=size_bytes, sm_mhz=sm_mhz)


def _rounded(rate: float) -> float:
    return float(f"{rate:.5g}")


def _median(
    timer: CallTimer, call: Call, effort: _Effort, clock: Callable[[], float] = time.monotonic
) -> tuple[float, float | None]:
    """The median time in ms of a warm call, and the median SM clock meanwhile."""
    began_s = clock()
    while clock() - began_s < effort.warm_up_s:
        timer.sample(call, wall=False)
    rule, timings = stopping.Precision(_PRECISION, effort.budget_s, clock), list[Timing]()
    while not rule.is_finished(len(timings), [[timing.device_ms for timing in timings]]):
        timings.append(timer.sample(call, wall=False))
    clocks = [timing.sm_mhz for timing in timings if timing.sm_mhz is not None]
    median_ms = statistics.median(timing.device_ms for timing in timings)
    return median_ms, round(statistics.median(clocks), 1) if clocks else None
