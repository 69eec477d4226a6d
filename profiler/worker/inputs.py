"""Random inputs of one workload, the same values in every layout."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from impls.contract import Layout
from profiler.workload import Attention


@dataclass(frozen=True)
class Tensors:
    """q, k, v that require gradients, and the gradient of the output; all in one layout, contiguous."""

    q: torch.Tensor
    k: torch.Tensor
    v: torch.Tensor
    grad_out: torch.Tensor

    @property
    def nbytes(self) -> int:
        return sum(tensor.nbytes for tensor in (self.q, self.k, self.v, self.grad_out))


def make_inputs(workload: Attention, layout: Layout, device: str, seed: int) -> Tensors:
    """Standard normal inputs: (batch, heads, seq, head_dim), or with heads and seq exchanged for "bshd"."""
    generator = torch.Generator(device).manual_seed(seed)
    dtype: torch.dtype = getattr(torch, workload.dtype)

    def draw(heads: int, seq: int) -> torch.Tensor:
        shape = (workload.batch, heads, seq, workload.head_dim)
        values = torch.randn(shape, generator=generator, device=device, dtype=dtype)
        return values if layout == "bhsd" else values.transpose(1, 2).contiguous()

    q = draw(workload.heads, workload.seq_q).requires_grad_()
    k = draw(workload.kv_heads, workload.seq_k).requires_grad_()
    v = draw(workload.kv_heads, workload.seq_k).requires_grad_()
    return Tensors(q, k, v, draw(workload.heads, workload.seq_q))


def to_bhsd(tensor: torch.Tensor, layout: Layout) -> torch.Tensor:
    """A view of `tensor` as (batch, heads, seq, head_dim)."""
    return tensor if layout == "bhsd" else tensor.transpose(1, 2)
