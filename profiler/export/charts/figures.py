"""The figures that charts of attention draw: what each takes from a row, its unit, and how it is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from profiler.events import Estimate
from profiler.export.charts.picture import Point
from profiler.results.rows import Row
from profiler.results.wording import status_word
from profiler.units import figure, mib, ms

_MIB = 2**20


@dataclass(frozen=True)
class Figure:
    """A figure of a row with its interval. `show` writes one without its unit."""

    id: str
    label: str
    unit: str
    better: str
    show: Callable[[float], str]
    of: Callable[[Row], Point]

    def point(self, row: Row | None) -> Point:
        """The figure of a result that is right; for any other the word for what became of it."""
        if row is None:
            return Point()
        if row.status != "ok":
            return Point(word=status_word(row))
        return self.of(row)


def estimated(estimate: Estimate | None, convert: Callable[[float], float]) -> Point:
    """A median and its interval in another unit; without one, and marked so, where samples are too few."""
    if estimate is None or estimate.median <= 0:  # too short for the clock
        return Point()
    if estimate.margin is None:
        return Point(convert(estimate.median), of_few=True)
    if estimate.low <= 0:
        return Point(convert(estimate.median))
    low, high = sorted((convert(estimate.low), convert(estimate.high)))
    return Point(convert(estimate.median), low, high)


def _time(row: Row) -> Point:
    return estimated(row.device_ms, lambda time_ms: time_ms)


def _rate(row: Row) -> Point:
    if row.device_ms is None or row.tflops is None:
        return Point()
    work = row.tflops * row.device_ms.median
    return estimated(row.device_ms, lambda time_ms: work / time_ms)


def _memory(row: Row) -> Point:
    return Point(row.memory.working_bytes / _MIB) if row.memory else Point()


TIME = Figure("time", "Time", "ms", "lower", ms, _time)
RATE = Figure("tflops", "Throughput", "TFLOP/s", "higher", figure, _rate)
MEMORY = Figure("memory", "Memory above the inputs", "MiB", "lower", lambda value: mib(value * _MIB), _memory)
