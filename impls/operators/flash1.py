"""FlashAttention-1's kernels as an operation that torch can differentiate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

# isort: split
import flash_attn_cuda  # is linked against libraries that torch loads


@dataclass(frozen=True)
class Call:
    """All that a call is given beside its tensors. Starts are int32, (batch + 1,)."""

    starts_q: torch.Tensor
    starts_k: torch.Tensor
    longest_q: int
    longest_k: int
    dropout: float
    scale: float
    causal: bool
    splits_backward: int
    """0 for as many as its heuristic finds good; with 1 the gradient of q is added up in one order."""


class Flash1(torch.autograd.Function):
    """flash_attn_cuda's fwd and bwd (flash-attn 1.0.9, csrc/flash_attn/fmha_api.cpp)."""

    @staticmethod
    def forward(ctx: Any, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, call: Call) -> torch.Tensor:
        """(batch, seq, heads, head_dim) or (tokens, heads, head_dim) -> out, shaped like q."""
        out = torch.empty_like(q)
        lse, rng_state, *_ = flash_attn_cuda.fwd(
            *map(_tokens, (q, k, v, out)),
            call.starts_q,
            call.starts_k,
            call.longest_q,
            call.longest_k,
            call.dropout,
            call.scale,
            False,  # zero_tensors
            call.causal,
            False,  # return_softmax
            0,  # num_splits: by its heuristic
            None,  # generator
        )
        ctx.save_for_backward(q, k, v, out, lse, rng_state)
        ctx.call = call
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        q, k, v, out, lse, rng_state = ctx.saved_tensors
        call: Call = ctx.call
        dq, dk, dv = torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)
        grad_out = grads[0].contiguous()  # the kernel takes it for that
        flash_attn_cuda.bwd(
            *map(_tokens, (grad_out, q, k, v, out)),
            lse,
            *map(_tokens, (dq, dk, dv)),
            call.starts_q,
            call.starts_k,
            call.longest_q,
            call.longest_k,
            call.dropout,
            call.scale,
            False,  # zero_tensors
            call.causal,
            call.splits_backward,
            None,  # generator
            rng_state,
        )
        return dq, dk, dv, None


def _tokens(tensor: torch.Tensor) -> torch.Tensor:
    """(tokens, heads, head_dim): a view, for the sequences of a batch stand one behind the other."""
    return tensor.view(-1, *tensor.shape[-2:])
