"""Attention by its definition in float32 (or float64), on a sample of heads and queries, in blocks.

Forward and backward are written out, not taken from autograd, so that a long sequence needs
memory for a block of rows only. The same code in the workload's own dtype is the plain
PyTorch whose error sets the limit.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from impls.masks import visible
from profiler.worker import cut
from profiler.worker.inputs import Tensors
from profiler.workload import Attention

Four = dict[str, torch.Tensor]
"""out and dq as (pairs, group, queries, head_dim); dk and dv as (pairs, seq_k, head_dim)."""

TENSORS = ("out", "dq", "dk", "dv")


@dataclass(frozen=True)
class _Budget:
    """How many scores the reference may compute: in one block, over all sampled heads, and of one pair.

    A pair is checked whole up to `pair`: with part of its queries dk and dv could not be told.
    """

    block: int
    heads: int
    pair: int

    @property
    def queries(self) -> int:
        """Of sampled queries altogether: the rows are independent, so fewer say nearly as much."""
        return self.pair // 4


# `heads` is less than a second's work, `pair` less than ten seconds', on an H100 and on two CPU cores.
#
# On a GPU a score costs five products of 2 * head_dim FLOP and some 25 passes over memory. At head dim
# 128 in float32 on an H100 that is 26 ps at 50 TFLOP/s and 33 ps for 100 bytes at 3 TB/s, and plain
# PyTorch in half precision adds a third: 80 ps, 2^36 of which are 5.5 s (7.5 at head dim 256). In
# float64 an H100 would take 2.5 s for 2^34, but a GeForce, with a 64th of its float32 rate, 20.
#
# On a CPU, measured at head dim 128 on two cores of an EPYC, both precisions together: 50 ns in
# float32, 20 in bfloat16, 300 in float16, which few CPUs multiply. Small blocks stay near the caches
# and within what malloc reuses: of 2^24 scores they took half as long again.
_BUDGETS = {
    ("cuda", "float16"): _Budget(block=2**26, heads=2**32, pair=2**36),
    ("cuda", "bfloat16"): _Budget(block=2**26, heads=2**32, pair=2**36),
    ("cuda", "float32"): _Budget(block=2**26, heads=2**31, pair=2**34),
    ("cpu", "float16"): _Budget(block=2**21, heads=2**22, pair=2**25),
    ("cpu", "bfloat16"): _Budget(block=2**21, heads=2**24, pair=2**28),
    ("cpu", "float32"): _Budget(block=2**21, heads=2**24, pair=2**27),
}
# Keys are read once a block: with fewer rows than this that is all the time goes to. Within 512 MiB.
_FEWEST_ROWS = 16
_LARGEST_BLOCK = 2**26
# All reference tensors of a sample stay under 64 MiB in float32. Two whole pairs, or one, may be more:
# keys and values are what they are, out and dq of one at most a GiB.
_KEPT_ELEMENTS = 2**24
_MOST_KEPT_QUERIES = 2**28
# Queries are sampled in at least so many places, and in a few heads if that leaves each this many.
_PLACES = 64
_MOST_PAIRS = 4


@dataclass(frozen=True)
class Pair:
    """One batch entry and one key/value head; the query heads that share it go with it."""

    batch: int
    kv_head: int


@dataclass(frozen=True)
class Sample:
    """The part of a shape that is compared: some pairs and, in each, the same queries.

    `queries` are ascending parts of the sequence; None means all of it. Where it is not all, dk
    and dv, to which every query adds, are left out.
    """

    pairs: list[Pair]
    queries: list[slice] | None = None

    @property
    def queries_checked(self) -> int | None:
        """How many queries of a head are compared; None if all."""
        if self.queries is None:
            return None
        return _length(self.queries)


def choose_sample(workload: Attention, device: str, seed: int) -> Sample:
    """What to check of a shape of any size, at a cost within the budgets."""
    pairs = sample_pairs(workload, device, seed)
    return Sample(pairs, sample_queries(workload, device, seed, len(pairs)))


def sample_pairs(workload: Attention, device: str, seed: int) -> list[Pair]:
    """The (batch, kv head) pairs to check: all where cheap, else some with the first and last."""
    total = workload.batch * workload.kv_heads
    group = workload.heads // workload.kv_heads
    budget = _budget(workload, device)
    if _can_be_whole(workload, budget):
        kept = (2 * group * workload.seq_q + 2 * workload.seq_k) * workload.head_dim
        scores = group * workload.seq_q * workload.seq_k
        count = min(_KEPT_ELEMENTS // kept, budget.heads // scores)
        if 2 * scores <= budget.pair:
            count = max(2, count)  # both ends: an index may overflow, or a kernel serve its first head only
    else:
        count = min(_MOST_PAIRS, budget.queries // (_PLACES * group * workload.seq_k))
    chosen = _with_ends(total, max(1, count), seed)
    return [Pair(index // workload.kv_heads, index % workload.kv_heads) for index in chosen]


def sample_queries(workload: Attention, device: str, seed: int, pairs: int) -> list[slice] | None:
    """The queries to check in each of so many pairs: None for all, else blocks with the first and last.

    At the very least the first query and the last, however long their rows are.
    """
    budget = _budget(workload, device)
    if _can_be_whole(workload, budget):
        return None
    heads = pairs * workload.heads // workload.kv_heads
    affordable = min(
        budget.queries // (heads * workload.seq_k), _KEPT_ELEMENTS // (2 * heads * workload.head_dim)
    )
    height = max(1, affordable // _PLACES)
    total = -(-workload.seq_q // height)
    count = max(2, affordable // height)
    if count >= total:
        return None
    places = _with_ends(total, count, seed)
    return [slice(place * height, min((place + 1) * height, workload.seq_q)) for place in places]


def _budget(workload: Attention, device: str) -> _Budget:
    return _BUDGETS[torch.device(device).type, workload.dtype]


def _can_be_whole(workload: Attention, budget: _Budget) -> bool:
    """Whether all queries of a pair are worth a reference."""
    queries = workload.heads // workload.kv_heads * workload.seq_q
    return queries * workload.seq_k <= budget.pair and 2 * queries * workload.head_dim <= _MOST_KEPT_QUERIES


def _with_ends(total: int, count: int, seed: int) -> list[int]:
    """`count` of range(total), ascending. The ends are among them: an index that overflows does so there."""
    if count >= total:
        return list(range(total))
    if count == 1:
        return [total - 1]
    middle = random.Random(seed).sample(range(1, total - 1), count - 2)
    return sorted({0, total - 1, *middle})


def _rows_of_a_block(workload: Attention, budget: _Budget) -> int:
    """In one pair."""
    group = workload.heads // workload.kv_heads
    row = group * workload.seq_k
    fewest = min(-(-_FEWEST_ROWS // group), _LARGEST_BLOCK // row)
    return max(1, min(workload.seq_q, max(budget.block // row, fewest)))


def _length(parts: list[slice]) -> int:
    return sum(part.stop - part.start for part in parts)


def take(
    tensor: torch.Tensor, pairs: list[Pair], kv_heads: int, queries: list[slice] | None = None
) -> torch.Tensor:
    """The pairs' parts of (batch, heads, seq, head_dim), as (pairs, heads / kv_heads, seq, head_dim).

    If `queries` are given, only these of seq, one after the other.
    """
    batch, heads, seq, head_dim = tensor.shape
    grouped = tensor.detach().reshape(batch, kv_heads, heads // kv_heads, seq, head_dim)
    rows = torch.tensor([pair.batch for pair in pairs], device=tensor.device)
    columns = torch.tensor([pair.kv_head for pair in pairs], device=tensor.device)
    if queries is None:
        return grouped[rows, columns]
    places = torch.cat([torch.arange(part.start, part.stop, device=tensor.device) for part in queries])
    # In one step: a pair's whole sequence may be gigabytes.
    return grouped[rows[:, None], columns[:, None], :, places].transpose(1, 2)


def attention_by_definition(
    workload: Attention, inputs: Tensors, sample: Sample, dtype: torch.dtype, *, backward: bool
) -> Iterator[tuple[slice, Four]]:
    """out of the sample and, if `backward`, dq and (of all queries only) dk and dv, computed in `dtype`.

    `inputs` are in "bhsd" layout. Yields a few pairs at a time, as slices of `sample.pairs`.
    """
    group = workload.heads // workload.kv_heads
    budget = _budget(workload, str(inputs.q.device))
    rows = _rows_of_a_block(workload, budget)
    # Products of several pairs make a copy of the keys for each head of the group.
    at_once = max(1, budget.block // (group * max(rows, workload.head_dim) * workload.seq_k))
    blocks = list(_blocks(sample.queries or [slice(0, workload.seq_q)], rows))
    if workload.lengths is not None:
        at_once = 1  # each has a mask of its own
    for first in range(0, len(sample.pairs), at_once):
        part = slice(first, min(first + at_once, len(sample.pairs)))
        chosen = sample.pairs[part]
        q, grad_out = (
            take(tensor, chosen, workload.kv_heads, sample.queries).to(dtype)
            for tensor in (inputs.q, inputs.grad_out)
        )
        k, v = (take(tensor, chosen, workload.kv_heads)[:, 0].to(dtype) for tensor in (inputs.k, inputs.v))
        grad = grad_out if backward else None
        length = workload.lengths[chosen[0].batch] if workload.lengths is not None else None
        yield (
            part,
            _by_blocks(workload, length, q, k, v, grad, blocks, of_keys=sample.queries is None),
        )


def _blocks(queries: list[slice], rows: int) -> Iterator[list[slice]]:
    """`queries` in order, cut and put together in blocks of at most `rows`."""
    block: list[slice] = []
    for part in queries:
        for first in range(part.start, part.stop, rows):
            piece = slice(first, min(first + rows, part.stop))
            if _length([*block, piece]) > rows:
                yield block
                block = []
            block.append(piece)
    yield block


def _by_blocks(
    workload: Attention,
    length: int | None,
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    grad_out: torch.Tensor | None,
    blocks: list[list[slice]],
    *,
    of_keys: bool,
) -> Four:
    """q and grad_out (n, g, queries, d), k and v (n, sk, d); `blocks` are the queries' places.

    Of a sequence that is padded only the first `length` tokens see and are seen. Gradients of k
    and v (with `of_keys`) add up over blocks in float32 or better.
    """
    scale = q.shape[-1] ** -0.5
    keys, values = k[:, None], v[:, None]
    exact = torch.promote_types(q.dtype, torch.float32)
    four = {"out": torch.empty_like(q)}
    if grad_out is not None:
        four["dq"] = torch.empty_like(q)
        if of_keys:
            four |= {"dk": torch.zeros_like(k, dtype=exact), "dv": torch.zeros_like(v, dtype=exact)}
    masked = workload.causal or workload.window is not None or length is not None
    first = 0
    for places in blocks:
        cut.heed()
        block = slice(first, first + _length(places))
        first = block.stop
        scores = q[:, :, block] @ keys.mT * scale
        slope: torch.Tensor | None = None
        if workload.softcap is not None:
            bounded = torch.tanh(scores / workload.softcap)
            scores, slope = workload.softcap * bounded, 1 - bounded**2
        if masked:
            seen = torch.cat([_seen(workload, length, str(q.device), part) for part in places])
            scores = scores.masked_fill(~seen, float("-inf"))
        # A query that sees no key has a row of NaN; its output is defined as zero.
        weights = scores.softmax(dim=-1).nan_to_num(nan=0.0)
        four["out"][:, :, block] = weights @ values
        if grad_out is None:
            continue
        grad = grad_out[:, :, block]
        grad_weights = grad @ values.mT
        grad_scores = weights * (grad_weights - (grad_weights * weights).sum(dim=-1, keepdim=True))
        if slope is not None:
            grad_scores = grad_scores * slope
        four["dq"][:, :, block] = grad_scores @ keys * scale
        if of_keys:
            _add_for_keys(four["dk"], grad_scores, q[:, :, block])
            _add_for_keys(four["dv"], weights, grad)
    if "dk" in four:
        four["dk"] *= scale
    return {name: values.to(q.dtype) for name, values in four.items()}


def _seen(workload: Attention, length: int | None, device: str, queries: slice) -> torch.Tensor:
    """Which keys some queries see: (queries, seq_k)."""
    seen = visible(workload, device, queries)
    if length is not None:
        seen[:, length:] = False
        seen[max(length - queries.start, 0) :] = False
    return seen


def _add_for_keys(total: torch.Tensor, scores: torch.Tensor, rows: torch.Tensor) -> None:
    """Add to (n, sk, d) what scores (n, g, queries, sk) and rows (n, g, queries, d) give each key."""
    if scores.dtype == total.dtype:
        total += scores.flatten(1, 2).mT @ rows.flatten(1, 2)
        return
    for head in range(scores.shape[1]):  # plain PyTorch rounds each head's share to its own dtype
        total += scores[:, head].mT @ rows[:, head]
