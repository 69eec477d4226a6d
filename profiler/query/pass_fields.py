"""The fields of a row of attention: a pass of a case."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

from profiler.events import Accuracy, Energy, Estimate, Memory, Verdict
from profiler.query.entries import PassEntry
from profiler.query.fields import Field, Kind, Value, Vocabulary
from profiler.query.shared_fields import (
    BACKEND,
    CONDITION_FIELDS,
    CONVERGED,
    GRAPH_BREAK_FIELDS,
    IS_BASELINE,
    MESSAGE,
    NOTES,
    REQUESTED_BYTES,
    SESSION_FIELDS,
    estimate_fields,
)
from profiler.results.roofline import Bound, Roofline
from profiler.results.rows import Row, Status
from profiler.workload import DTYPES, PASS_LABELS, PASS_NAMES, PASSES, Attention, Pass

_Read = Callable[[Row], Value]
_PassField = Field[PassEntry]


def _of_case(name: str, meaning: str, value: _Read, *aliases: str, kind: Kind = "number") -> _PassField:
    """What all passes of a case share."""
    return Field(name, kind, meaning, lambda entry: value(entry.row), aliases=aliases)


def _of_pass(
    name: str, meaning: str, value: _Read, *aliases: str, kind: Kind = "number", unit: str = ""
) -> _PassField:
    """What each pass has of its own."""
    return Field(name, kind, meaning, lambda entry: value(entry.row), unit, aliases, of_case=False)


def _shape(
    name: str,
    meaning: str,
    value: Callable[[Attention], Value],
    *aliases: str,
    kind: Kind = "number",
    is_derived: bool = False,
) -> _PassField:
    return Field(
        name,
        kind,
        meaning,
        lambda entry: value(entry.row.workload),
        aliases=aliases,
        is_derived=is_derived,
    )


def _time_of(which: Pass, name: str, *aliases: str) -> _PassField:
    """The median time of one pass, whatever the row's own."""

    def value(entry: PassEntry) -> Value:
        row = entry.passes.get(which)
        return row.device_ms.median if row is not None and row.device_ms is not None else None

    meaning = f"device_ms of the case's {PASS_LABELS[which]} pass"
    return Field(name, "number", meaning, value, "ms", aliases, which=which, is_derived=True)


def _estimate(
    name: str, meaning: str, read: Callable[[Row], Estimate | None], unit: str, *aliases: str
) -> tuple[_PassField, ...]:
    return estimate_fields(name, meaning, lambda entry: read(entry.row), unit, *aliases, of_case=False)


def _percent(name: str, meaning: str, read: Callable[[Roofline], float | None], *aliases: str) -> _PassField:
    return _of_pass(name, meaning, lambda row: read(row.roofline), *aliases, unit="%")


def _energy(name: str, meaning: str, read: Callable[[Energy], Value], unit: str, *aliases: str) -> _PassField:
    return _of_pass(name, meaning, lambda row: read(row.energy) if row.energy else None, *aliases, unit=unit)


def _memory(name: str, meaning: str, read: Callable[[Memory], int | None], *aliases: str) -> _PassField:
    return _of_pass(
        name, meaning, lambda row: read(row.memory) if row.memory else None, *aliases, unit="bytes"
    )


def _checked(name: str, meaning: str, read: Callable[[Accuracy], Value], *aliases: str) -> _PassField:
    return _of_case(name, meaning, lambda row: read(row.accuracy) if row.accuracy else None, *aliases)


def _error(tensor: str) -> _PassField:
    return _checked(
        f"error_{tensor}", f"largest absolute error of {tensor}", lambda found: found.errors.get(tensor)
    )


_CASE: tuple[_PassField, ...] = (
    _of_case("implementation", "its name", lambda row: row.implementation, "impl", kind="text"),
    BACKEND,
    Field(
        "pass",
        "word",
        "what was timed",
        lambda entry: entry.row.which,
        words=PASSES,
        spelled=PASS_NAMES,
        of_case=False,
    ),
)

