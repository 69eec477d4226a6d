"""A result as the labs' script writes it: seconds and TFLOP/s of each pass, and one peak of memory.

It is one figure a pass: a mean of wall times, where the labs' own script made it, and a median of device
times where attnprof did, which writes the same keys. Nothing tells how many calls it is of, nor how far
they lay apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec

import impls
from profiler.events import CaseStarted, Estimate, Event, Log, Memory, Result
from profiler.importing.reading import OWN_KEY, FoundObject, shown
from profiler.importing.refusal import ImportRefused
from profiler.plans.grid import LARGEST_SIZE
from profiler.units import describe_shape, listed, plain_text, ratio
from profiler.workload import BYTES_PER_ELEMENT, DTYPES, PASS_LABELS, PASSES, Attention, Pass, WorkloadError

PASS_KEYS: dict[Pass, str] = {"fwd": "forward", "bwd": "backward", "fwd_bwd": "forward_backward"}
TIME_KEY, RATE_KEY, PEAK_KEY = "time(s)", "FLOPS(TFLOPs/s)", "peak_memory_usage(MB)"

# Beyond these a figure is in another unit, or none: eleven days for a call, a zettaFLOP/s, a pebibyte.
_MOST_S = 1e6
_MOST_TFLOPS = 1e9
_MOST_MIB = 2.0**30
_LONGEST_NAME = 200

_SIZES = ("batch", "seq_q", "seq_k", "heads", "kv_heads", "head_dim")
# What only attnprof's own files tell a shape to have, and these say it in full elsewhere.
_NOT_THE_LABS = ("kv_heads", "window", "dropout", "softcap", "decode", "lengths")
# Between what counts the diagonal of a causal mask and what halves the square lies less than this at seq 16.
_LIKE = 0.08


@dataclass(frozen=True)
class LabsResult:
    """One case as such an object has it. Times in ms; a pass that was not measured is left out."""

    file: str
    where: str
    implementation: str
    workload: Attention
    measured: dict[Pass, tuple[float, float | None]]
    peak_bytes: int | None
    is_device_time: bool
    """Whether attnprof wrote it; else the launch is in its times."""

    @property
    def passes(self) -> tuple[Pass, ...]:
        return tuple(self.measured)

    def events(self, case: int) -> Iterator[Event]:
        """The case, as far as it is known."""
        yield CaseStarted(case=case, workload=self.workload, implementation=self.implementation)
        for which, (ms, tflops) in self.measured.items():
            yield Result(
                case=case,
                workload=self.workload,
                implementation=self.implementation,
                which=which,
                device_ms=Estimate(median=ms, low=ms, high=ms, count=1),
                tflops=self.workload.tflops(which, ms) if tflops is None else tflops,
                memory=self._memory() if which == self.passes[-1] else None,
                launch_hidden=self.is_device_time,
            )
        if doubt := self._doubt():
            yield Log(level="warning", message=doubt)

    def _memory(self) -> Memory | None:
        """The one peak, which belongs to the largest of the passes, and what of it is above q, k and v."""
        if self.peak_bytes is None:
            return None
        return Memory(
            absolute_bytes=self.peak_bytes, working_bytes=self.peak_bytes - _inputs_bytes(self.workload)
        )

    def _doubt(self) -> str | None:
        """What to say where the rates do not fit the shape that they are said to be of."""
        shape = self.workload
        for which, (ms, tflops) in self.measured.items():
            if tflops is None:
                continue
            counted, halved = shape.flop(which), _halved_flop(shape, which)
            told = tflops * ms * 1e9
            if all(abs(told / known - 1) > _LIKE for known in (counted, halved)):
                return (
                    f"{self.where}: the {PASS_LABELS[which]} rate of {plain_text(self.implementation)} is of "
                    f"{ratio(told / counted)} the work of {describe_shape(shape)}: "
                    "it measured another shape, or counts in another way"
                )
        return None


def labs_result(found: FoundObject, parameters: dict[str, Any] | None) -> LabsResult:
    """The object as a case; `parameters` are by the names of the labs' options, None where it is attnprof's.

    Raises:
        ImportRefused: a figure or a parameter is none, whose key is named; or there is not one time.
    """
    if parameters is None:
        name, workload = _own_case(found)
    else:
        name, workload = parameters["impl"], _workload(found, parameters)
    measured = {
        which: figures
        for which, key in PASS_KEYS.items()
        if (figures := _time_and_rate(found, key, found.values.get(key))) is not None
    }
    if not measured:
        raise ImportRefused(f"{found.where} has no time of any pass: there is nothing to import")
    return LabsResult(
        file=found.file,
        where=found.where,
        implementation=_implementation(found, name),
        workload=workload,
        measured=measured,
        peak_bytes=_peak_bytes(found, workload),
        is_device_time=parameters is None,
    )


def check_kind(found: FoundObject) -> None:
    """Refuse what is no result of attention.

    Raises:
        ImportRefused: it is none; the message names what it has.
    """
    own = found.values.get(OWN_KEY)
    if isinstance(own, dict) and "training" in own:
        raise ImportRefused(
            f"{found.where} is a training, of which the labs know nothing: its session file holds all of it, "
            "and needs no import"
        )
    if not any(key in found.values for key in PASS_KEYS.values()):
        keys = listed([f'"{plain_text(key)}"' for key in found.values]) if found.values else "nothing"
        raise ImportRefused(
            f"{found.where} is no benchmark_result.json: it has {keys}, "
            "and none of forward, backward and forward_backward"
        )


def _time_and_rate(found: FoundObject, key: str, value: object) -> tuple[float, float | None] | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ImportRefused(
            f'{found.where}: {key} is {shown(value)}, and should be an object with "{TIME_KEY}" '
            f'and "{RATE_KEY}"'
        )
    seconds = _number(found, f"{key}.{TIME_KEY}", value.get(TIME_KEY), _MOST_S)
    tflops = _number(found, f"{key}.{RATE_KEY}", value.get(RATE_KEY), _MOST_TFLOPS)
    if seconds is None:
        if tflops is not None:
            raise ImportRefused(
                f"{found.where}: {key} has a rate and no {TIME_KEY}, which it was reckoned from"
            )
        return None
    if seconds == 0:
        raise ImportRefused(f"{found.where}: {key}.{TIME_KEY} is 0, and no call takes no time")
    return seconds * 1000, tflops


def _number(found: FoundObject, key: str, value: object, most: float) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ImportRefused(f"{found.where}: {key} is {shown(value)}, and should be a number")
    if not 0 <= value <= most:
        raise ImportRefused(f"{found.where}: {key} is {shown(value)}, and should be from 0 to {most:g}")
    return float(value)


def _peak_bytes(found: FoundObject, workload: Attention) -> int | None:
    """None for a peak of 0 too: that is what torch says of a CPU, or of a GPU that nobody asked."""
    mib = _number(found, PEAK_KEY, found.values.get(PEAK_KEY), _MOST_MIB)
    if not mib:
        return None
    peak, inputs = round(mib * 2**20), _inputs_bytes(workload)
    if peak < inputs:
        raise ImportRefused(
            f"{found.where}: {PEAK_KEY} is {mib:g}, and q, k and v of {describe_shape(workload)} alone take "
            f"{inputs / 2**20:g}: it measured a smaller shape"
        )
    return peak


def _inputs_bytes(shape: Attention) -> int:
    elements = shape.head_dim * (shape.heads * shape.queries + 2 * shape.kv_heads * shape.keys)
    return elements * BYTES_PER_ELEMENT[shape.dtype]


def _halved_flop(shape: Attention, which: Pass) -> float:
    """The labs' count: all pairs, and half of them under a causal mask."""
    pairs = shape.batch * shape.seq_q * shape.seq_k / (2 if shape.causal else 1)
    forward = 4 * shape.heads * shape.head_dim * pairs
    return forward * (shape.flop(which) / shape.flop(PASSES[0]))


