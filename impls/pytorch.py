"""Plain PyTorch: matmul, softmax, matmul, each an eager operation that writes its result to memory.

The definition of attention (Vaswani et al., "Attention Is All You Need", 2017) and what
every faster implementation is compared with; the attention labs call it "Pytorch". The
scale is folded into the first matmul and the mask is made before the timed call, so that
it is not slower than it has to be. Grouped queries share their keys without a copy.
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
    queries_per_group = workload.heads // workload.kv_heads * workload.seq_q
    per_head = (groups, -1, workload.seq_q, workload.seq_k)
    scale = workload.head_dim**-0.5
    nothing = torch.empty(
        1, 1, 1, dtype=dtype, device=device
    )  # baddbmm's addend: never read, since beta is 0
    bias: torch.Tensor | None = None
    sighted: torch.Tensor | None = None
    if workload.causal or workload.window is not None:
        seen = masks.visible(workload, device)
        if masks.has_blind_queries(workload):
            # A row of nothing but -inf would make softmax return NaN: leave it open, zero it afterwards.
            blind = ~seen.any(dim=1, keepdim=True)
            sighted = (~blind).to(dtype)
            seen = seen | blind
        bias = torch.zeros(seen.shape, dtype=dtype, device=device).masked_fill_(~seen, float("-inf"))

    def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        grouped_q = q.reshape(groups, queries_per_group, workload.head_dim)
        scores = torch.baddbmm(nothing, grouped_q, k.flatten(0, 1).mT, beta=0, alpha=scale)
        if bias is not None:
            scores = scores.view(per_head).add_(bias)
        weights = scores.softmax(dim=-1)
        if sighted is not None:
            weights = weights * sighted
        out = torch.bmm(weights.view(groups, queries_per_group, workload.seq_k), v.flatten(0, 1))
        return out.view(q.shape)

    return attend


IMPLEMENTATION = Implementation(
    name="pytorch",
    label="PyTorch",
    summary="matmul, softmax, matmul in eager PyTorch",
    aliases=("torch", "plain", "eager", "standard"),
    prepare=prepare,
)
