"""Plain PyTorch: matmul, softmax, matmul, each an eager operation that writes its result to memory.

The definition of attention (Vaswani et al., "Attention Is All You Need", 2017) and what
every faster implementation is compared with; the attention labs call it "Pytorch". Scale and
mask are folded into the first matmul and the mask is made before the timed call, so that it
is not slower than it has to be. Grouped queries share their keys without a copy, which is also
how it decodes: the queries of a group are the rows of one matmul.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from impls import masks
from impls.contract import Attend, Implementation, Workload

if TYPE_CHECKING:
    import torch


def prepare(workload: Workload, device: str) -> Attend:
    import torch

    dtype: torch.dtype = getattr(torch, workload.dtype)
    groups = workload.batch * workload.kv_heads
    heads_per_group = workload.heads // workload.kv_heads
    queries = heads_per_group * workload.seq_q
    scale = workload.head_dim**-0.5
    softcap, dropout = workload.softcap, workload.dropout
    # baddbmm's addend: the mask as 0 and -inf, or with beta 0 something that is never read.
    bias, beta = torch.zeros(1, 1, dtype=dtype, device=device), 0
    seen, sighted = masks.explicit(workload, device)
    if seen is not None:
        bias, beta = masks.additive(_of_groups(workload, seen), dtype), 1
    if sighted is not None:
        sighted = sighted.to(dtype).repeat(heads_per_group, 1)

    def scores_of(q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
        if softcap is None:
            return torch.baddbmm(bias, q, k.mT, beta=beta, alpha=scale)
        bounded = torch.baddbmm(bias, q, k.mT, beta=0, alpha=scale / softcap).tanh()
        return torch.add(bias, bounded, alpha=softcap)

    def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        scores = scores_of(q.reshape(groups, queries, workload.head_dim), k.flatten(0, 1))
        weights = scores.softmax(dim=-1)
        if sighted is not None:
            weights = weights * sighted
        if dropout:
            weights = torch.dropout(weights, dropout, train=True)
        return torch.bmm(weights, v.flatten(0, 1)).view(q.shape)

    return attend


def _of_groups(workload: Workload, seen: torch.Tensor) -> torch.Tensor:
    """A mask of masks.explicit for scores of (batch * kv_heads, queries of the group's heads, keys)."""
    group = workload.heads // workload.kv_heads
    if seen.dim() == 2:
        return seen.repeat(group, 1)
    rows = 1 if seen.shape[2] == 1 else group
    return seen.repeat(1, workload.kv_heads, rows, 1).flatten(0, 1)


IMPLEMENTATION = Implementation(
    name="pytorch",
    label="PyTorch",
    summary="matmul, softmax, matmul in eager PyTorch",
    aliases=("torch", "plain", "eager", "standard"),
    prepare=prepare,
    dropout=True,
    softcap=True,
    decode=True,
    ragged="padded",
)
