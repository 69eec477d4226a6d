"""The numbers of a session's cases, also where a file gives one number to two things.

No run does that, but files are edited, spliced and merged: what was measured is then still shown
beside what it is of, under a number of its own.
"""

from __future__ import annotations

from collections.abc import Hashable


class Numbering:
    """Whose number a case's is. A thing is what is measured, and by which implementation."""

    def __init__(self) -> None:
        self._things: dict[int, Hashable] = {}
        self._numbers: dict[tuple[int, Hashable], int] = {}
        self.now: dict[int, int] = {}
        """The numbers of the cases that the file spoke of last by another's number."""
        self._highest = -1

    @property
    def is_contradictory(self) -> bool:
        """Whether a number was given to two things."""
        return bool(self.now)

    def number(self, told: int) -> int:
        """The number of the case that the file calls `told`: of several, of the one it spoke of last."""
        return self.now.get(told, told)

    def number_of(self, told: int, thing: Hashable) -> int:
        """The number of the case of that thing, which the file calls `told`."""
        number = self.number(told)
        before = self._things.setdefault(number, thing)
        if before != thing:
            self._numbers.setdefault((told, before), number)
            number = self.now[told] = self._numbers.setdefault((told, thing), self._highest + 1)
            self._things[number] = thing
        self._highest = max(self._highest, number)
        return number
