"""What the scaled_dot_product_attention implementations share."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import nullcontext
from typing import TYPE_CHECKING

from impls import masks
from impls.contract import Attend, Workload

if TYPE_CHECKING:
    import torch

# The operator that each backend runs as, by the part of its name that tells them apart.
_BACKENDS = {
    "_scaled_dot_product_cudnn_attention": "cudnn",
    "_scaled_dot_product_flash_attention": "flash",
    "_scaled_dot_product_efficient_attention": "efficient",
    "_scaled_dot_product_fused_attention_overrideable": "overrideable",
    "_scaled_dot_product_attention_math": "math",
    "_flash_attention_forward": "flash",
    "_efficient_attention_forward": "efficient",
}


def backend_of(operators: Collection[str]) -> str | None:
    """The SDPA backend among the operators of one call, or None if there is none."""
    for part, backend in _BACKENDS.items():
        if any(part in operator for operator in operators):
            return backend
    return None


def prepare_sdpa(
    workload: Workload, device: str, backend: str | None, *, lower_right: bool = False
) -> Attend:
    """The timed call of scaled_dot_product_attention, held to `backend` (an SDPBackend's name) if given.

    SDPA's own `is_causal` is top-left aligned, and it has neither window nor lengths: those cases
    get the equivalent mask, made here, or with `lower_right` torch.nn.attention.bias's stand-in for
    the bottom-right causal one. The backend is chosen around each call, as a program that chooses one
    would: that cost is in the wall time, not the device time.
    """
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.nn.functional import scaled_dot_product_attention

    mask: torch.Tensor | None = None
    sighted: torch.Tensor | None = None
    only_causal = masks.is_causal(workload) and workload.window is None
    is_causal = only_causal and workload.seq_q == workload.seq_k
    if only_causal and not is_causal and lower_right:
        mask = _lower_right(workload)
    elif not is_causal:
        seen, sighted = masks.explicit(workload, device)
        # A bool mask would be turned into this one at each call.
        mask = None if seen is None else masks.additive(seen, getattr(torch, workload.dtype))
    grouped = workload.kv_heads != workload.heads
    dropout = workload.dropout
    chosen = SDPBackend.__members__[backend] if backend else None

    def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        with sdpa_kernel(chosen) if chosen is not None else nullcontext():
            out = scaled_dot_product_attention(
                q, k, v, attn_mask=mask, dropout_p=dropout, is_causal=is_causal, enable_gqa=grouped
            )
        return out if sighted is None else out * sighted

    return attend


def _lower_right(workload: Workload) -> torch.Tensor:
    """A causal mask that says no more than its sizes, which a kernel may know how to apply."""
    from torch.nn.attention.bias import causal_lower_right

    # It is a tensor without values, but of its full size it would allocate 8 bytes for each score.
    bias = causal_lower_right(1, 2)
    bias.seq_len_q, bias.seq_len_kv = workload.seq_q, workload.seq_k
    return bias
