"""When a shape has been measured enough: one small class a rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from profiler.plans.plan import Stopping
from profiler.stats import estimate

LEAST_ROUNDS = 10
# A median that a thousand rounds cannot pin down will not be by the next thousand.
MOST_ROUNDS = 1000

Series = Sequence[float]
"""The samples so far of one pass of one case, one a round."""


class Rule(Protocol):
    """Asked after every round, with all series measured so far."""

    def is_finished(self, rounds: int, series: Iterable[Series]) -> bool: ...


class Repeats:
    """Exactly `count` rounds."""

    def __init__(self, count: int) -> None:
        self._count = count

    def is_finished(self, rounds: int, series: Iterable[Series]) -> bool:
        return rounds >= self._count


class Precision:
    """Until the 95 % interval of every median is within +-`target`, or `budget_s` seconds have passed."""

    def __init__(self, target: float, budget_s: float, clock: Callable[[], float]) -> None:
        self._target = target
        self._budget_s = budget_s
        self._clock = clock
        self._began_s = clock()
        self._next_look = LEAST_ROUNDS

    def is_finished(self, rounds: int, series: Iterable[Series]) -> bool:
        if self._clock() - self._began_s >= self._budget_s or rounds >= MOST_ROUNDS:
            return True
        if rounds < self._next_look:
            return False
        self._next_look = rounds + max(1, rounds // 10)  # sorting all samples every round would add up
        return all(is_within(samples, self._target) for samples in series)


def is_within(samples: Series, target: float) -> bool:
    """Whether the interval of the median is known to +-`target` (a fraction of the median)."""
    if len(samples) < LEAST_ROUNDS:
        return False
    margin = estimate(samples).margin
    return margin is not None and margin <= target


def rule(stopping: Stopping, clock: Callable[[], float]) -> Rule:
    """The rule that `stopping` describes; its budget begins now."""
    if stopping.repeats is not None:
        return Repeats(stopping.repeats)
    return Precision(stopping.precision, stopping.budget_s, clock)
