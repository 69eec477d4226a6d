"""Energy of one call: what the GPU draws while the call is made again and again.

NVML's energy counter steps about every 100 ms and takes 3 to 5 ms to read (on an H100). So the calls
run back to back from before the window until after it, the window begins and ends at a step of the
counter, and the counter is read only where a step is looked for. L2 is not flushed between calls:
what it keeps from one call to the next is not fetched again, nor paid for.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from profiler.worker.timer import Call

if TYPE_CHECKING:
    import torch

# Several times what a read of the counter takes, so that the GPU never waits for the host.
_AHEAD_MS = 30.0
# A marker costs the GPU about a microsecond: one for every two milliseconds of calls is not felt.
_BATCH_MS = 2.0
# The longest that calls are queued between two reads while a step is looked for. A host slower than
# the GPU fills the queue never; this keeps it busy mostly and still sees a step soon.
_TURN_S = 0.010
_NAP_S = 0.001
_LONGEST_STEP_S = 2.0
# A call longer than the window would be known only by a part of it.
_LEAST_CALLS = 2

Marker = TypeVar("Marker")


class NoEnergyCounter(RuntimeError):
    """The GPU's energy cannot be had; the message says why in one sentence."""


@dataclass(frozen=True)
class EnergyWindow:
    """Mean power over `window_s` of repeated calls, and the time of one of them there.

    `call_ms` is the mean by the GPU's clock from the end of one call to the end of the next, of
    `calls` of them.
    """

    power_w: float
    window_s: float
    call_ms: float
    calls: int

    @property
    def joules(self) -> float:
        """Energy of one call, with all that the GPU draws meanwhile, its idle power included."""
        return self.power_w * self.call_ms / 1000


class Stream(Protocol[Marker]):
    """Where calls are queued and run in order, with markers between them."""

    def call(self) -> None:
        """Queue one call."""
        ...

    def mark(self) -> Marker:
        """Queue a marker behind the calls so far."""
        ...

    def is_done(self, marker: Marker) -> bool:
        """Whether the GPU has come past it. Does not wait."""
        ...

    def between_ms(self, first: Marker, last: Marker) -> float:
        """Time between two that are done, by the GPU's clock."""
        ...

    def drain(self) -> None:
        """Wait until nothing is queued."""
        ...


class CudaStream:
    """The current CUDA stream, with events for markers."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def call(self) -> None:
        self._call()

    def mark(self) -> torch.cuda.Event:
        import torch

        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def is_done(self, marker: torch.cuda.Event) -> bool:
        return bool(marker.query())

    def between_ms(self, first: torch.cuda.Event, last: torch.cuda.Event) -> float:
        return float(first.elapsed_time(last))

    def drain(self) -> None:
        import torch

        torch.cuda.synchronize()


def energy_of(
    call: Call, call_ms: float, counter_j: Callable[[], float | None], *, least_s: float = 1.0
) -> EnergyWindow:
    """The energy of `call` on the current CUDA device, made again and again for `least_s` and a little.

    `call_ms` is about what a call takes there: how many are queued ahead goes by it. `counter_j` is
    the GPU's energy counter in joules. A call that waits for the GPU itself leaves it idle while the
    counter is read, at most for the tenth of a second before each end of the window, and makes the
    ends uncertain by its own length.

    Raises:
        NoEnergyCounter: `counter_j` gives None, or stands still.
    """
    stream = CudaStream(call)
    return measure_energy(
        stream, call_ms, counter_j, clock=time.perf_counter, sleep=time.sleep, least_s=least_s
    )


def measure_energy(
    stream: Stream[Marker],
    call_ms: float,
    counter_j: Callable[[], float | None],
    *,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
    least_s: float = 1.0,
) -> EnergyWindow:
    """energy_of() for any stream; `clock` gives seconds, and the stream is drained at the end.

    Raises:
        NoEnergyCounter: `counter_j` gives None, or stands still.
    """
    _read(counter_j)  # before anything is queued
    ahead = _Ahead(stream, call_ms, clock)

    def keep_busy() -> None:
        if ahead.top_up():
            sleep(_NAP_S)

    try:
        # This step ends a stretch in which the GPU was idle at first: the window begins at the next.
        _next_step(ahead, counter_j, clock)
        while ahead.done is None:
            keep_busy()
        begin, first = _next_step(ahead, counter_j, clock), ahead.done
        while clock() - begin.at_s < least_s or ahead.done.calls - first.calls < _LEAST_CALLS:
            keep_busy()
        end, last = _next_step(ahead, counter_j, clock), ahead.done
    finally:
        stream.drain()
    window_s, calls = end.at_s - begin.at_s, last.calls - first.calls
    return EnergyWindow(
        power_w=(end.joules - begin.joules) / window_s,
        window_s=window_s,
        call_ms=stream.between_ms(first.marker, last.marker) / calls,
        calls=calls,
    )


@dataclass(frozen=True)
class _Passed(Generic[Marker]):
    """A marker, and how many calls were queued before it."""

    marker: Marker
    calls: int


class _Ahead(Generic[Marker]):
    """Keeps the stream some calls ahead of the GPU, and knows how far the GPU has come."""

    def __init__(self, stream: Stream[Marker], call_ms: float, clock: Callable[[], float]) -> None:
        self._stream = stream
        self._clock = clock
        call_ms = max(call_ms, 0.001)
        self._batch = max(int(_BATCH_MS / call_ms), 1)
        # One batch more, for the one that the GPU is at may be almost done.
        self._most = self._batch + math.ceil(_AHEAD_MS / call_ms)
        self._queued = 0
        self._marked = 0
        self._waiting: deque[_Passed[Marker]] = deque()
        self.done: _Passed[Marker] | None = None
        """The last marker that the GPU has passed."""

    def top_up(self) -> bool:
        """Queue calls for a turn, or until there are enough, which it answers."""
        self.look()
        finished = self.done.calls if self.done else 0
        turn_ends_s = self._clock() + _TURN_S
        while not (full := self._queued - finished >= self._most) and self._clock() < turn_ends_s:
            self._stream.call()
            self._queued += 1
            if self._queued - self._marked >= self._batch:
                self._mark()
        if self._queued > self._marked:
            self._mark()
        return full

    def look(self) -> None:
        """See how far the GPU has come."""
        while self._waiting and self._stream.is_done(self._waiting[0].marker):
            self.done = self._waiting.popleft()

    def _mark(self) -> None:
        self._marked = self._queued
        self._waiting.append(_Passed(self._stream.mark(), self._queued))


@dataclass(frozen=True)
class _Step:
    """A step of the counter: when its new value was first seen, and the value."""

    at_s: float
    joules: float


def _next_step(
    ahead: _Ahead[Marker], counter_j: Callable[[], float | None], clock: Callable[[], float]
) -> _Step:
    """Read the counter until it changes, with the GPU kept busy."""
    before = _read(counter_j)
    given_up_s = clock() + _LONGEST_STEP_S
    while True:
        ahead.top_up()
        joules, now_s = _read(counter_j), clock()
        if joules != before:
            ahead.look()
            return _Step(now_s, joules)
        if now_s > given_up_s:
            raise NoEnergyCounter(
                f"the GPU's energy counter did not move in {_LONGEST_STEP_S:g} s of work: "
                "there is no energy per call"
            )


def _read(counter_j: Callable[[], float | None]) -> float:
    joules = counter_j()
    if joules is None:
        raise NoEnergyCounter(
            "NVML gives no energy counter for this GPU (Volta and newer have one): "
            "there is no energy per call"
        )
    return joules
