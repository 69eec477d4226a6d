"""The largest batch that fits, found by few tries.

Batches are the study's: multiples of eight down to eight, then by one. What a step holds at its peak
is nearly a line in the batch, above what it holds at any (parameters, states). More exactly it is the
larger of several lines, one for each moment of a step, so it bends upwards only: a line through two
batches that fit never foretells too much for a larger one. Where even that is more than there is, the
larger one need not be tried. Foretold to fit says less, for memory splinters: that is always tried.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field

EIGHT = 8
MOST = 4096
"""No larger batch is tried: no step would end in a reasonable time."""

# Peaks of the same step differ by what is rounded up and by libraries' workspaces, well under a hundredth.
_MARGIN = 0.02
# A line through two small batches may be nearly flat.
_MOST_GROWTH = 4
# A guess that leaves room for so many candidates more, or fewer, is right: the line from what is held at
# any batch foretells too little.
_NEAR = 2
_FAR = 8


def candidates(most: int = MOST) -> list[int]:
    """The batches that there are, ascending."""
    return [*range(1, min(most, EIGHT) + 1), *range(2 * EIGHT, most + 1, EIGHT)]


def largest_batch(
    fits: Callable[[int], int | None],
    *,
    static_bytes: int,
    room_bytes: int,
    most: int = MOST,
    first: int | None = None,
) -> int:
    """The largest candidate that fits, 0 if none does.

    `fits` tries a batch and returns its peak in bytes, None where it ran out of memory. `static_bytes`
    are held at any batch, `room_bytes` is all there is, with these. `first` is likely to be the one,
    as that of a similar case: it is tried, then the next larger, unless it leaves room for much more.
    The next larger candidate than what is returned was tried and does not fit, or cannot.
    """
    search = _Search(candidates(most), static_bytes, room_bytes)
    index = search.place_of(first or EIGHT)
    while True:
        search.note(index, fits(search.sizes[index]))
        if search.is_over:
            return search.sizes[search.low] if search.low >= 0 else 0
        is_likely = first is not None and len(search.peaks) == 1 and search.high == len(search.sizes)
        index = search.next()
        # Without its matrix of scores attention leaves room for a few times as many sequences. Where there
        # is room for far more, something else than memory ended the search of the case that it comes from.
        is_near = index <= search.low + _NEAR
        if is_likely and (is_near or search.sizes[index] > _FAR * search.sizes[search.low]):
            index = search.low + 1


@dataclass
class _Search:
    """What is known: indices of the largest that fits and of the smallest that does not, and peaks."""

    sizes: list[int]
    static_bytes: int
    room_bytes: int
    peaks: dict[int, int] = field(default_factory=dict)
    low: int = -1
    high: int = field(init=False)
    splintered: tuple[int, int] | None = None
    """`low` when what was foretold to fit did not for the first time, and the tries downwards since."""

    def __post_init__(self) -> None:
        self.high = len(self.sizes)

    def place_of(self, size: int) -> int:
        """The index of the largest candidate that is no larger."""
        return max(bisect_right(self.sizes, size) - 1, 0)

    def note(self, index: int, peak_bytes: int | None) -> None:
        if peak_bytes is None:
            self.high = index
        else:
            self.low = index
            self.peaks[self.sizes[index]] = peak_bytes

    @property
    def is_over(self) -> bool:
        if self.high - self.low == 1:
            return True
        if len(self.peaks) < 2:
            return False
        # From afar, so that a peak that is a little off tilts the line as little as can be.
        foretold = self._foretold(self.sizes[self.low + 1], min(self.peaks), max(self.peaks))
        return foretold > self.room_bytes * (1 + _MARGIN)

    def next(self) -> int:
        """The next to try, between the two."""
        if self.low < 0:
            ordinary = self.place_of(EIGHT)
            return ordinary if ordinary < self.high else 0
        *_, before, largest = 0, *sorted(self.peaks)
        most = _MOST_GROWTH * largest if before else MOST
        hopeful = [
            size
            for size in self.sizes
            if size <= most and self._foretold(size, before, largest) <= self.room_bytes
        ]
        index = len(hopeful) - 1
        if index >= self.high:
            index = self._below()
        return min(max(index, self.low + 1), self.high - 1)

    def _below(self) -> int:
        """Where to go on when memory splinters: mostly by a step's width, so down from there, ever faster.

        Once one fits, or what is left is halved faster so, in the middle.
        """
        low, tries = self.splintered or (self.low, 0)
        self.splintered = low, tries + 1
        middle = (self.low + self.high) // 2
        return max(self.high - 2**tries, middle) if low == self.low else middle

    def _foretold(self, size: int, small: int, large: int) -> float:
        """By the line through two batches that fit; 0 stands for what is held at any."""
        low, high = self.peaks.get(small, self.static_bytes), self.peaks[large]
        return low + (size - small) * (high - low) / (large - small)
