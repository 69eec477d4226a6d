"""What a chart shows, as plain data: decided by pure functions, drawn by profiler.export.charts.drawing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["bars", "lines", "stacks"]
Scale = Literal["linear", "log"]


@dataclass(frozen=True)
class Point:
    """A figure with its 95 % interval where one is known; without a `value` the `word` says why.

    `of_few` is a median of too few samples for an interval.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    word: str = ""
    of_few: bool = False


@dataclass(frozen=True)
class Series:
    """An implementation's points, one for each tick of its panel; in stacks, those of a part of a step.

    `place` is the implementation's by its name (`places_of` in profiler.results.colours), which settles its
    marker and its hatch; in stacks, that of the part.
    """

    name: str
    colour: str
    place: int
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Tick:
    """A place along a panel's axis: a length, a pass or, in stacks, an implementation in its colour."""

    label: str
    at: float
    colour: str = ""


@dataclass(frozen=True)
class Panel:
    """One system of axes. Every series has a point for every tick."""

    title: str
    ticks: tuple[Tick, ...]
    series: tuple[Series, ...]
    y_label: str
    counts: bool = False
    """Whether its figures are whole numbers of something."""

    def points(self) -> Iterator[Point]:
        """Those of all series."""
        return (point for series in self.series for point in series.points)

    def values(self) -> Iterator[float]:
        """All figures that are drawn."""
        return (point.value for point in self.points() if point.value is not None)


@dataclass(frozen=True)
class Picture:
    """Panels that belong together, in `columns`, under one title.

    `name` is its file's, without a suffix. `fixed` is what all panels have in common, `alt` what it
    shows for those who do not see it, `notes` what is not drawn and why, a clause each.
    """

    name: str
    kind: Kind
    title: str
    fixed: str
    alt: str
    x_label: str
    panels: tuple[Panel, ...]
    columns: int = 1
    scale: Scale = "linear"
    shares_scale: bool = False
    """Whether figures of one panel may be compared by eye with those of another."""
    baseline: str = ""
    notes: tuple[str, ...] = ()
    footnote: str = ""
    """What the marks are."""
