"""What the columns of the report hold, and the meaning of each mark that was used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from profiler.export.markdown.text import section
from profiler.recording import Recording
from profiler.rows import Row
from profiler.wording import MEANINGS, NVML_CLOCK, TIE, marks


def explanations(recording: Recording, all_rows: Sequence[Row]) -> str | None:
    """A line for each word that the report has; None where nothing was measured."""
    if not any(row.device_ms for row in all_rows):
        return None
    used = {mark for row in all_rows for mark in (*marks(row), *row.conditions)}
    words = [
        *_columns(recording, all_rows),
        *((mark, text) for mark, text in MEANINGS.items() if mark in used),
    ]
    return section("What the words mean", "\n".join(f"- **{word}**: {meaning}" for word, meaning in words))


def _columns(recording: Recording, all_rows: Sequence[Row]) -> Iterator[tuple[str, str]]:
    """Of each column that has something in it."""
    yield (
        "time",
        "median device time of one call, with the wider side of its 95 % interval; bold is the fastest of "
        "its shape, and what ties with it",
    )
    if any(row.wall_ms for row in all_rows):
        yield "wall", "median host time of one call with synchronisation, what an eager caller pays"
    if any(row.graph_ms for row in all_rows):
        yield (
            "graph",
            "median device time of one replay as a CUDA graph, taken where the call is launch-bound",
        )
    yield from _rooflines(recording, all_rows)
    if any(row.memory for row in all_rows):
        yield "memory", "peak above the inputs"
        yield "saved", "what is held between forward and backward"
        yield "absolute", "peak with the inputs"
    if any(row.memory and row.memory.reserved_bytes is not None for row in all_rows):
        yield "reserved", "what the allocator held at its peak"
    if any(row.memory and row.memory.process_bytes is not None for row in all_rows):
        yield (
            "process",
            "what NVML says that the measuring process held, with what torch's allocator does not see",
        )
    if any(row.speedup for row in all_rows):
        yield (
            "speedup",
            "median over the rounds of the baseline's time by this one's in the same round, with the wider "
            "side of its 95 % interval",
        )
    if any(row.is_tie for row in all_rows):
        yield TIE, "the speedup's interval holds 1: the rounds show no difference"
    yield from _clocks(all_rows)
    if any(row.energy for row in all_rows):
        yield (
            "energy",
            "what the whole GPU drew over a second or more of repeated calls, by call and by query token "
            "(batch x seq); call is the time of one of them",
        )
    if any(row.accuracy for row in all_rows):
        yield "error", "worst error against a reference, over that of plain PyTorch in the same dtype"
    if any(row.first_calls_ms for row in all_rows):
        yield (
            "first forward, first backward",
            "host time of the very first call, with loading and compilation",
        )


def _rooflines(recording: Recording, all_rows: Sequence[Row]) -> Iterator[tuple[str, str]]:
    places = [row.roofline for row in all_rows]
    if any(place.percent_of_measured_peak is not None for place in places):
        yield "peak", "TFLOP/s as a share of the matmul rate measured in this session for that dtype"
    if any(place.percent_of_datasheet_peak is not None for place in places):
        yield "data sheet", "TFLOP/s as a share of the rate that NVIDIA states for this GPU and dtype"
    if any(place.flop_per_byte is not None for place in places):
        yield (
            "FLOP/byte",
            "by the bytes that the call moves at least: inputs, results, and the intermediates that its peak "
            "memory held, written and read once",
        )
    if any(place.percent_of_copy_bandwidth is not None for place in places):
        yield (
            "copy bandwidth",
            "those bytes over the time, as a share of the copy rate measured in this session; over 100 where "
            "they stay in the L2 cache",
        )
    if any(place.percent_of_datasheet_bandwidth is not None for place in places):
        yield (
            "data sheet bandwidth",
            "those bytes over the time, as a share of the memory rate that NVIDIA states",
        )
    if any(place.bound for place in places):
        yield (
            "bound",
            "what the call takes longest for: compute (its FLOP at the measured matmul rate), memory (its "
            "bytes at the measured copy rate), or launch; neither where it takes over three times as long"
            if recording.ceilings
            else "launch where launch-bound; the rest needs ceilings, which this session has not",
        )


def _clocks(all_rows: Sequence[Row]) -> Iterator[tuple[str, str]]:
    if any(row.sm_mhz for row in all_rows):
        yield "SM (MHz)", "median SM clock during the samples, by the GPU's own counters"
    if any(row.sm_mhz is None and row.nvml_sm_mhz is not None for row in all_rows):
        yield (
            f"\\{NVML_CLOCK}",
            "not recorded by the GPU's own counters: NVML's, which lags by 0.1 s and averages over calls",
        )
    if any(row.mega_cycles is not None for row in all_rows):
        yield "Mcycles", "median time in millions of SM cycles, which a lower clock changes little"
