"""The clock of one call: what a sample is, who takes it, and the host's own clock for the CPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

Call = Callable[[], object]


@dataclass(frozen=True)
class Timing:
    """One call in ms. `hidden` is whether all of it was queued before the GPU came to it.

    `sm_mhz` is the SM clock meanwhile, None where the GPU's counters did not tell.
    """

    device_ms: float
    wall_ms: float | None = None
    hidden: bool = True
    sm_mhz: float | None = None


class CallTimer(Protocol):
    """Times one call again and again."""

    def sample(self, call: Call, *, wall: bool) -> Timing:
        """Make the call once for the device's clock, and once more for wall time if `wall`."""
        ...


class HostTimer:
    """The host's clock around a call that returns when it is done. Caches are as the last call left them."""

    def __init__(self, clock_ns: Callable[[], int]) -> None:
        self._clock_ns = clock_ns

    def sample(self, call: Call, *, wall: bool) -> Timing:
        began = self._clock_ns()
        call()
        return Timing((self._clock_ns() - began) / 1e6)
