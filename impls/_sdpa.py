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
}


def backend_of(operators: Collection[str]) -> str | None:
    """The SDPA backend among the operators of one call, or None if there is none."""
    for part, backend in _BACKENDS.items():
        if any(part in operator for operator in operators):
            return backend
    return None


def prepare_sdpa(workload: Workload, device: str, backend: str | None, *, takes_mask: bool) -> Attend:
    """The timed call of scaled_dot_product_attention, held to `backend` (an SDPBackend's name) if given.

    SDPA's own `is_causal` is top-left aligned and it has no window, so those cases get the
    equivalent mask, made here, where the backend takes one. The backend is chosen around each
    call, as a program that chooses one would: that cost is in the wall time, not the device time.
    """
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.nn.functional import scaled_dot_product_attention

    square = workload.seq_q == workload.seq_k
    needs_mask = workload.window is not None or (workload.causal and not square)
    mask: torch.Tensor | None = None
    sighted: torch.Tensor | None = None
    if needs_mask and takes_mask:
        mask, sighted = masks.open_blind_rows(workload, masks.visible(workload, device))
    is_causal = workload.causal and mask is None
    grouped = workload.kv_heads != workload.heads
    chosen = SDPBackend.__members__[backend] if backend else None

    def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        with sdpa_kernel(chosen) if chosen is not None else nullcontext():
            out = scaled_dot_product_attention(
                q, k, v, attn_mask=mask, is_causal=is_causal, enable_gqa=grouped
            )
        return out if sighted is None else out * sighted

    return attend
