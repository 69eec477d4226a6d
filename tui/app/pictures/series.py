"""A sweep as series and tables: the values along one or two of its axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeVar

from profiler.results.axes import Axes
from profiler.workload import Attention

T = TypeVar("T")

Values = Mapping[tuple[Attention, str], float]
"""A figure of each shape on each implementation, where it is known."""


def curves(
    values: Mapping[tuple[Attention, str], T], axes: Axes, over: str, fixed: Mapping[str, str]
) -> dict[str, list[tuple[float, T]]]:
    """The points, or words, of each implementation along the axis `over`, the other axes `fixed`."""
    axis = axes[over]
    found: dict[str, list[tuple[float, T]]] = {}
    for (shape, implementation), value in values.items():
        at = axes.at(shape)
        if _holds(at, fixed, besides=(over,)):
            found.setdefault(implementation, []).append((axis.place(at[over]), value))
    return {name: sorted(points, key=lambda point: point[0]) for name, points in found.items()}


def table(
    values: Mapping[tuple[Attention, str], T],
    axes: Axes,
    down: str,
    across: str,
    fixed: Mapping[str, str],
    implementation: str,
) -> dict[tuple[str, str], T]:
    """One implementation's values, or words, by those of two axes, the other axes `fixed`."""
    found = {}
    for (shape, name), value in values.items():
        at = axes.at(shape)
        if name == implementation and _holds(at, fixed, besides=(down, across)):
            found[at[down], at[across]] = value
    return found


def winners(
    values: Values,
    axes: Axes,
    down: str,
    across: str,
    fixed: Mapping[str, str],
    better: Literal["lower", "higher"],
) -> dict[tuple[str, str], tuple[str, float]]:
    """Which implementation is best by the values of two axes, and its value."""
    best: dict[tuple[str, str], tuple[str, float]] = {}
    for implementation in dict.fromkeys(name for _, name in values):
        for place, value in table(values, axes, down, across, fixed, implementation).items():
            leader = best.get(place)
            if leader is None or (value < leader[1] if better == "lower" else value > leader[1]):
                best[place] = (implementation, value)
    return best


def _holds(at: Mapping[str, str], fixed: Mapping[str, str], besides: Sequence[str]) -> bool:
    return all(value == fixed.get(name, value) for name, value in at.items() if name not in besides)
