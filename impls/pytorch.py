"""Plain PyTorch: matmul, softmax, matmul, each an eager operation that writes its result to memory.

The definition of attention (Vaswani et al., "Attention Is All You Need", 2017) and what
every faster implementation is compared with; the attention labs call it "Pytorch". Scale and
mask are folded into the first matmul and the mask is made before the timed call, so that it
is not slower than it has to be. Grouped queries share their keys without a copy.
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
    # baddbmm's addend: the mask as 0 and -inf, or with beta 0 something that is never read.
    bias, beta = torch.empty(1, 1, dtype=dtype, device=device), 0
    sighted: torch.Tensor | None = None
    if workload.causal or workload.window is not None:
        seen, sighted = masks.open_blind_rows(workload, masks.visible(workload, device))
        seen = seen.repeat(heads_per_group, 1)
        if sighted is not None:
            sighted = sighted.to(dtype).repeat(heads_per_group, 1)
        bias, beta = torch.zeros_like(seen, dtype=dtype).masked_fill_(~seen, float("-inf")), 1

    def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        grouped_q = q.reshape(groups, queries, workload.head_dim)
        scores = torch.baddbmm(bias, grouped_q, k.flatten(0, 1).mT, beta=beta, alpha=scale)
        weights = scores.softmax(dim=-1)
        if sighted is not None:
            weights = weights * sighted
        return torch.bmm(weights, v.flatten(0, 1)).view(q.shape)

    return attend


IMPLEMENTATION = Implementation(
    name="pytorch",
    label="PyTorch",
    summary="matmul, softmax, matmul in eager PyTorch",
    aliases=("torch", "plain", "eager", "standard"),
    prepare=prepare,
)
