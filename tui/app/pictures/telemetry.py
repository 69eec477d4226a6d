"""How the device goes: each quantity with its last half minute and its value now, and what holds it back."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil

from rich.cells import set_cell_size
from rich.text import Text

from profiler.events import Gpu, Telemetry
from profiler.results import wording
from profiler.results.conditions import sum_up
from profiler.units import plain_text, rate
from tui.app.glyphs import Glyphs
from tui.app.pictures.look import PLAIN, Look
from tui.app.pictures.sparkline import buckets, sparkline

WINDOW_S = 30.0
"""What sparklines show, at most."""

_SAID_S = 10.0  # conditions are those of so many seconds: told within one, and not long after they end
_GIB = 1024**3
_GAP = 3
_LEAST_SPARK = 4  # fewer blocks show no course
_TALL_SPARK = 3  # rows of the highest sparkline
_WORDS = 26  # room for the longest name of a condition
_QUIET = {
    "cuda": ("nothing holds the clocks back", "clocks not held back"),
    "cpu": ("no clocks or power to read on the CPU", "the CPU: no clocks to read"),
}
_READ_S = 0.1  # there is a reading every so often, and no sense in finer spans


@dataclass(frozen=True)
class Quantity:
    """Something that is read. `low` and `high` bound its sparkline; None is that of what was read.

    `limit` is what it is held to, in the same unit, where that is worth saying.
    """

    label: str
    brief: str
    unit: str
    read: Callable[[Telemetry], float | None]
    low: float | None = 0.0
    high: float | None = None
    limit: float | None = None

    def shown(self, value: float | None, *, brief: bool) -> str:
        """Its value now: "512 of 700 W", or "512 W"."""
        if value is None:
            return "not read"
        limit = f" of {self._figure(self.limit)}" if self.limit and not brief else ""
        return f"{self._figure(value)}{limit} {self.unit}"

    def _figure(self, value: float) -> str:
        return rate(value) if self.unit == "GiB" else f"{value:.0f}"


def quantities(gpu: Gpu | None, kind: str) -> list[Quantity]:
    """What there is to show of a GPU ("cuda"), or of a run on the CPU."""
    if kind == "cpu":
        return [
            Quantity(
                "worker's share of cores", "cores", "%", lambda reading: reading.utilization_percent, 0, 100
            ),
            Quantity("worker's memory", "worker", "GiB", lambda reading: _gib(reading.process_bytes)),
            Quantity("memory in use", "in use", "GiB", lambda reading: _gib(reading.memory_used_bytes)),
        ]
    clock = gpu.max_sm_mhz if gpu else None
    power = gpu.power_limit_w if gpu else None
    memory = _gib(gpu.memory_bytes) if gpu else None
    return [
        # A clock that is held back loses tenths, not all: its scale begins at half of its highest.
        Quantity("SM clock", "SM", "MHz", lambda reading: reading.sm_mhz, clock and clock / 2, clock, clock),
        Quantity("power", "power", "W", lambda reading: reading.power_w, 0, power, power),
        Quantity("temperature", "temp", "C", lambda reading: reading.temperature_c, 20, 95),
        Quantity("memory", "mem", "GiB", lambda reading: _gib(reading.memory_used_bytes), 0, memory, memory),
        Quantity("utilization", "util", "%", lambda reading: reading.utilization_percent, 0, 100),
    ]


def _gib(size: int | None) -> float | None:
    return None if size is None else size / _GIB


def telemetry_picture(
    telemetry: Sequence[Telemetry],
    gpu: Gpu | None,
    kind: str,
    width: int,
    height: int,
    glyphs: Glyphs,
    look: Look = PLAIN,
) -> list[Text]:
    """The quantities, each on a line where `height` allows, else several on one, and conditions in words."""
    recent = _last(telemetry, WINDOW_S)
    if not recent:
        return [Text("no readings of the device yet", style=look.muted)]
    shown = quantities(gpu, kind)
    words = _held(recent) or _QUIET[kind]
    style = look.warning if words != _QUIET[kind] else look.muted
    # Words have room in any case, even while nothing is held back, so that nothing jumps when it is.
    within = _Grid.fitting(shown, recent, width, height, words_beside=True)
    if within.room_beside(len(shown), width) >= _WORDS:
        picture = within.draw(shown, glyphs, look)
        room = within.room_beside(len(shown), width)
        picture[-1].append(" " * _GAP).append(_fitting(words, room), style=style)
        return picture
    grid = _Grid.fitting(shown, recent, width, max(height - 1, 1))
    picture = grid.draw(shown, glyphs, look)
    said = Text(_fitting(words, width), style=style, end="")
    return [*picture, said] if len(picture) < height else picture


def _last(telemetry: Sequence[Telemetry], seconds: float) -> Sequence[Telemetry]:
    if not telemetry:
        return ()
    since = telemetry[-1].at_s - seconds
    return telemetry[bisect_left(telemetry, since, key=lambda reading: reading.at_s) :]


def _held(recent: Sequence[Telemetry]) -> tuple[str, ...]:
    """What holds the clocks back and who else computes there: in full, and in fewer words; () if nothing."""
    found = sum_up(_last(recent, _SAID_S)).shares
    if not found:
        return ()
    shares = "; ".join(wording.condition(name, [share]) for name, share in found.items())
    effects = ", ".join(filter(None, dict.fromkeys(map(wording.condition_effect, found))))
    return f"{shares}: {effects}" if effects else shares, shares, ", ".join(map(plain_text, found))


def _fitting(words: tuple[str, ...], room: int) -> str:
    """The longest of them that fits; the shortest, cut, if none does."""
    return next((said for said in words if len(said) <= room), set_cell_size(words[-1], room))


@dataclass(frozen=True)
class _Grid:
    """Where quantities stand: in columns side by side, each with a label, a sparkline and a value.

    `labels` and `values` are the widths by column, `spark` that of every sparkline, `rows` its
    height, and `apart` the blank lines between two quantities, one above the other.
    """

    recent: Sequence[Telemetry]
    brief: bool
    labels: tuple[int, ...]
    values: tuple[int, ...]
    spark: int
    rows: int
    apart: int

    @classmethod
    def fitting(
        cls,
        shown: Sequence[Quantity],
        recent: Sequence[Telemetry],
        width: int,
        lines: int,
        *,
        words_beside: bool = False,
    ) -> _Grid:
        """In full where that leaves room for sparklines, else with brief labels and without limits.

        With `words_beside` there is to be room for words at the end of the last line, if it has an end.
        """
        grid = cls._of(shown, recent, width, lines, brief=False)
        if not grid.spark:
            grid = cls._of(shown, recent, width, lines, brief=True)
        if words_beside:
            while grid.spark > _LEAST_SPARK and 0 < grid.room_beside(len(shown), width) < _WORDS:
                grid = replace(grid, spark=grid.spark - 1)
        return grid

    def room_beside(self, count: int, width: int) -> int:
        """How much of the last line of `count` quantities is free; 0 where it is full."""
        columns = len(self.labels)
        last = count % columns
        taken = sum(self.labels[:last]) + sum(self.values[:last]) + last * (self.spark + 2 + _GAP)
        return max(width - taken, 0) if last else 0

    @classmethod
    def _of(
        cls, shown: Sequence[Quantity], recent: Sequence[Telemetry], width: int, lines: int, *, brief: bool
    ) -> _Grid:
        columns = ceil(len(shown) / lines)
        below = [shown[column::columns] for column in range(columns)]
        labels = tuple(max(len(_label(each, brief)) for each in column) for column in below)
        values = tuple(max(len(_value(each, recent, brief)) for each in column) for column in below)
        # Blanks: two in each column, and the gaps between columns.
        left = width - sum(labels) - sum(values) - 2 * columns - _GAP * (columns - 1)
        spark = min(left // columns, round(WINDOW_S / _READ_S))
        each = max(lines // len(shown), 1)
        rows = min(max(each - 1, 1), _TALL_SPARK)
        return cls(
            recent, brief, labels, values, spark if spark >= _LEAST_SPARK else 0, rows, min(each - rows, 1)
        )

    def draw(self, shown: Sequence[Quantity], glyphs: Glyphs, look: Look) -> list[Text]:
        """The quantities in order, along the lines."""
        columns = len(self.labels)
        picture: list[Text] = []
        for first in range(0, len(shown), columns):
            if picture:
                picture += [Text() for _ in range(self.apart)]
            cells = [
                self._cell(quantity, column, glyphs, look)
                for column, quantity in enumerate(shown[first : first + columns])
            ]
            picture += [Text(" " * _GAP, end="").join(row) for row in zip(*cells, strict=True)]
        return picture

    def _cell(self, quantity: Quantity, column: int, glyphs: Glyphs, look: Look) -> list[Text]:
        """The lines of one quantity, its label and value on the lowest."""
        label, value = self.labels[column], self.values[column]
        drawn = [Text(" " * (label + 1), end="") for _ in range(self.rows - 1)]
        drawn.append(Text.assemble((f"{_label(quantity, self.brief):<{label}} ", look.muted), end=""))
        if self.spark:
            readings = ((reading.at_s, quantity.read(reading)) for reading in self.recent)
            means = buckets(readings, self.spark, WINDOW_S / self.spark)
            low, high = quantity.low, quantity.high
            blocks = sparkline(means, self.spark, glyphs, low=low, high=high, rows=self.rows)
            for text, row in zip(drawn, blocks, strict=True):
                text.append(f"{row} ", style=look.spark)
        for text in drawn[:-1]:
            text.append(" " * value)
        drawn[-1].append(f"{_value(quantity, self.recent, self.brief):<{value}}", style=look.value)
        return drawn


def _label(quantity: Quantity, brief: bool) -> str:
    return quantity.brief if brief else quantity.label


def _value(quantity: Quantity, recent: Sequence[Telemetry], brief: bool) -> str:
    """What was read last."""
    return quantity.shown(quantity.read(recent[-1]), brief=brief)
