"""Heads and key/value heads as a person turns them: what goes with what, and what is possible instead."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from profiler.plans.grid import LARGEST_SIZE
from profiler.plans.plan import PlanError
from tui.app.choice import Choice
from tui.app.ladder import divisors, multiple, next_in, power


def with_heads(choice: Choice, heads: int) -> Choice:
    """The choice with so many heads. Fewer than there are kv heads take the kv heads along.

    Raises:
        PlanError: they do not share the kv heads, or the emb dim that is kept, evenly.
    """
    kv_heads = choice.kv_heads
    if kv_heads is not None and heads < kv_heads:
        kv_heads = heads
    if kv_heads is not None and heads % kv_heads:
        raise PlanError(
            f"heads must be a multiple of kv heads ({kv_heads}): {_around(choice, heads)}, not {heads}"
        )
    head_dim = choice.head_dim
    if choice.keeps == "emb_dim":
        head_dim, rest = divmod(choice.emb_dim, heads)
        if rest or not head_dim:
            raise PlanError(
                f"heads must divide emb dim {choice.emb_dim}, which is kept: "
                f"{_around(choice, heads)}, not {heads}"
            )
    return replace(choice, heads=heads, kv_heads=kv_heads, head_dim=head_dim)


def step_heads(choice: Choice, direction: int, fine: bool) -> Choice:
    """Twice or half the heads, or the next number that is possible.

    Raises:
        PlanError: there is none.
    """
    if choice.heads == 1 and direction < 0:
        raise PlanError("heads is 1, the least there is")
    if not fine:
        for heads in _doublings(choice, direction):
            if _fits(choice, heads):
                return with_heads(choice, heads)
    following = _neighbour(choice, choice.heads, direction)
    if following is None:
        raise PlanError(f"heads is {choice.heads}, the most that emb dim {choice.emb_dim} divides into")
    return with_heads(choice, following)


def with_kv_heads(choice: Choice, kv_heads: int) -> Choice:
    """The choice with so many key/value heads; as many as heads follow them from then on.

    Raises:
        PlanError: they do not divide the heads.
    """
    if choice.heads % kv_heads:
        possible = ", ".join(map(str, divisors(choice.heads)))
        raise PlanError(
            f"kv heads must divide heads ({choice.heads}): {possible} are possible, not {kv_heads}"
        )
    return replace(choice, kv_heads=None if kv_heads == choice.heads else kv_heads)


def step_kv_heads(choice: Choice, direction: int, fine: bool) -> Choice:
    """Twice or half the key/value heads, or the next number that is possible.

    Raises:
        PlanError: there is none.
    """
    kv_heads = choice.kv_heads or choice.heads
    share = choice.heads // kv_heads  # so many heads have one kv head; that is what doubles evenly
    following = None
    if not fine:
        following = next((each for each in _powers(share, -direction) if choice.heads % each == 0), None)
    following = following or next_in(divisors(choice.heads), share, -direction)
    if following is None:
        if direction > 0:
            raise PlanError(f"kv heads are as many as heads ({choice.heads}), the most there are")
        raise PlanError("kv heads is 1, the least there is")
    return with_kv_heads(choice, choice.heads // following)


def _fits(choice: Choice, heads: int) -> bool:
    try:
        with_heads(choice, heads)
    except PlanError:
        return False
    return True


def _doublings(choice: Choice, direction: int) -> Iterator[int]:
    """Numbers of heads with a power of two of them to each kv head, nearest first."""
    unit = choice.kv_heads or 1
    if direction < 0 and choice.heads <= unit:
        unit = 1  # from here on the kv heads go along
    for share in _powers(choice.heads // unit, direction):
        yield share * unit


def _powers(size: int, direction: int) -> Iterator[int]:
    while 0 < (size := power(size, direction)) <= LARGEST_SIZE:
        yield size


def _neighbour(choice: Choice, heads: int, direction: int) -> int | None:
    """The nearest number of heads above or below that is possible; None if there is none."""
    kv_heads = choice.kv_heads or 1
    if choice.keeps == "emb_dim":
        counts = [size for size in divisors(choice.emb_dim) if size < kv_heads or size % kv_heads == 0]
        return next_in(tuple(counts), heads, direction)
    unit = kv_heads if max(heads, heads + direction) > kv_heads else 1
    return multiple(heads, direction, lambda _: unit) or None


def _around(choice: Choice, heads: int) -> str:
    """The possible numbers of heads next to one that is not, as "8 or 16 are possible"."""
    near = [found for step in (-1, 1) if (found := _neighbour(choice, heads, step)) is not None]
    return f"{' or '.join(map(str, near))} {'is' if len(near) == 1 else 'are'} possible"
