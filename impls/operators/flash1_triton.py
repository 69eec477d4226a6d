"""flash1-triton as an operation that torch can differentiate."""

from __future__ import annotations

import math
from typing import Any

import torch

from impls._head_dims import power_of_two
from impls.contract import Workload
from impls.flash1_triton import Plan, Tiles
from impls.operators import flash1_triton_kernels as kernels

_DELTA_BLOCK = 64  # queries of a program of flash1_delta


class Call:
    """All that is the same in every call for one workload."""

    def __init__(self, workload: Workload, plan: Plan) -> None:
        self._batch, self._heads, self._kv_heads = workload.batch, workload.heads, workload.kv_heads
        self._seq_q, self._seq_k, self._head_dim = workload.seq_q, workload.seq_k, workload.head_dim
        self._span = plan.span
        self._key_blocks = math.ceil(workload.seq_k / plan.backward.block_k)
        self._split = plan.split and self._key_blocks > 1
        self._dim = power_of_two(workload.head_dim)
        self._scale = workload.head_dim**-0.5
        # No key is further away than all there are; a greater number would overflow in the kernels' sums.
        everything = workload.seq_q + workload.seq_k
        back = everything if workload.window is None else min(workload.window, everything)
        self._sight = (back, 0 if workload.causal else back)
        self._forward = self._constants(workload, plan.forward)
        self._backward = self._constants(workload, plan.backward)

    def _constants(self, workload: Workload, tiles: Tiles) -> dict[str, Any]:
        """What a kernel is compiled for."""
        return {
            "head_dim": self._head_dim,
            "dim": self._dim,
            "block_q": tiles.block_q,
            "block_k": tiles.block_k,
            "stages": tiles.stages,
            "precision": "ieee" if workload.dtype == "float32" else "tf32",
            "one_visit": self._seq_k <= tiles.block_k,
            "even_q": self._seq_q % tiles.block_q == 0,
            "even_k": self._seq_k % tiles.block_k == 0,
            "limits_back": workload.window is not None,
            "limits_ahead": workload.window is not None or workload.causal,
            "num_warps": tiles.warps,
            "num_stages": tiles.stages,
            # A score is scaled and its maximum taken away in one instruction; Triton 3.9 wants to be told.
            "enable_fp_fusion": True,
        }

    def _sums(self, like: torch.Tensor, *sizes: int) -> torch.Tensor:
        """Memory for float32 sums of each query."""
        shape = (self._batch, self._heads, self._seq_q, *sizes)
        return torch.empty(shape, dtype=torch.float32, device=like.device)

    def forward(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The output, and the logsumexp of each query, to base 2."""
        out, lse = torch.empty(q.shape, dtype=q.dtype, device=q.device), self._sums(q)
        acc = row_max = row_sum = lse
        if not self._forward["one_visit"]:
            acc, row_max, row_sum = self._sums(q, self._dim), self._sums(q), self._sums(q)
        spans = math.ceil(self._seq_q / self._span)
        kernels.flash1_forward[(self._batch * self._heads * spans,)](
            *(q, k, v, out, lse, acc, row_max, row_sum),
            *(*q.stride()[:3], *k.stride()[:3], *v.stride()[:3]),
            *(self._heads, self._heads // self._kv_heads, self._seq_q, self._seq_k, self._span, spans),
            *(*self._sight, self._scale * math.log2(math.e)),
            **self._forward,
        )
        return out, lse

    def backward(
        self,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        out: torch.Tensor,
        lse: torch.Tensor,
        grad_out: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The gradients of q, k and v."""
        dq, dk, dv = (torch.empty(x.shape, dtype=x.dtype, device=x.device) for x in (q, k, v))
        delta = self._delta(out, grad_out)
        acc = lse if self._backward["one_visit"] else self._sums(q, self._dim)
        splits = self._key_blocks if self._split else 1
        if self._split:
            acc.zero_()
        kernels.flash1_backward[(self._batch * self._kv_heads * splits,)](
            *(q, k, v, grad_out, lse, delta, acc, dq, dk, dv),
            *(*q.stride()[:3], *k.stride()[:3], *v.stride()[:3], *grad_out.stride()[:3]),
            *(self._kv_heads, self._heads // self._kv_heads, self._seq_q, self._seq_k),
            *(self._key_blocks // splits, splits, *self._sight, self._scale, self._scale * math.log2(math.e)),
            split=self._split,
            **self._backward,
        )
        if self._split:
            torch.mul(acc[..., : self._head_dim], self._scale, out=dq)
        return dq, dk, dv

    def _delta(self, out: torch.Tensor, grad_out: torch.Tensor) -> torch.Tensor:
        """The sum over out * grad_out of each query."""
        delta = self._sums(out)
        blocks = math.ceil(self._seq_q / _DELTA_BLOCK)
        kernels.flash1_delta[(self._batch * self._heads * blocks,)](
            *(out, grad_out, delta, *grad_out.stride()[:3], self._heads, self._seq_q),
            head_dim=self._head_dim,
            dim=self._dim,
            block_q=_DELTA_BLOCK,
            enable_fp_fusion=True,
        )
        return delta


class Flash1(torch.autograd.Function):
    """Attention of (batch, heads, seq, head_dim), rows of a head in one piece."""

    @staticmethod
    def forward(ctx: Any, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, call: Call) -> torch.Tensor:
        q, k, v = map(in_one_piece, (q, k, v))
        out, lse = call.forward(q, k, v)
        ctx.save_for_backward(q, k, v, out, lse)
        ctx.call = call
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        call: Call = ctx.call
        q, k, v, out, lse = ctx.saved_tensors
        return *call.backward(q, k, v, out, lse, in_one_piece(grads[0])), None


def in_one_piece(tensor: torch.Tensor) -> torch.Tensor:
    """`tensor`, copied if the numbers of a row are not one behind the other."""
    return tensor if tensor.stride(-1) == 1 else tensor.contiguous()
