"""What the columns of tables and reports hold, each in a clause, for every place that explains them."""

from __future__ import annotations

from profiler.results.wording import TIE

COLUMN_MEANINGS: dict[str, str] = {
    "time": (
        "median device time of one call, with the wider side of its 95 % interval; bold is the fastest of "
        "its shape, and what ties with it"
    ),
    "wall": "median host time of one call with synchronisation, what an eager caller pays",
    "graph": "median device time of one replay as a CUDA graph, taken where the call is launch-bound",
    "peak": "TFLOP/s as a share of the matmul rate measured in this session for that dtype",
    "data sheet": "TFLOP/s as a share of the rate that NVIDIA states for this GPU and dtype",
    "FLOP/byte": (
        "by the bytes that the call moves at least: inputs, results, and the intermediates that its peak "
        "memory held, written and read once"
    ),
    "copy bandwidth": (
        "those bytes over the time, as a share of the copy rate measured in this session; over 100 where "
        "they stay in the L2 cache"
    ),
    "data sheet bandwidth": "those bytes over the time, as a share of the memory rate that NVIDIA states",
    "bound": (
        "what the call takes longest for: compute (its FLOP at the measured matmul rate), memory (its "
        "bytes at the measured copy rate), or launch; neither where it takes over three times as long"
    ),
    "memory": "peak above the inputs",
    "saved": "what is held between forward and backward",
    "absolute": "peak with the inputs",
    "reserved": "what the allocator held at its peak",
    "process": "what NVML says that the measuring process held, with what torch's allocator does not see",
    "speedup": (
        "median over the rounds of the baseline's time by this one's in the same round, with the wider "
        "side of its 95 % interval"
    ),
    TIE: "the speedup's interval holds 1: the rounds show no difference",
    "SM (MHz)": "median SM clock during the samples, by the GPU's own counters",
    "Mcycles": "median time in millions of SM cycles, which a lower clock changes little",
    "energy": (
        "what the whole GPU drew over a second or more of repeated calls, by call and by query token "
        "(batch x seq); call is the time of one of them"
    ),
    "error": "worst error against a reference, over that of plain PyTorch in the same dtype",
    "first forward, first backward": "host time of the very first call, with loading and compilation",
}
"""By the column's name in reports, in the order that they are explained."""
