"""What implementations are compared by: each metric's name, unit, and how it is taken from a line."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from profiler import units
from profiler.events import Estimate
from profiler.results.rows import Row
from profiler.workload import PASSES, Pass
from tui.tables.columns import SHORT_PASS, Line

_MIB = 1024**2


@dataclass(frozen=True)
class Metric:
    """A number of a line: of the pass `which`, or of the line's headline where that is None.

    `id` is also the key of the column that shows it. `show` writes a value without its unit.
    """

    id: str
    label: str
    unit: str
    better: Literal["lower", "higher"]
    of_row: Callable[[Row], float | None]
    show: Callable[[float], str]
    which: Pass | None = None

    @property
    def title(self) -> str:
        """Its name with the unit: "fwd+bwd, ms"; the name alone where it is the unit: "TFLOP/s"."""
        return self.label if self.unit in ("", self.label) else f"{self.label}, {self.unit}"

    def row(self, line: Line) -> Row | None:
        """The row it is a number of; None where the line lacks its pass."""
        return line.headline if self.which is None else line.rows.get(self.which)

    def value(self, line: Line) -> float | None:
        """None where it was not measured, or is no finite number."""
        row = self.row(line)
        value = None if row is None else self.of_row(row)
        return value if value is not None and math.isfinite(value) else None


def ranked(lines: Iterable[Line], metric: Metric, *, worst_first: bool = False) -> list[Line]:
    """The best first. After them, either way, those whose results are wrong, and then those without a value.

    Equal ones stay in the order they came.
    """
    sign = -1 if (metric.better == "higher") != worst_first else 1

    def place(line: Line) -> tuple[int, float]:
        value = metric.value(line)
        if value is None:
            return 2, 0.0
        return int(line.headline.status in ("wrong", "nan")), sign * value

    return sorted(lines, key=place)


def _median(estimate: Estimate | None) -> float | None:
    return estimate.median if estimate else None


def _mib(value: int | None) -> float | None:
    return None if value is None else value / _MIB


def _speedup(row: Row) -> float | None:
    """The baseline's own is 1, if it ran and is right."""
    if row.is_baseline:
        return 1.0 if row.device_ms and row.status in ("ok", "running", "partial") else None
    return _median(row.speedup)


def _sm_clock(row: Row) -> float | None:
    return row.sm_mhz.median if row.sm_mhz else row.nvml_sm_mhz


def _time(which: Pass) -> Metric:
    return Metric(
        which, SHORT_PASS[which], "ms", "lower", lambda row: _median(row.device_ms), units.ms, which=which
    )


METRICS: tuple[Metric, ...] = (
    *map(_time, reversed(PASSES)),
    Metric("speedup", "speedup", "", "higher", _speedup, units.ratio),
    Metric("tflops", "TFLOP/s", "TFLOP/s", "higher", lambda row: row.tflops, units.tflops),
    Metric(
        "peak",
        "of measured peak",
        "%",
        "higher",
        lambda row: row.roofline.percent_of_measured_peak,
        units.percent,
    ),
    Metric(
        "memory",
        "memory",
        "MiB",
        "lower",
        lambda row: _mib(row.memory.working_bytes) if row.memory else None,
        units.three_digits,
    ),
    Metric(
        "saved",
        "saved for backward",
        "MiB",
        "lower",
        lambda row: _mib(row.memory.saved_bytes) if row.memory else None,
        units.three_digits,
    ),
    Metric("wall", "wall time", "ms", "lower", lambda row: _median(row.wall_ms), units.ms),
    Metric("graph", "as a CUDA graph", "ms", "lower", lambda row: _median(row.graph_ms), units.ms),
    Metric(
        "energy",
        "energy a call",
        "mJ",
        "lower",
        lambda row: 1000 * row.energy.joules if row.energy else None,
        units.figure,
    ),
    Metric(
        "error",
        "error over plain PyTorch's",
        "",
        "lower",
        lambda row: row.accuracy.ratio if row.accuracy else None,
        units.ratio,
    ),
    Metric("sm_clock", "SM clock", "MHz", "higher", _sm_clock, lambda mhz: f"{mhz:.0f}"),
)
"""In the order that they are offered, the first for a start."""

BY_ID: dict[str, Metric] = {metric.id: metric for metric in METRICS}


def measured(lines: Iterable[Line]) -> list[Metric]:
    """Those that some line has a value of."""
    lines = list(lines)
    return [metric for metric in METRICS if any(metric.value(line) is not None for line in lines)]
