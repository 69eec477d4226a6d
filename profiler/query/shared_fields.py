"""The fields that rows of attention and of training both have."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from profiler.events import Estimate
from profiler.query.entries import PassEntry, TrainingEntry
from profiler.query.fields import Entry, Field, Value

_Shared = Field[PassEntry | TrainingEntry]


def estimate_fields(
    name: str,
    meaning: str,
    read: Callable[[Entry], Estimate | None],
    unit: str,
    *aliases: str,
    of_case: bool = True,
) -> tuple[Field[Entry], ...]:
    """A median, and the two ends of its 95 % interval."""

    def of(which: Callable[[Estimate], float]) -> Callable[[Entry], Value]:
        return lambda entry: which(found) if (found := read(entry)) is not None else None

    low, high = "lower end of its interval", "upper end of its interval"
    return (
        Field(name, "number", meaning, of(lambda each: each.median), unit, aliases, of_case=of_case),
        Field(f"{name}_low", "number", low, of(lambda each: each.low), unit, of_case=of_case),
        Field(f"{name}_high", "number", high, of(lambda each: each.high), unit, of_case=of_case),
    )


def _conditions(entry: PassEntry | TrainingEntry) -> Mapping[str, float]:
    return entry.row.conditions if isinstance(entry, PassEntry) else entry.row.throttle


def _shares(entry: PassEntry | TrainingEntry) -> Value:
    return tuple(f"{share:.3g}" for share in _conditions(entry).values())


def _breaks(entry: PassEntry | TrainingEntry) -> Value:
    return None if entry.row.graph_breaks is None else sum(entry.row.graph_breaks.values())


def _reasons(entry: PassEntry | TrainingEntry) -> Value:
    return None if entry.row.graph_breaks is None else tuple(entry.row.graph_breaks)


SESSION_FIELDS: tuple[_Shared, ...] = (
    Field("started", "time", "when the session began, UTC", lambda entry: entry.session.started),
    Field("device", "text", "the GPU, or the CPU", lambda entry: entry.session.device, aliases=("gpu",)),
    Field(
        "memory_limit_bytes",
        "number",
        "what --memory-limit held the run to",
        lambda entry: entry.session.memory_limit_bytes,
        "bytes",
        ("memory_limit",),
    ),
    Field("imported_from", "list", "the files it was read from", lambda entry: entry.session.imported_from),
)

CONDITION_FIELDS: tuple[_Shared, ...] = (
    Field(
        "conditions",
        "list",
        "what clocks and times were under",
        lambda entry: tuple(_conditions(entry)),
        of_case=False,
    ),
    Field("condition_shares", "list", "of readings, in their order", _shares, of_case=False),
)

BACKEND: _Shared = Field(
    "backend", "text", "what ran, where a name stands for several", lambda entry: entry.row.backend
)
IS_BASELINE: _Shared = Field(
    "is_baseline",
    "yes/no",
    "speedups refer to it",
    lambda entry: entry.row.is_baseline,
    aliases=("baseline",),
)
CONVERGED: _Shared = Field(
    "converged",
    "yes/no",
    "the interval came to be as narrow as asked",
    lambda entry: entry.row.converged,
    of_case=False,
)
NOTES: _Shared = Field("notes", "list", "what else it told", lambda entry: entry.row.notes)
REQUESTED_BYTES: _Shared = Field(
    "requested_bytes",
    "number",
    "what could not be had",
    lambda entry: entry.row.failure.requested_bytes if entry.row.failure else None,
    "bytes",
    of_case=False,
)
MESSAGE: _Shared = Field(
    "message",
    "text",
    "why there is no result",
    lambda entry: entry.row.failure.message if entry.row.failure else None,
    of_case=False,
)

GRAPH_BREAK_FIELDS: tuple[_Shared, ...] = (
    Field("graph_breaks", "number", "of torch.compile", _breaks),
    Field("graph_break_reasons", "list", "why, each once", _reasons),
)
