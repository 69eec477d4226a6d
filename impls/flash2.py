"""FlashAttention-2 from the flash-attn package.

Tri Dao, "FlashAttention-2: Faster Attention with Better Parallelism and Work Partitioning"
(2023, arXiv:2307.08691): one kernel forward, no S x S matrix in memory, parallel over the
sequence too. Inputs are (batch, sequence, heads, head_dim), or packed. Kernels exist for a few
head dims; others are padded to the next, those that are no multiple of 8 by a copy within the
call. Decoding takes the kernel that splits the keys among thread blocks (Flash-Decoding, 2023).
"""

from __future__ import annotations

import ctypes
from contextlib import suppress
from functools import cache, partial
from typing import TYPE_CHECKING

from impls._flash import packing, window_size
from impls._head_dims import next_of
from impls._locate import find_module
from impls.contract import Attend, DeviceInfo, Implementation, Requirement, Variant, Workload

if TYPE_CHECKING:
    import torch

# The head dims its kernels are compiled for (csrc/flash_attn/src/static_switch.h, HEADDIM_SWITCH).
_KERNEL_HEAD_DIMS = (32, 64, 96, 128, 192, 256)
# flash::run_mha_fwd_<cutlass::half_t, SIZE, false>, one for each head dim that was compiled.
_KERNEL = "_ZN5flash12run_mha_fwd_IN7cutlass6half_tELi{}ELb0EEEvRNS_16Flash_fwd_paramsEP11CUstream_st"
_padded = next_of(_KERNEL_HEAD_DIMS)


def _found() -> bool:
    """FlashAttention 1 and 4 live under the name flash_attn too: only the extension is 2's alone."""
    return None not in (find_module("flash_attn.flash_attn_interface"), find_module("flash_attn_2_cuda"))


@cache
def _built(extension: str) -> tuple[int, ...]:
    """The head dims that the extension has kernels for; empty where that cannot be seen.

    A build may leave some out to be smaller: where one is missing, none is started and out stays as it was.
    """
    with suppress(OSError):
        library = ctypes.CDLL(extension)
        return tuple(size for size in _KERNEL_HEAD_DIMS if hasattr(library, _KERNEL.format(size)))
    return ()


def _refuses(workload: Workload, device: DeviceInfo) -> str | None:
    if workload.softcap is not None and workload.dropout:
        return "has no dropout together with softcap"
    return None


def _breaks_graph(workload: Workload, device: DeviceInfo) -> str | None:
    if workload.decode:
        return "has a graph break in decoding: flash_attn_with_kvcache is no operator of PyTorch's"
    return None


def prepare(workload: Workload, device: str, *, deterministic: bool = False) -> Attend:
    import flash_attn
    import flash_attn_2_cuda

    built = _built(flash_attn_2_cuda.__file__)
    if built and _padded(workload.head_dim) not in built:
        raise NotImplementedError(
            f"flash-attn was built here with kernels for head dims {', '.join(map(str, built))}, "
            f"and {workload.head_dim} takes the one for {_padded(workload.head_dim)}"
        )
    options: dict[str, object] = {
        "causal": workload.causal,
        "window_size": window_size(workload),
        "softcap": workload.softcap or 0.0,
    }
    if workload.decode:
        function = flash_attn.flash_attn_with_kvcache
    else:
        options |= {"dropout_p": workload.dropout, "deterministic": deterministic}
        options |= packing(workload, device)
        packed = workload.lengths is not None
        function = flash_attn.flash_attn_varlen_func if packed else flash_attn.flash_attn_func

    def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = function(q, k, v, **options)
        return out

    return attend


IMPLEMENTATION = Implementation(
    name="flash2",
    label="FlashAttention 2",
    summary="the flash-attn package's FlashAttention-2",
    aliases=("Flash2", "flash-attn", "fa2", "flash_attn"),
    prepare=prepare,
    variants={"deterministic": Variant(partial(prepare, deterministic=True))},
    layout="bshd",
    devices=("cuda",),
    dtypes=("float16", "bfloat16"),
    min_compute_capability=(8, 0),
    max_head_dim=256,
    padded_head_dim=_padded,
    dropout=True,
    softcap=True,
    decode=True,
    ragged="packed",
    refuses=_refuses,
    breaks_graph=_breaks_graph,
    requires=Requirement("flash_attn", "pip install 'attnprof[flash]' --no-build-isolation", _found),
)