_SHAPE: tuple[_PassField, ...] = (
    _shape("batch", "sequences", lambda shape: shape.batch, "batch_size"),
    _shape("seq_q", "queries of a sequence", lambda shape: shape.seq_q),
    _shape("seq_k", "keys of a sequence: its length", lambda shape: shape.seq_k, "seq", "seq_len"),
    _shape("heads", "query heads", lambda shape: shape.heads, "num_heads"),
    _shape("kv_heads", "key/value heads", lambda shape: shape.kv_heads),
    _shape("head_dim", "size of one head", lambda shape: shape.head_dim),
    _shape("emb_dim", "heads x head_dim", lambda shape: shape.emb_dim, is_derived=True),
    Field(
        "dtype",
        "word",
        "of inputs and outputs",
        lambda entry: entry.row.workload.dtype,
        words=tuple(dict.fromkeys(DTYPES.values())),
        spelled=DTYPES,
    ),
    _shape("causal", "each query sees the keys up to its place", lambda shape: shape.causal, kind="yes/no"),
    _shape("window", "keys seen that many places back; none is all", lambda shape: shape.window),
    _shape("dropout", "probability that a weight is dropped", lambda shape: shape.dropout),
    _shape("softcap", "bound of the scores; none is no bound", lambda shape: shape.softcap),
    _shape("decode", "a cache that is only read", lambda shape: shape.decode, kind="yes/no"),
    _shape(
        "lengths",
        "tokens of each sequence, where they differ",
        lambda shape: None if shape.lengths is None else tuple(map(str, shape.lengths)),
        kind="list",
    ),
)

_TIMES: tuple[_PassField, ...] = (
    Field(
        "status",
        "word",
        "what became of the pass",
        lambda entry: entry.row.status,
        words=get_args(Status),
        of_case=False,
    ),
    _time_of("fwd", "forward_ms", "fwd_ms"),
    _time_of("bwd", "backward_ms", "bwd_ms"),
    _time_of("fwd_bwd", "forward_backward_ms", "fwd_bwd_ms"),
    *_estimate("device_ms", "median device time of a call", lambda row: row.device_ms, "ms", "time_ms"),
    _of_pass(
        "samples", "rounds it was sampled in", lambda row: row.device_ms.count if row.device_ms else None
    ),
    *_estimate("wall_ms", "median host time of a call", lambda row: row.wall_ms, "ms"),
    *_estimate("graph_ms", "median time as a CUDA graph", lambda row: row.graph_ms, "ms"),
    _of_pass("graph_reason", "why there is no CUDA graph", lambda row: row.graph_reason, kind="text"),
    _of_pass("tflops", "matmul work over device_ms", lambda row: row.tflops, unit="TFLOP/s"),
    *_estimate("speedup", "over the baseline, of the same rounds", lambda row: row.speedup, "x"),
    _of_pass("tie", "the speedup's interval holds 1", lambda row: row.is_tie, kind="yes/no"),
    IS_BASELINE,
    _of_pass(
        "is_fastest",
        "the fastest of its shape, or a tie with it",
        lambda row: row.is_fastest,
        "fastest",
        kind="yes/no",
    ),
)

_DEVICE: tuple[_PassField, ...] = (
    *_estimate("sm_mhz", "SM clock by the GPU's counters", lambda row: row.sm_mhz, "MHz", "sm"),
    _of_pass("nvml_sm_mhz", "SM clock by NVML", lambda row: row.nvml_sm_mhz, unit="MHz"),
    _of_pass("mega_cycles", "time in millions of SM cycles", lambda row: row.mega_cycles),
    _of_pass("flop_per_byte", "work over the least traffic", lambda row: row.roofline.flop_per_byte),
    _percent(
        "percent_of_measured_peak",
        "of the session's matmul rate",
        lambda roof: roof.percent_of_measured_peak,
        "peak",
    ),
    _percent(
        "percent_of_datasheet_peak",
        "of the data sheet's matmul rate",
        lambda roof: roof.percent_of_datasheet_peak,
    ),
    _percent(
        "percent_of_copy_bandwidth",
        "of the session's copy rate",
        lambda roof: roof.percent_of_copy_bandwidth,
        "bandwidth",
    ),
    _percent(
        "percent_of_datasheet_bandwidth",
        "of the data sheet's memory rate",
        lambda roof: roof.percent_of_datasheet_bandwidth,
    ),
    Field(
        "bound",
        "word",
        "what the call takes longest for",
        lambda entry: entry.row.roofline.bound,
        words=get_args(Bound),
        of_case=False,
    ),
)

