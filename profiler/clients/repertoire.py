"""What a demonstration can play: the shapes of a recorded session, and why not another one."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Literal

import msgspec

from profiler.events import Catalog, CatalogEntry, Event, Telemetry
from profiler.session.case_record import CaseRecord
from profiler.session.recording import Recording
from profiler.units import describe_shape, listed, plain_text, shape_columns
from profiler.workload import BYTES_PER_ELEMENT, PASS_LABELS, Attention, Pass

Parameter = Literal[
    "batch",
    "seq",
    "seq_q",
    "heads",
    "kv_heads",
    "head_dim",
    "emb_dim",
    "dtype",
    "causal",
    "window",
    "dropout",
    "softcap",
    "decode",
]

# In which order a parameter's values are stepped through.
_RANKS: dict[Parameter, Callable[[Attention], float]] = {
    "batch": lambda shape: shape.batch,
    "seq": lambda shape: shape.seq_k,
    "seq_q": lambda shape: shape.seq_q,
    "heads": lambda shape: shape.heads,
    "kv_heads": lambda shape: shape.kv_heads,
    "head_dim": lambda shape: shape.head_dim,
    "emb_dim": lambda shape: shape.emb_dim,
    "dtype": lambda shape: list(BYTES_PER_ELEMENT).index(shape.dtype),
    "causal": lambda shape: shape.causal,
    "window": lambda shape: math.inf if shape.window is None else shape.window,
    "dropout": lambda shape: shape.dropout,
    "softcap": lambda shape: math.inf if shape.softcap is None else shape.softcap,
    "decode": lambda shape: shape.decode,
}
_IDLE_PERCENT = 5.0
NOT_HERE = "this demonstration replays a recording"


def nearest_shape(
    shapes: Iterable[Attention], workload: Attention, parameter: Parameter, direction: int
) -> Attention | None:
    """The shape to step to: with the next larger value (direction 1) or smaller one (-1).

    One that differs in nothing else is preferred, then one that differs in least; None at the end.
    """
    rank = _RANKS[parameter]
    ahead = [shape for shape in shapes if (rank(shape) - rank(workload)) * direction > 0]
    return min(
        ahead,
        key=lambda shape: (len(_differences(workload, shape)), abs(rank(shape) - rank(workload))),
        default=None,
    )


def step_between(before: Attention, after: Attention) -> tuple[Parameter, int] | None:
    """The parameter that was turned from one shape to the other, and which way; None if none was."""
    for parameter, rank in _RANKS.items():
        if rank(after) != rank(before):
            return parameter, 1 if rank(after) > rank(before) else -1
    return None


class Repertoire:
    """The cases of a recorded session by shape and implementation, each as it was measured last."""

    def __init__(self, events: Iterable[Event]) -> None:
        self.recording = Recording.of(events).latest()
        self._cases = {
            (case.workload, case.implementation): case for case in self.recording.cases.values() if case.done
        }
        self.workloads = tuple(dict.fromkeys(workload for workload, _ in self._cases))
        self.idle = _idle(self.recording.telemetry)

    def case(self, workload: Attention, implementation: str) -> CaseRecord | None:
        """What was recorded of it."""
        return self._cases.get((workload, implementation))

    def catalog(self) -> tuple[CatalogEntry, ...]:
        """The recording's; what was not measured in it cannot run here."""
        played = {name for _, name in self._cases}
        recorded = self.recording.catalog or Catalog(implementations=())
        return tuple(
            entry
            if entry.unavailable or entry.name in played
            else msgspec.structs.replace(entry, unavailable=f"{NOT_HERE}, and this is not in it")
            for entry in recorded.implementations
        )

    def readings(self, workload: Attention) -> list[Telemetry]:
        """What the device was read at during the rounds of a shape."""
        cases = [case for (shape, _), case in self._cases.items() if shape == workload]
        began_s = max((case.check.at_s for case in cases if case.check), default=0.0)
        ended_s = max((record.last_s for case in cases for record in case.passes.values()), default=0.0)
        all_of_them = self.recording.telemetry
        first = bisect_left(all_of_them, began_s, key=lambda reading: reading.at_s)
        return all_of_them[first : bisect_right(all_of_them, ended_s, key=lambda reading: reading.at_s)]

    def nearest(self, workload: Attention, parameter: Parameter, direction: int) -> Attention | None:
        """As nearest_shape, among those recorded."""
        return nearest_shape(self.workloads, workload, parameter, direction)

    def why_not(self, workload: Attention, implementation: str) -> str:
        """Why a case cannot be played, and what can: the values there are of what would have to differ."""
        names = [name for shape, name in self._cases if shape == workload]
        if names:
            return f"{NOT_HERE}, which at this shape has {listed(names)}, not {plain_text(implementation)}"
        alike = [shape for shape in self.workloads if len(_differences(workload, shape)) == 1]
        if not alike:
            closest = min(self.workloads, key=lambda shape: len(_differences(workload, shape)), default=None)
            held = "has no shape" if closest is None else f"has this nearest: {describe_shape(closest)}"
            return f"{NOT_HERE}, which {held}"
        (parameter,) = _differences(workload, alike[0])
        values = [
            shape_columns([workload, shape]).cells(shape)[0]
            for shape in alike
            if _differences(workload, shape) == (parameter,)
        ]
        (asked,) = shape_columns([workload, alike[0]]).cells(workload)
        return f"{NOT_HERE}, which for this shape has {parameter} {listed(values)}, not {asked}"

    def why_not_pass(self, which: Pass) -> str:
        """Why a pass of a case that was recorded cannot be played."""
        return f"{NOT_HERE}, which here is without {PASS_LABELS[which]}"


def _differences(one: Attention, other: Attention) -> tuple[str, ...]:
    """The parameters that two shapes differ in, as they are shown."""
    return shape_columns([one, other]).varying


def _idle(readings: list[Telemetry]) -> list[Telemetry]:
    """The longest time that the device did nothing; any reading if it always worked."""
    runs = [list(run) for rests, run in groupby(readings, key=_rests) if rests]
    return max(runs, key=len, default=readings[:1])


def _rests(reading: Telemetry) -> bool:
    return reading.utilization_percent is not None and reading.utilization_percent <= _IDLE_PERCENT
