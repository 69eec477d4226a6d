"""Attention by its definition in float32 (or float64), on a sample of heads, in blocks of queries.

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
from profiler.worker.inputs import Tensors
from profiler.workload import Attention

Four = dict[str, torch.Tensor]
"""out and dq as (pairs, group, seq_q, head_dim); dk and dv as (pairs, seq_k, head_dim)."""

TENSORS = ("out", "dq", "dk", "dv")

# A block's scores in the reference's precision stay under 256 MiB, all reference tensors under 64 MiB
# and all scores under a second's work: on a GPU that is 2^29 of them, on a CPU 2^24.
_BLOCK_SCORES = 2**26
_KEPT_ELEMENTS = 2**24
_SCORES = {"cuda": 2**29, "cpu": 2**24}
# One pair is checked whatever it takes, up to half a minute: beyond, the reference itself would look
# like a case that hangs.
_MOST_SCORES = {"cuda": 2**34, "cpu": 2**28}


@dataclass(frozen=True)
class Pair:
    """One batch entry and one key/value head; the query heads that share it go with it."""

    batch: int
    kv_head: int


def is_affordable(workload: Attention, device: str) -> bool:
    """Whether the smallest sample, one pair, is done in well under a minute."""
    group = workload.heads // workload.kv_heads
    return group * workload.seq_q * workload.seq_k <= _MOST_SCORES[torch.device(device).type]


def sample_pairs(workload: Attention, device: str, seed: int) -> list[Pair]:
    """The (batch, kv head) pairs to check: all where cheap, else some with the first and last."""
    total = workload.batch * workload.kv_heads
    group = workload.heads // workload.kv_heads
    kept = (2 * group * workload.seq_q + 2 * workload.seq_k) * workload.head_dim
    scores = group * workload.seq_q * workload.seq_k
    budget = _SCORES[torch.device(device).type]
    count = max(1, min(total, _KEPT_ELEMENTS // kept, budget // scores))
    if count >= total:
        chosen = list(range(total))
    else:  # the ends first: an index that overflows does so at the end
        middle = random.Random(seed).sample(range(1, total - 1), max(0, count - 2))
        chosen = sorted({0, total - 1, *middle}) if count > 1 else [total - 1]
    return [Pair(index // workload.kv_heads, index % workload.kv_heads) for index in chosen]


def take(tensor: torch.Tensor, pairs: list[Pair], kv_heads: int) -> torch.Tensor:
    """The pairs' parts of (batch, heads, seq, head_dim), as (pairs, heads / kv_heads, seq, head_dim)."""
    batch, heads, seq, head_dim = tensor.shape
    grouped = tensor.detach().reshape(batch, kv_heads, heads // kv_heads, seq, head_dim)
    rows = torch.tensor([pair.batch for pair in pairs], device=tensor.device)
    columns = torch.tensor([pair.kv_head for pair in pairs], device=tensor.device)
    return grouped[rows, columns]


def attention_by_definition(
    workload: Attention, inputs: Tensors, pairs: list[Pair], dtype: torch.dtype, *, backward: bool
) -> Iterator[tuple[slice, Four]]:
    """out and, if `backward`, dq, dk, dv of the pairs, computed in `dtype`.

    `inputs` are in "bhsd" layout. Yields a few pairs at a time, as slices of `pairs`.
    """
    group = workload.heads // workload.kv_heads
    rows = max(1, min(workload.seq_q, _BLOCK_SCORES // (group * workload.seq_k)))
    at_once = max(1, _BLOCK_SCORES // (group * rows * workload.seq_k))
    masked = workload if workload.causal or workload.window is not None else None
    for first in range(0, len(pairs), at_once):
        part = slice(first, min(first + at_once, len(pairs)))
        chosen = pairs[part]
        q, k, v, grad_out = (
            take(tensor, chosen, workload.kv_heads).to(dtype)
            for tensor in (inputs.q, inputs.k, inputs.v, inputs.grad_out)
        )
        yield part, _by_blocks(q, k[:, 0], v[:, 0], grad_out if backward else None, masked, rows)


def _by_blocks(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    grad_out: torch.Tensor | None,
    masked: Attention | None,
    rows: int,
) -> Four:
    """q (n, g, sq, d), k and v (n, sk, d). Gradients of k and v add up over blocks in float32 or better."""
    scale = q.shape[-1] ** -0.5
    keys, values = k[:, None], v[:, None]
    out, dq = torch.empty_like(q), torch.empty_like(q)
    exact = torch.promote_types(q.dtype, torch.float32)
    dk, dv = torch.zeros_like(k, dtype=exact), torch.zeros_like(v, dtype=exact)
    for first in range(0, q.shape[2], rows):
        block = slice(first, first + rows)
        scores = q[:, :, block] @ keys.mT * scale
        if masked is not None:
            scores = scores.masked_fill(~visible(masked, str(q.device), block), float("-inf"))
        # A query that sees no key has a row of NaN; its output is defined as zero.
        weights = scores.softmax(dim=-1).nan_to_num(nan=0.0)
        out[:, :, block] = weights @ values
        if grad_out is None:
            continue
        grad = grad_out[:, :, block]
        grad_weights = grad @ values.mT
        grad_scores = weights * (grad_weights - (grad_weights * weights).sum(dim=-1, keepdim=True))
        dq[:, :, block] = grad_scores @ keys * scale
        dk += ((grad_scores.mT @ q[:, :, block]) * scale).sum(dim=1)
        dv += (weights.mT @ grad).sum(dim=1)
    if grad_out is None:
        return {"out": out}
    return {"out": out, "dq": dq, "dk": dk.to(q.dtype), "dv": dv.to(q.dtype)}