_ENERGY: tuple[_PassField, ...] = (
    _energy("joules_per_call", "energy of a call", lambda energy: energy.joules, "J", "energy"),
    _of_pass("joules_per_token", "energy of a query", lambda row: row.joules_per_token, unit="J"),
    _energy("power_w", "mean power", lambda energy: energy.power_w, "W"),
    _energy("energy_call_ms", "time of a call then", lambda energy: energy.call_ms, "ms"),
    _energy("energy_window_s", "how long it was taken", lambda energy: energy.window_s, "s"),
    _energy("energy_sm_mhz", "SM clock then", lambda energy: energy.sm_mhz, "MHz"),
)

_MEMORY: tuple[_PassField, ...] = (
    _memory("working_bytes", "peak above the inputs", lambda memory: memory.working_bytes, "memory"),
    _memory("saved_bytes", "held between the passes", lambda memory: memory.saved_bytes, "saved"),
    _memory("absolute_bytes", "peak with the inputs", lambda memory: memory.absolute_bytes, "absolute"),
    _memory("reserved_bytes", "held by the allocator", lambda memory: memory.reserved_bytes, "reserved"),
    _memory(
        "process_bytes", "held by the process, says NVML", lambda memory: memory.process_bytes, "process"
    ),
)

_CHECK: tuple[_PassField, ...] = (
    Field(
        "verdict",
        "word",
        "of the check against a reference",
        lambda entry: entry.row.accuracy.verdict if entry.row.accuracy else None,
        words=get_args(Verdict),
    ),
    _checked("error_ratio", "worst error over plain PyTorch's", lambda found: found.ratio, "error"),
    *map(_error, ("out", "dq", "dk", "dv")),
    _checked("heads_checked", "of heads", lambda found: found.heads_checked),
    _checked("heads_total", "of all heads", lambda found: found.heads_total),
    _checked("queries_checked", "of a head; none is all", lambda found: found.queries_checked),
)

_REST: tuple[_PassField, ...] = (
    _of_pass("first_call_ms", "host time of the first", lambda row: row.first_call_ms, unit="ms"),
    CONVERGED,
    _of_pass(
        "launch_hidden",
        "device time is without launch latency",
        lambda row: row.launch_hidden,
        kind="yes/no",
    ),
    _of_pass(
        "launch_bound", "wall time is over 1.2 x device time", lambda row: row.launch_bound, kind="yes/no"
    ),
    *CONDITION_FIELDS,
    _of_case("writes_inputs", "inputs that calls change", lambda row: row.writes_inputs, kind="list"),
    *GRAPH_BREAK_FIELDS,
    NOTES,
    REQUESTED_BYTES,
    _of_pass(
        "largest_batch",
        "expected to fit; 0 is not even one",
        lambda row: row.failure.largest_batch if row.failure else None,
    ),
    MESSAGE,
)

PASS_FIELDS: Vocabulary[PassEntry] = Vocabulary(
    "attention", (*SESSION_FIELDS, *_CASE, *_SHAPE, *_TIMES, *_DEVICE, *_ENERGY, *_MEMORY, *_CHECK, *_REST)
)
"""In the order of CSV, with what is derived in its place among them."""

PASS_AXES = (
    "batch",
    "seq_q",
    "seq_k",
    "heads",
    "kv_heads",
    "head_dim",
    "dtype",
    "causal",
    "window",
    "dropout",
    "softcap",
    "decode",
    "lengths",
    "implementation",
    "pass",
)
"""The fields that together say which row it is."""
