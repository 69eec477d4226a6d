"""scaled_dot_product_attention held to its FlashAttention backend.

On CUDA PyTorch's own build of FlashAttention-2 (Dao, 2023, arXiv:2307.08691). It takes no mask;
bottom-right causal it is told by torch.nn.attention.bias.causal_lower_right, and batches of
variable length go packed to the same kernels by torch.nn.attention.varlen.varlen_attn. For a few
queries it splits the keys among blocks (set_params_splitkv in
aten/src/ATen/native/transformers/cuda/flash_attn/flash_api.cpp), and a single query of grouped
heads becomes one tile. On the CPU it is a C++ kernel after the same algorithm, which takes masks
but neither dropout nor packed batches.
"""

from __future__ import annotations

from inspect import signature
from typing import TYPE_CHECKING, Any

from impls._flash import starts, window_size
from impls._sdpa import backend_of, prepare_sdpa
from impls.contract import Attend, DeviceInfo, Implementation, Workload

if TYPE_CHECKING:
    import torch


def prepare(workload: Workload, device: str) -> Attend:
    if workload.lengths is not None:
        return _prepare_packed(workload, workload.lengths, device)
    return prepare_sdpa(workload, device, "FLASH_ATTENTION", lower_right=device.startswith("cuda"))


def _prepare_packed(workload: Workload, lengths: tuple[int, ...], device: str) -> Attend:
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.nn.attention.varlen import varlen_attn

    begin, longest = starts(lengths, device), max(lengths)
    # torch 2.11 takes grouped queries unasked, later releases want to be told.
    asked = workload.kv_heads != workload.heads and "enable_gqa" in signature(varlen_attn).parameters
    options: dict[str, Any] = {"window_size": window_size(workload)}
    if asked:
        options["enable_gqa"] = True

    def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        with sdpa_kernel(SDPBackend.FLASH_ATTENTION):  # torch 2.15 would prefer cuDNN
            out = varlen_attn(q, k, v, begin, begin, longest, longest, **options)
        assert isinstance(out, torch.Tensor)  # it has not been asked for more
        return out

    return attend


def _refuses(workload: Workload, device: DeviceInfo) -> str | None:
    if device.kind == "cpu":
        if workload.dropout:
            return "has no dropout on the CPU"
        return "has variable-length batches on CUDA only" if workload.lengths is not None else None
    if workload.lengths is None:
        return "has no sliding window" if workload.window is not None else None
    if workload.dropout:
        return "has no dropout for variable-length batches"
    if workload.head_dim % 8:
        return f"takes head dims that are multiples of 8 in variable-length batches, not {workload.head_dim}"
    return None


IMPLEMENTATION = Implementation(
    name="sdpa-flash",
    label="SDPA flash",
    summary="SDPA's FlashAttention-2 backend",
    aliases=("sdpa_flash",),
    prepare=prepare,
    cuda_dtypes=("float16", "bfloat16"),
    min_compute_capability=(8, 0),
    max_head_dim=256,
    dropout=True,
    decode=True,
    ragged="packed",
    refuses=_refuses,
    backend_of=backend_of,
)
