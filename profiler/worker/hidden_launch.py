"""GPU time of one call with its launch hidden, and its wall time."""

from __future__ import annotations

import statistics
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from profiler.worker.timer import Call, Timing

if TYPE_CHECKING:
    from profiler.worker.sm_clock import SmClock  # Triton is not everywhere

_FIRST_HOLD_US = 100.0
_LONGEST_HOLD_US = 30_000.0
_HOPELESS_HOLD_US = 1_000.0
# The spin kernel lasts this many times what queueing usually takes, and twice that at each further attempt.
_HOLD_FACTOR = 2.0
_SMOOTHING = 0.2
_ATTEMPTS = 6
# Above this a host that is a few hundred microseconds slower makes no difference.
_WARM_HOST_MS = 5.0
# Twice the L2 so that no line of the inputs survives, and at least this where a driver reports none.
_LEAST_FLUSH_BYTES = 64 * 1024 * 1024
_CALIBRATION_CYCLES = 2_000_000
_EVENT_PAIRS = 50


class LaunchBench:
    """What all timers of one GPU share: the spin kernel's rate, the flush buffer, an event pair's cost.

    `clock` reads the SM clock of each sample, None where that cannot be had.
    """

    def __init__(self, device: str, l2_bytes: int, clock: SmClock | None) -> None:
        self.clock = clock
        self._flush = torch.empty(
            max(2 * l2_bytes, _LEAST_FLUSH_BYTES) // 4, dtype=torch.int32, device=device
        )
        self._cycles_per_us = 0.0
        self.calibrate_spin()
        self.event_pair_ms = 0.0
        """What two events with nothing between take: already taken off every sample."""
        self.event_pair_ms = self._measure_event_pair()

    def hold(self, microseconds: float) -> None:
        """Queue a kernel that keeps the stream busy about that long."""
        # torch's own benchmarks and nvbench's blocking kernel hide the launch in the same way.
        torch.cuda._sleep(int(microseconds * self._cycles_per_us))

    def flush_l2(self) -> None:
        """Queue a write of more than the whole L2: what the next call reads comes from memory.

        Its lines are dirty, so the next call also pays for writing them back, as a call after
        any other kernel would.
        """
        self._flush.zero_()

    def calibrate_spin(self) -> None:
        """Learn how many cycles the spin kernel runs through in a microsecond, at the clock of now."""
        start, end = _event(), _event()
        torch.cuda._sleep(_CALIBRATION_CYCLES)
        start.record()
        torch.cuda._sleep(_CALIBRATION_CYCLES)
        end.record()
        end.synchronize()
        self._cycles_per_us = _CALIBRATION_CYCLES / (start.elapsed_time(end) * 1000)

    def _measure_event_pair(self) -> float:
        # As a call that does nothing, so that it is certain that its launch was hidden: a slow
        # host's launch, once taken for the pair's cost, would be missing from every time.
        timer = HiddenLaunchTimer(self)
        timings = [timer.sample(lambda: None, wall=False) for _ in range(_EVENT_PAIRS)]
        hidden = [timing.device_ms for timing in timings if timing.hidden]
        return statistics.median(hidden) if hidden else 0.0


class HiddenLaunchTimer:
    """GPU time of one call: queued behind a spin kernel, between two events, after an L2 flush.

    While the spin kernel holds the stream the host queues everything; when it ends the GPU
    runs flush and call without waiting for the host. An event after the spin kernel tells
    whether the host was done in time; if not, the call is made again behind a longer one.
    """

    def __init__(self, bench: LaunchBench) -> None:
        self._bench = bench
        self.queueing_us = _FIRST_HOLD_US / _HOLD_FACTOR
        """What the host usually takes to queue the call, smoothed."""
        self._hides = True
        self._released, self._start, self._end = _event(), _event(), _event()

    def sample(self, call: Call, *, wall: bool) -> Timing:
        """One call by the GPU's clock, and if `wall` another by the host's."""
        # A call that waits for the GPU itself cannot be hidden: once that is known, one short attempt does.
        attempts, longest_us = (_ATTEMPTS, _LONGEST_HOLD_US) if self._hides else (1, _HOPELESS_HOLD_US)
        for attempt in range(attempts):
            hold_us = min(self.queueing_us * _HOLD_FACTOR * 2**attempt, longest_us)
            timing = self._attempt(call, hold_us)
            if timing.hidden:
                break
        self._hides = timing.hidden
        return replace(timing, wall_ms=self._wall_ms(call, timing.device_ms)) if wall else timing

    def _attempt(self, call: Call, hold_us: float) -> Timing:
        bench, clock = self._bench, self._bench.clock
        bench.hold(hold_us)
        self._released.record()
        began_ns = time.perf_counter_ns()
        bench.flush_l2()
        if clock is not None:  # both stamps lie outside the events
            clock.before()
        self._start.record()
        call()
        self._end.record()
        hidden = not self._released.query()
        if clock is not None:
            clock.after()
        queueing_us = (time.perf_counter_ns() - began_ns) / 1000
        self._end.synchronize()
        if not hidden and queueing_us < hold_us:
            bench.calibrate_spin()  # it ended before its time: the clock is not what it was
        # A hiccup of the host must not lengthen every hold to come: the GPU idles meanwhile.
        self.queueing_us += _SMOOTHING * (queueing_us - self.queueing_us)
        device_ms = max(self._start.elapsed_time(self._end) - bench.event_pair_ms, 0.0)
        return Timing(device_ms, hidden=hidden, sm_mhz=clock.mhz() if clock is not None else None)

    def _wall_ms(self, call: Call, device_ms: float) -> float:
        if device_ms < _WARM_HOST_MS:
            call()  # having waited long for the GPU, the host is slow for one call, as in a loop it never is
        self._bench.flush_l2()
        torch.cuda.synchronize()
        began_ns = time.perf_counter_ns()
        call()
        torch.cuda.synchronize()
        return (time.perf_counter_ns() - began_ns) / 1e6


def _event() -> torch.cuda.Event:
    return torch.cuda.Event(enable_timing=True)
