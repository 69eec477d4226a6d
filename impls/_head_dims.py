"""The head dim that a kernel computes with, where it pads the one it is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def next_of(sizes: Sequence[int]) -> Callable[[int], int]:
    """The next of `sizes`, ascending, for which a package has compiled kernels."""
    return lambda head_dim: next((size for size in sizes if size >= head_dim), head_dim)


def power_of_two(head_dim: int) -> int:
    """The next power of two, as all blocks of Triton are, and at least the depth of a dot."""
    return max(16, 1 << (head_dim - 1).bit_length())
