"""The SM clock during one call, from the GPU's own counters.

One thread reads its SM's cycle counter and the GPU's nanosecond timer before the call, another
after it: cycles over nanoseconds is the clock in between, as nvbench takes it. NVML's figure is a
tenth of a second old; this one is the sample's own.
"""

from __future__ import annotations

from itertools import pairwise
from math import gcd

import torch
import triton
import triton.language as tl

# A stamp is (cycles, nanoseconds, SM) and one unused: 32 bytes, so that both are aligned alike and
# Triton compiles the kernel once.
_STAMP_WORDS = 4
# The clock of a sample is known to a hundredth at least.
_LEAST_TICKS = 100
_TICK_READINGS = 20


@triton.jit
def _stamp(out):  # type: ignore[no-untyped-def]
    # Inline assembly wants an operand; none of these reads it.
    zero = tl.program_id(0)
    cycles = tl.inline_asm_elementwise(
        "mov.u64 $0, %clock64; // $1", "=l,r", [zero], dtype=tl.int64, is_pure=False, pack=1
    )
    nanoseconds = tl.inline_asm_elementwise(
        "mov.u64 $0, %globaltimer; // $1", "=l,r", [zero], dtype=tl.int64, is_pure=False, pack=1
    )
    sm = tl.inline_asm_elementwise(
        "mov.u32 $0, %smid; // $1", "=r,r", [zero], dtype=tl.int32, is_pure=False, pack=1
    )
    tl.store(out, cycles)
    tl.store(out + 1, nanoseconds)
    tl.store(out + 2, sm.to(tl.int64))


class SmClock:
    """Stamps before and after a call in the current stream of `device`.

    Raises:
        Exception: of any kind, if Triton cannot compile for this GPU (it needs a C compiler too).
    """

    def __init__(self, device: str) -> None:
        self._stamps = torch.zeros(2, _STAMP_WORDS, dtype=torch.int64, device=device)
        self._places = tuple(self._stamps)
        self._least_ns = _LEAST_TICKS * self._tick_ns()

    def before(self) -> None:
        """Queue the stamp that begins."""
        _stamp[(1,)](self._places[0], num_warps=1)

    def after(self) -> None:
        """Queue the stamp that ends."""
        _stamp[(1,)](self._places[1], num_warps=1)

    def mhz(self) -> float | None:
        """The clock between the two stamps, once the stream has reached them (it is waited for).

        None if they come from two SMs, whose counters do not agree, or if the timer is too coarse.
        """
        (cycles, began_ns, sm, _), (cycles_after, ended_ns, sm_after, _) = self._stamps.tolist()
        if sm != sm_after or ended_ns - began_ns < self._least_ns:
            return None
        return float((cycles_after - cycles) / (ended_ns - began_ns) * 1000)

    def _tick_ns(self) -> int:
        """The step of the nanosecond timer: 32 on an H100, 1000 and more on some GPUs."""
        seen = []
        for _ in range(_TICK_READINGS):
            self.before()
            seen.append(int(self._stamps[0, 1]))
        return gcd(*(now - before for before, now in pairwise(seen))) or 1
