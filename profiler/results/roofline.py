"""Where a call stands under the device's ceilings: FLOP per byte, shares of the peaks, and what bounds it.

The roofline model (S. Williams, A. Waterman and D. Patterson, "Roofline: an insightful visual
performance model for multicore architectures", CACM 52(4), 2009): a call takes at least the time
of its FLOP at the device's best rate, and at least that of its bytes at the best bandwidth. Both
ceilings are those measured on this device, so that 100 % is what it can do and not what is
printed about it; shares of the data sheet's rates stand beside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from profiler.events import Ceilings, Memory
from profiler.machine.datasheet import Peaks
from profiler.workload import BYTES_PER_ELEMENT, Attention, Pass

Bound = Literal["compute", "memory", "launch", "neither"]

# Below this share of both ceilings neither is what holds a call up.
_NEAR_PERCENT = 30


@dataclass(frozen=True, slots=True)
class Roofline:
    """A call beside the ceilings; None where its time or a ceiling is not known.

    The shares of a bandwidth may pass 100: bytes that never leave the L2 cache are counted too.
    """

    flop_per_byte: float | None = None
    percent_of_measured_peak: float | None = None
    percent_of_datasheet_peak: float | None = None
    percent_of_copy_bandwidth: float | None = None
    percent_of_datasheet_bandwidth: float | None = None
    bound: Bound | None = None


UNKNOWN = Roofline()


def roofline(
    shape: Attention,
    which: Pass,
    device_ms: float,
    memory: Memory | None,
    *,
    launch_bound: bool,
    ceilings: Ceilings | None,
    peaks: Peaks | None,
) -> Roofline:
    """The place of a pass that takes `device_ms`, with the memory that its call held.

    A launch-bound call is bound by the launch whatever its kernels do. Any other is bound by what
    would take the device longer at its best, its FLOP or its bytes; by neither if it takes over
    three times as long as that (too few blocks for the SMs, work that is no matmul, latency).
    """
    flop, moved = shape.flop(which), bytes_moved(shape, which, memory)
    tflops = shape.tflops(which, device_ms)
    rate = ceilings.matmul.get(shape.dtype) if ceilings else None
    copy = ceilings.copy if ceilings else None
    # 1 TFLOP/s is 1e9 FLOP a millisecond, 1 GB/s 1e6 bytes a millisecond.
    compute_ms = flop / (rate.tflops * 1e9) if rate and rate.tflops > 0 else None
    memory_ms = moved / (copy.gb_per_s * 1e6) if copy and copy.gb_per_s > 0 else None
    sheet_ms = moved / (peaks.gb_per_s * 1e6) if peaks else None
    bound: Bound | None = None
    if launch_bound:
        bound = "launch"
    elif compute_ms is not None and memory_ms is not None:
        bound = "compute" if compute_ms >= memory_ms else "memory"
        if 100 * max(compute_ms, memory_ms) < _NEAR_PERCENT * device_ms:
            bound = "neither"
    return Roofline(
        flop_per_byte=flop / moved,
        percent_of_measured_peak=_percent(tflops, rate.tflops if rate else None),
        percent_of_datasheet_peak=_percent(tflops, peaks.tflops.get(shape.dtype) if peaks else None),
        percent_of_copy_bandwidth=_percent(memory_ms, device_ms) if memory_ms is not None else None,
        percent_of_datasheet_bandwidth=_percent(sheet_ms, device_ms) if sheet_ms is not None else None,
        bound=bound,
    )


def bytes_moved(shape: Attention, which: Pass, memory: Memory | None) -> int:
    """Bytes that a pass moves to and from the device's memory, at least.

    The ideal traffic, and twice the intermediates: every byte beyond the results that was alive at
    the peak was written once and is read once. Plain PyTorch's matrices of scores count so, and a
    fused kernel, which keeps them on the chip, moves little but its inputs and results. Without
    `memory` only the ideal traffic is known.
    """
    ideal = ideal_traffic(shape, which)
    if memory is None:
        return ideal
    return ideal + 2 * max(0, memory.working_bytes - _results_bytes(shape, which))


def ideal_traffic(shape: Attention, which: Pass) -> int:
    """Bytes of a pass that reads each input once, writes each result once, and nothing else.

    Forward reads q, k and v and writes out. Backward reads those and out and the gradient of out,
    and writes dq, dk and dv. Forward+backward is both. Of k and v only what some query sees is
    read; dk and dv are written whole. A fused kernel's few bytes of statistics are left out.
    """
    q_bytes, kv_bytes = _query_bytes(shape), _key_value_bytes(shape)
    seen_bytes = kv_bytes * _keys_seen(shape) // shape.seq_k
    forward = q_bytes + seen_bytes + q_bytes
    backward = 3 * q_bytes + seen_bytes + q_bytes + kv_bytes
    return {"fwd": forward, "bwd": backward, "fwd_bwd": forward + backward}[which]


def _results_bytes(shape: Attention, which: Pass) -> int:
    """What the peak above the inputs holds at least: out, and from backward dq, dk and dv."""
    out_bytes = _query_bytes(shape)
    return out_bytes if which == "fwd" else 2 * out_bytes + _key_value_bytes(shape)


def _query_bytes(shape: Attention) -> int:
    """Bytes of q, and so of out, dq and the gradient of out."""
    elements = shape.queries * shape.heads * shape.head_dim
    return elements * BYTES_PER_ELEMENT[shape.dtype]


def _key_value_bytes(shape: Attention) -> int:
    """Bytes of k and v together, and so of dk and dv."""
    elements = 2 * shape.keys * shape.kv_heads * shape.head_dim
    return elements * BYTES_PER_ELEMENT[shape.dtype]


def _keys_seen(shape: Attention) -> int:
    """How many keys some query sees: a window ends so far before the first query."""
    return shape.seq_k if shape.window is None else min(shape.seq_k, shape.seq_q + shape.window)


def _percent(part: float, whole: float | None) -> float | None:
    return 100 * part / whole if whole else None
