"""FlashAttention-2 from the flash-attn package.

Tri Dao, "FlashAttention-2: Faster Attention with Better Parallelism and Work Partitioning"
(2023, arXiv:2307.08691): one kernel forward, no S x S matrix in memory, parallel over the
sequence too. Inputs are (batch, sequence, heads, head_dim). Kernels exist for a few head
dims; others are padded to the next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from impls.contract import Attend, Implementation, Requirement, Workload

if TYPE_CHECKING:
    import torch

# The head dims its kernels are compiled for (csrc/flash_attn/src/static_switch.h, HEADDIM_SWITCH).
_KERNEL_HEAD_DIMS = (32, 64, 96, 128, 192, 256)


def _padded(head_dim: int) -> int:
    return next((size for size in _KERNEL_HEAD_DIMS if size >= head_dim), head_dim)


def prepare(workload: Workload, device: str) -> Attend:
    from flash_attn import flash_attn_func

    causal = workload.causal
    left = -1 if workload.window is None else workload.window
    window = (left, 0 if causal else left)

    def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = flash_attn_func(q, k, v, causal=causal, window_size=window)
        return out

    return attend


IMPLEMENTATION = Implementation(
    name="flash2",
    label="FlashAttention 2",
    summary="the flash-attn package's FlashAttention-2",
    aliases=("Flash2", "flash-attn", "fa2", "flash_attn"),
    prepare=prepare,
    layout="bshd",
    devices=("cuda",),
    dtypes=("float16", "bfloat16"),
    min_compute_capability=(8, 0),
    max_head_dim=256,
    padded_head_dim=_padded,
    requires=Requirement("flash_attn", "pip install 'attnprof[flash]' --no-build-isolation"),
)
