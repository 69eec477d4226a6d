"""Telemetry summed up: how clocks, power and temperature went while a session measured."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from profiler.events import Telemetry
from profiler.recording import Recording

_QUANTITIES: dict[str, Callable[[Telemetry], float | None]] = {
    "SM clock (MHz)": lambda reading: reading.sm_mhz,
    "memory clock (MHz)": lambda reading: reading.memory_mhz,
    "power (W)": lambda reading: reading.power_w,
    "temperature (C)": lambda reading: reading.temperature_c,
    "utilization (%)": lambda reading: reading.utilization_percent,
}


@dataclass(frozen=True)
class Span:
    """How one quantity was spread over the readings."""

    name: str
    low: float
    median: float
    high: float


@dataclass(frozen=True)
class Summary:
    """The spans of the quantities that could be read, and the share of readings with each throttle reason."""

    readings: int
    spans: tuple[Span, ...]
    throttle: dict[str, float]


def while_measuring(recording: Recording) -> Summary:
    """The readings from the first case's first call to the last result; all if nothing was measured."""
    checked = [case.check.at_s for case in recording.cases.values() if case.check]
    results = [
        record.result.at_s
        for case in recording.cases.values()
        for record in case.passes.values()
        if record.result
    ]
    readings = recording.telemetry
    if checked and results:
        readings = [reading for reading in readings if min(checked) <= reading.at_s <= max(results)]
    spans = []
    for name, quantity in _QUANTITIES.items():
        values = [value for reading in readings if (value := quantity(reading)) is not None]
        if values:
            spans.append(Span(name, min(values), statistics.median(values), max(values)))
    reasons = Counter(reason for reading in readings for reason in set(reading.throttle))
    return Summary(
        readings=len(readings),
        spans=tuple(spans),
        throttle={reason: number / len(readings) for reason, number in reasons.most_common()},
    )