def _implementation(found: FoundObject, name: object) -> str:
    """attnprof's name for it, by any of its aliases; what is not known keeps the name that it has."""
    if not isinstance(name, str) or not plain_text(name) or len(name) > _LONGEST_NAME:
        raise ImportRefused(f"{found.where}: impl is {shown(name)}, and should be an implementation's name")
    return _names().get(name.casefold(), plain_text(name))


@cache
def _names() -> dict[str, str]:
    """The listed implementations by all their names: one in a file is never looked up as a path."""
    return {each.casefold(): item.name for item in impls.catalog() for each in (item.name, *item.aliases)}


def _own_case(found: FoundObject) -> tuple[object, Attention]:
    """The implementation and the shape, which attnprof writes in full."""
    told = dict(found.values[OWN_KEY]["parameters"])
    name = told.pop("implementation", None)
    try:
        shape = msgspec.convert(told, Attention)
    except (msgspec.ValidationError, WorkloadError) as error:
        raise ImportRefused(f"{found.where}: {OWN_KEY}.parameters: {plain_text(str(error))}") from None
    sizes = {size: getattr(shape, size) for size in _SIZES}
    for size in sizes:
        _size(found, size, sizes)
    return name, shape


def _workload(found: FoundObject, parameters: dict[str, Any]) -> Attention:
    values = found.values
    for name in _NOT_THE_LABS:
        if values.get(name):
            raise ImportRefused(f"{found.where}: {name} is {shown(values[name])}, and no lab's shape has one")
    causal, dtype = parameters["causal"], parameters["dtype"]
    if not isinstance(causal, bool):
        raise ImportRefused(f"{found.where}: causal is {shown(causal)}, and should be true or false")
    if not isinstance(dtype, str) or dtype.lower() not in DTYPES:
        raise ImportRefused(f"{found.where}: dtype is {shown(dtype)}, and should be fp16, bf16 or fp32")
    heads, seq = _size(found, "num_heads", parameters), _size(found, "seq_len", parameters)
    try:
        return Attention(
            batch=_size(found, "batch_size", parameters),
            seq_q=_size(found, "seq_q", values) if "seq_q" in values else seq,
            seq_k=seq,
            heads=heads,
            kv_heads=heads,
            head_dim=_head_dim(found, parameters, heads),
            dtype=DTYPES[dtype.lower()],
            causal=causal,
        )
    except WorkloadError as error:
        raise ImportRefused(f"{found.where}: {error}") from None


def _head_dim(found: FoundObject, parameters: dict[str, Any], heads: int) -> int:
    if "emb_dim" not in parameters:
        return _size(found, "head_dim", parameters)
    emb_dim = _size(found, "emb_dim", parameters)
    if emb_dim % heads:
        raise ImportRefused(f"{found.where}: emb_dim is {emb_dim}, and should be a multiple of {heads} heads")
    return emb_dim // heads


def _size(found: FoundObject, name: str, values: dict[str, Any]) -> int:
    size = values[name]
    if isinstance(size, bool) or not isinstance(size, int):
        raise ImportRefused(f"{found.where}: {name} is {shown(size)}, and should be a whole number")
    if not 1 <= size <= LARGEST_SIZE:
        raise ImportRefused(f"{found.where}: {name} is {size}, and should be from 1 to {LARGEST_SIZE}")
    return size
