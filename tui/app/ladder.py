"""Steps between sizes: along the powers of two, along multiples, along divisors."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import isqrt


def power(size: int, direction: int) -> int:
    """The next power of two above (+1) or below (-1) a size; 0 where none is below."""
    if direction > 0:
        return 1 << size.bit_length()
    return 1 << (size - 1).bit_length() >> 1 if size > 1 else 0


def multiple(size: int, direction: int, unit: Callable[[int], int]) -> int:
    """The next multiple above or below a size of the unit that its neighbourhood has."""
    if direction > 0:
        width = unit(size)
        return (size // width + 1) * width
    width = unit(size - 1)
    return (size - 1) // width * width


def by_ones(size: int) -> int:
    """The unit of counts."""
    return 1


def by_eights(size: int) -> int:
    """The unit of head dims: what tensor cores work in."""
    return 8 if size >= 8 else 1


def by_tiles(size: int) -> int:
    """The unit of sequence lengths: a tile of 64, or an eighth of the power of two below."""
    if size < 64:
        return by_eights(size)
    return max(64, power(size + 1, -1) // 8)


@lru_cache(maxsize=64)
def divisors(number: int) -> tuple[int, ...]:
    """Every divisor, in order."""
    small = [candidate for candidate in range(1, isqrt(number) + 1) if number % candidate == 0]
    large = [number // candidate for candidate in reversed(small)]
    return tuple(dict.fromkeys((*small, *large)))


def next_in(sizes: tuple[int, ...], size: int, direction: int) -> int | None:
    """The nearest of some sizes above or below one, which need not be among them."""
    if direction > 0:
        return min((item for item in sizes if item > size), default=None)
    return max((item for item in sizes if item < size), default=None)
