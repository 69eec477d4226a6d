"""FlashAttention-3's operators, from the library that xFormers brings, as torch can differentiate them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from impls import _cuda12
from impls._flash import packing, window_size
from impls.contract import Attend, Workload


class Flash3(torch.autograd.Function):
    """torch.ops.flash_attn_3's fwd and bwd, which carry no gradient of their own."""

    @staticmethod
    def forward(
        ctx: Any,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        options: Mapping[str, object],
        deterministic: bool,
    ) -> torch.Tensor:
        """(batch, seq, heads, head_dim), or packed -> out, shaped like q."""
        out: torch.Tensor
        # One split, as FlashAttention's own interface has it where gradients are wanted.
        out, lse, *_ = torch.ops.flash_attn_3.fwd(q, k, v, **options, num_splits=1)
        ctx.save_for_backward(q, k, v, out, lse)
        ctx.options, ctx.deterministic = options, deterministic
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        q, k, v, out, lse = ctx.saved_tensors
        dq, dk, dv = torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)
        grad_out = grads[0] if grads[0].stride(-1) == 1 else grads[0].contiguous()
        torch.ops.flash_attn_3.bwd(
            grad_out, q, k, v, out, lse, dq, dk, dv, **ctx.options, deterministic=ctx.deterministic
        )
        return dq, dk, dv, None, None


def prepare(workload: Workload, device: str, library: Path, *, deterministic: bool) -> Attend:
    """The timed call by the operators of `library`."""
    _load(library)
    left, right = window_size(workload)
    options: dict[str, object] = {
        "softmax_scale": workload.head_dim**-0.5,
        "is_causal": workload.causal,
        "window_size_left": left,
        "window_size_right": right,
        **packing(workload, device),
    }

    def decode(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor
        out, *_ = torch.ops.flash_attn_3.fwd(q, k, v, **options, num_splits=0)  # by its heuristic
        return out

    differentiable: Callable[..., torch.Tensor] = Flash3.apply

    def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return differentiable(q, k, v, options, deterministic)

    return decode if workload.decode else attend


def _load(library: Path) -> None:
    if hasattr(torch.ops.flash_attn_3, "fwd"):
        return  # by xFormers itself, say: operators can be registered once only
    _cuda12.load_runtime()
    try:
        torch.ops.load_library(library)
    except OSError as error:
        raise ImportError(f"{error} (CUDA 12's runtime is in nvidia-cuda-runtime-cu12)") from None
