"""Attention in chunks with a running softmax, in plain PyTorch.

Markus N. Rabe and Charles Staats, "Self-attention Does Not Need O(n^2) Memory" (2021,
arXiv:2112.05682): the queries are taken a chunk at a time and, for each, the keys a chunk at a time,
with the largest score and the sum of the weights so far in float32, so that no more scores exist at
once than those of one pair of chunks. Every pair is checkpointed: backward computes it again, from
the running results that are kept of each. The sizes of the chunks are the paper's (figure 1). Pairs
that the mask hides altogether are left out. Decoding is the algorithm that the paper begins with:
one query, in constant memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from impls import masks
from impls.contract import Attend, Implementation, Workload

if TYPE_CHECKING:
    import torch

_QUERY_CHUNK = 1024
_KEY_CHUNK = 4096
_LOWEST = -3e38  # about as low as float32 goes


class _Running(NamedTuple):
    """What the keys so far give, in float32: `out` is (groups, rows, head_dim), the others lack the last.

    `total` is the sum of the weights, of which that of the largest score is 1; 0 if no key was seen.
    """

    largest: torch.Tensor
    total: torch.Tensor
    out: torch.Tensor


class _Keys(NamedTuple):
    """A chunk of keys, and which the queries see: bool, for (batch, 1, 1, queries, keys); None for all."""

    chunk: slice
    seen: torch.Tensor | None


def prepare(workload: Workload, device: str) -> Attend:
    import torch
    import torch._dynamo  # which checkpoint's first call would load, a second or two
    from torch.utils.checkpoint import checkpoint

    plan = list(_plan(workload, device))
    group = workload.heads // workload.kv_heads
    groups = (workload.batch, workload.kv_heads, group)
    step = _step(workload.head_dim**-0.5, workload.softcap, groups)

    def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        grouped_q, k, v = q.unflatten(1, (-1, group)).flatten(0, 1), k.flatten(0, 1), v.flatten(0, 1)
        out = []
        for queries, keys in plan:
            part = grouped_q[:, :, queries]
            rows = part.flatten(1, 2)
            running = _nothing_yet(rows)
            for chunk, seen in keys:
                arguments = (rows, k[:, chunk], v[:, chunk], seen, running)
                if workload.decode:
                    running = step(*arguments)
                else:
                    running = checkpoint(step, *arguments, use_reentrant=False, preserve_rng_state=False)
            out.append(running.out.to(q.dtype).view(part.shape))
        return torch.cat(out, dim=2).view(q.shape)

    return attend


def _plan(workload: Workload, device: str) -> Iterator[tuple[slice, list[_Keys]]]:
    """Each chunk of queries with the chunks of keys that it sees something of."""
    alike: dict[tuple[int, int, int], torch.Tensor] = {}  # along the diagonal the masks repeat

    def tile(queries: slice, keys: slice) -> torch.Tensor:
        place = (queries.start - keys.start, queries.stop - queries.start, keys.stop - keys.start)
        if place not in alike:
            alike[place] = masks.visible(workload, device, queries, keys)
        return alike[place]

    for queries in _chunks(workload.seq_q, _QUERY_CHUNK):
        lowest, first_until = masks.span(workload, queries.start)
        last_from, highest = masks.span(workload, queries.stop - 1)
        parts = []
        for keys in _chunks(workload.seq_k, _KEY_CHUNK):
            if keys.stop <= lowest or keys.start > highest:
                continue
            whole = last_from <= keys.start and keys.stop - 1 <= first_until
            seen = None if whole else tile(queries, keys)
            parts.append(_Keys(keys, _without_padding(workload, device, keys, seen)))
        yield queries, parts


def _chunks(length: int, size: int) -> Iterator[slice]:
    for start in range(0, length, size):
        yield slice(start, min(start + size, length))


def _without_padding(
    workload: Workload, device: str, keys: slice, seen: torch.Tensor | None
) -> torch.Tensor | None:
    """`seen` less the keys that are padding; in a causal batch nothing looks at these as it is."""
    if workload.lengths is None or workload.causal or keys.stop <= min(workload.lengths):
        return seen
    real = masks.real_tokens(workload, device)[:, None, None, None, keys]
    return real if seen is None else seen & real


def _nothing_yet(rows: torch.Tensor) -> _Running:
    """Before the first key."""
    import torch

    total = rows.new_zeros(rows.shape[:2], dtype=torch.float32)
    return _Running(torch.full_like(total, _LOWEST), total, torch.zeros_like(rows, dtype=torch.float32))


def _step(
    scale: float, softcap: float | None, groups: tuple[int, int, int]
) -> Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor | None, _Running], _Running]:
    """What is done with one pair of chunks; `groups` are batch, kv_heads and the query heads of each."""
    import torch

    def step(
        q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, seen: torch.Tensor | None, before: _Running
    ) -> _Running:
        unread = q.new_empty(1, 1, 1)
        scores = torch.baddbmm(unread, q, k.mT, beta=0, alpha=scale / (softcap or 1)).float()
        if softcap is not None:
            scores = scores.tanh() * softcap
        if seen is not None:
            scores.view(*groups, -1, scores.shape[-1]).masked_fill_(~seen, float("-inf"))
        # Whatever is taken off the scores cancels, so no gradient goes through it (the paper, section 3).
        # It is finite, or a row without keys would be NaN.
        own = scores.detach().amax(dim=-1).clamp_min(_LOWEST)
        weights = scores.sub_(own[..., None]).exp_()
        added = weights.sum(dim=-1)
        # The paper divides at the end. Here each chunk does, as half precision ends at 65504.
        out = torch.bmm((weights / _divisor(added)).to(v.dtype), v)
        largest = torch.maximum(before.largest, own)
        kept = before.total * (before.largest - largest).exp()
        added = added * (own - largest).exp()
        total = kept + added
        both = before.out * kept[..., None] + out * added[..., None]
        return _Running(largest, total, both / _divisor(total))

    return step


def _divisor(total: torch.Tensor) -> torch.Tensor:
    """The sum of some weights: the largest is 1, so that only a query that sees no key has less, namely 0."""
    return total.clamp_min(1)[..., None]


IMPLEMENTATION = Implementation(
    name="chunked",
    label="Chunked",
    summary="Rabe and Staats' attention in chunks, in eager PyTorch",
    aliases=("rabe-staats", "memory-efficient"),
    prepare=prepare,
    softcap=True,
    decode=True,
    ragged="padded",
)
