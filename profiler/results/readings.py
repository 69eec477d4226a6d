"""Telemetry summed up: how clocks, power and temperature went while a session measured."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from profiler.events import Telemetry
from profiler.session.recording import Recording

_QUANTITIES: dict[str, Callable[[Telemetry], float | None]] = {
    "SM clock by NVML (MHz)": lambda reading: reading.sm_mhz,
    "memory clock (MHz)": lambda reading: reading.memory_mhz,
    "power (W)": lambda reading: reading.power_w,
    "temperature (C)": lambda reading: reading.temperature_c,
    "utilization (%)": lambda reading: reading.utilization_percent,
}

_COUNTERS = "SM clock by the GPU's counters (MHz)"


@dataclass(frozen=True)
class Span:
    """How one quantity was spread over the readings."""

    name: str
    low: float
    median: float
    high: float


@dataclass(frozen=True)
class Summary:
    """How the device went: spans of what could be read, and shares of the readings.

    `throttle` is by reason; `other_processes` the share in which another process computed there.
    """

    readings: int
    spans: tuple[Span, ...]
    throttle: dict[str, float]
    other_processes: float = 0.0


def while_measuring(recording: Recording) -> Summary:
    """The readings from the first case's first call to the last result; all if nothing was measured.

    The SM clock of the samples by the GPU's own counters, where it is known, is a span of its own
    beside NVML's: NVML averages, and lags by 0.1 s.
    """
    readings = _readings(recording)
    reasons = Counter(reason for reading in readings for reason in set(reading.throttle))
    spans = [_span(name, map(quantity, readings)) for name, quantity in _QUANTITIES.items()]
    clocks = (
        mhz for case in recording.cases.values() for record in case.passes.values() for mhz in record.sm_mhz
    )
    spans.insert(1, _span(_COUNTERS, clocks))
    return Summary(
        readings=len(readings),
        spans=tuple(span for span in spans if span),
        throttle={reason: number / len(readings) for reason, number in reasons.most_common()},
        other_processes=(
            sum(bool(reading.other_processes) for reading in readings) / len(readings) if readings else 0.0
        ),
    )


def _readings(recording: Recording) -> list[Telemetry]:
    cases, trainings = recording.cases.values(), recording.trainings.values()
    checked = [case.check.at_s for case in cases if case.check]
    checked += [training.check.at_s for training in trainings if training.check]
    results = [record.result.at_s for case in cases for record in case.passes.values() if record.result]
    results += [training.result.at_s for training in trainings if training.result]
    if not (checked and results):
        return recording.telemetry
    return [reading for reading in recording.telemetry if min(checked) <= reading.at_s <= max(results)]


def _span(name: str, values: Iterable[float | None]) -> Span | None:
    """None where nothing was read."""
    known = [value for value in values if value is not None]
    return Span(name, min(known), statistics.median(known), max(known)) if known else None
