"""Which of several measurements of the same thing is shown: the last one that came to anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Protocol


class Measured(Protocol):
    """What a record tells of how far its measurement came."""

    @property
    def has_enough(self) -> bool: ...

    @property
    def was_cut(self) -> bool: ...

    @property
    def has_something(self) -> bool: ...


def plan_to_show(plans: Mapping[int, Sequence[Measured]], expected: Callable[[int], int]) -> int:
    """Of the plans in which something was measured, by their numbers, the one to show.

    `plans` has the records of each, `expected` how many a plan asked for. What is being measured anew
    stands as it was before, until all its records have something to show; cut short, it leaves it so.
    """
    newest_first = sorted(plans, reverse=True)
    enough = [
        number
        for number in newest_first
        if len(plans[number]) >= expected(number) and all(record.has_enough for record in plans[number])
    ]
    uncut = [number for number in enough if not any(record.was_cut for record in plans[number])]
    begun = [number for number in newest_first if any(record.has_something for record in plans[number])]
    return next(chain(uncut, enough, begun, newest_first))
