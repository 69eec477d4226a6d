"""Which parameters of some shapes vary and are chosen, which go along, and where each shape stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from profiler.units import TEXT_PARAMETERS, shape_columns
from profiler.workload import Attention

# What a chart goes over by choice: of two parameters that change together the first here is named.
_PREFERENCE = (
    "seq",
    "seq q",
    "seq k",
    "heads",
    "head dim",
    "kv heads",
    "batch",
    "window",
    "causal",
    "dtype",
    "decode",
    "softcap",
    "dropout",
    "lengths",
)
_SWITCHED = {"causal": ("full", "causal"), "decode": ("no decode", "decode")}
_KIB = 1024


@dataclass(frozen=True)
class Axis:
    """A parameter that varies, its values as text in ascending order.

    `together` are parameters that this one settles: where a batch is 16k tokens, the batch goes with seq.
    """

    name: str
    values: tuple[str, ...]
    together: tuple[str, ...] = ()
    along: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """What the parameters that go along are at each value: "head dim 64"."""

    @property
    def is_numeric(self) -> bool:
        """Whether its values have places on a scale; words, and "none", stand one beside the other."""
        return self.name not in TEXT_PARAMETERS and all(value.isdigit() for value in self.values)

    def place(self, value: str) -> float:
        """Where a value stands along the axis."""
        return float(value) if self.is_numeric else float(self.values.index(value))

    def label(self, value: str) -> str:
        """A value as the field writes it: "512", "16k", "causal"."""
        return _SWITCHED[self.name][value == "yes"] if self.name in _SWITCHED else short_size(value)

    def ticks(self) -> tuple[tuple[float, str], ...]:
        """The place and the label of each of its values."""
        return tuple((self.place(value), self.label(value)) for value in self.values)


def short_size(value: str) -> str:
    """A number of 1024s with a k: "512", "1k", "16k"; other text as it is."""
    if value.isdigit() and int(value) >= _KIB and int(value) % _KIB == 0:
        return f"{int(value) // _KIB}k"
    return value


@dataclass(frozen=True)
class Axes:
    """The axes of a sweep, and where each shape stands on them."""

    axes: tuple[Axis, ...]
    places: Mapping[Attention, tuple[str, ...]]

    def __getitem__(self, name: str) -> Axis:
        return next(axis for axis in self.axes if axis.name == name)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(axis.name for axis in self.axes)

    def at(self, shape: Attention) -> dict[str, str]:
        """A shape's value on each axis."""
        return dict(zip(self.names, self.places[shape], strict=True))

    def longest(self) -> tuple[str, ...]:
        """The axes by how many values they have, numbers before words."""
        order = sorted(self.axes, key=lambda axis: (not axis.is_numeric, -len(axis.values)))
        return tuple(axis.name for axis in order)


def axes_of(shapes: Iterable[Attention]) -> Axes:
    """The parameters in which some shapes differ, without those that others settle."""
    shapes = list(dict.fromkeys(shapes))
    columns = shape_columns(shapes)
    cells = [columns.cells(shape) for shape in shapes]
    of_name = {name: [line[index] for line in cells] for index, name in enumerate(columns.varying)}
    chosen: list[str] = []
    settled: dict[str, list[str]] = {}
    for name in sorted(columns.varying, key=_PREFERENCE.index):
        if chosen and _settles([of_name[other] for other in chosen], of_name[name]):
            by = next((other for other in chosen if _settles([of_name[other]], of_name[name])), chosen[0])
            settled.setdefault(by, []).append(name)
        else:
            chosen.append(name)
    axes = tuple(_axis(name, of_name, settled.get(name, ())) for name in columns.varying if name in chosen)
    places = {
        shape: tuple(line[columns.varying.index(axis.name)] for axis in axes)
        for shape, line in zip(shapes, cells, strict=True)
    }
    return Axes(axes, places)


def _axis(name: str, of_name: Mapping[str, Sequence[str]], settled: Sequence[str]) -> Axis:
    """The axis of a parameter, with those of the `settled` ones that it settles alone."""
    together = tuple(other for other in settled if _settles([of_name[name]], of_name[other]))
    along = {
        value: ", ".join(f"{other} {of_name[other][index]}" for other in together)
        for index, value in enumerate(of_name[name])
        if together
    }
    return Axis(name, tuple(_ascending(of_name[name])), together, along)


def _settles(known: Sequence[Sequence[str]], other: Sequence[str]) -> bool:
    """Whether the values of some parameters leave a further one no choice."""
    combined = list(zip(*known, strict=True))
    return len(set(combined)) == len(set(zip(combined, other, strict=True)))


def _ascending(values: Iterable[str]) -> list[str]:
    """Numbers by size, with "none" behind them; words in the order they came in."""
    unique = list(dict.fromkeys(values))
    if any(value.isdigit() for value in unique):
        return sorted(unique, key=lambda value: (not value.isdigit(), int(value) if value.isdigit() else 0))
    return unique
