"""FlashAttention-3, for Hopper.

Shah, Bikshandi, Zhang, Thakkar, Ramani, Dao, "FlashAttention-3: Fast and Accurate Attention with
Asynchrony and Low-precision" (2024, arXiv:2407.08608): copies by TMA and matmuls by WGMMA run
beside the softmax, in warps of their own. Taken from the first of these that is installed, which
is named as the backend:

- flash_attn_interface, FlashAttention's own (its folder hopper/), with softcap;
- the library in xFormers' wheels up to 0.0.34, xformers/flash_attn_3, by its operators;
- fa3_fwd_interface, the package fa3-fwd: forward only, bfloat16, no window.

torch's own route (torch.nn.attention.activate_flash_attention_impl) is no fourth: it imports
flash_attn_interface, and turns every SDPA of the process to it, backward passes of others too.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from impls._flash import packing, window_size
from impls._head_dims import next_of
from impls._locate import find_module
from impls.contract import Attend, DeviceInfo, Implementation, Requirement, Variant, Workload

if TYPE_CHECKING:
    import torch

_OWN, _LIBRARY, _FORWARD_ONLY = "flash_attn_interface", "xformers.flash_attn_3._C", "fa3_fwd_interface"

# Those of its kernels (hopper/tile_size.h).
_KERNEL_HEAD_DIMS = (64, 96, 128, 192, 256)
_padded = next_of(_KERNEL_HEAD_DIMS)


def _provider() -> str | None:
    return next((name for name in (_OWN, _LIBRARY, _FORWARD_ONLY) if find_module(name)), None)


def _backend_of(operators: Collection[str]) -> str | None:
    """Who provided it: the operators are called the same whoever brings them."""
    provider = _provider()
    return provider and provider.partition(".")[0]


def _refuses(workload: Workload, device: DeviceInfo) -> str | None:
    provider = _provider()
    if provider == _LIBRARY and workload.softcap is not None:
        return "has no softcap in the build that xFormers brings (FlashAttention's own hopper/ has it)"
    if provider == _FORWARD_ONLY:  # what is left out: build_fa3.sh of ZJY0516/fa-fwd
        if workload.dtype == "float16":
            return "has no float16 in fa3-fwd (has bfloat16)"
        if workload.window is not None:
            return "has no sliding window in fa3-fwd"
    return None


def _refuses_deterministic(workload: Workload, device: DeviceInfo) -> str | None:
    if _padded(workload.head_dim) == 256 and not workload.decode:  # mha_bwd in hopper/flash_api.cpp
        return f"has no deterministic backward at head dim {workload.head_dim} (computed as 256)"
    return None


def prepare(workload: Workload, device: str, *, deterministic: bool = False) -> Attend:
    provider = _provider()
    if provider is None:
        raise ImportError(f"there is no {_OWN}, no {_LIBRARY} and no {_FORWARD_ONLY}")
    if provider == _LIBRARY and (library := find_module(_LIBRARY)):
        from impls.operators import flash3 as operators

        return operators.prepare(workload, device, library, deterministic=deterministic)
    package = import_module(provider)
    options: dict[str, object] = {
        "causal": workload.causal,
        "window_size": window_size(workload),
        "softcap": workload.softcap or 0.0,
    }
    if workload.decode:
        function = package.flash_attn_with_kvcache
    else:
        options |= {"deterministic": deterministic, **packing(workload, device)}
        packed = workload.lengths is not None
        function = package.flash_attn_varlen_func if packed else package.flash_attn_func

    def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor | tuple[torch.Tensor, ...] = function(q, k, v, **options)
        # Older releases return the logarithm of the sums with it.
        return result[0] if isinstance(result, tuple) else result

    return attend


IMPLEMENTATION = Implementation(
    name="flash3",
    label="FlashAttention 3",
    summary="FlashAttention-3, from FlashAttention's own package or the one in xFormers",
    aliases=("Flash3", "fa3"),
    prepare=prepare,
    variants={"deterministic": Variant(partial(prepare, deterministic=True), _refuses_deterministic)},
    layout="bshd",
    devices=("cuda",),
    dtypes=("float16", "bfloat16"),
    min_compute_capability=(9, 0),
    max_compute_capability=(9, 0),
    max_head_dim=256,
    head_dim_multiple=8,
    padded_head_dim=_padded,
    softcap=True,
    decode=True,
    ragged="packed",
    refuses=_refuses,
    requires=Requirement(
        "FlashAttention-3",
        # Later xFormers wheels bring it no more; this one asks for torch 2.10, but loads in 2.11 too.
        "pip install --no-deps xformers==0.0.34 nvidia-cuda-runtime-cu12",
        lambda: _provider() is not None,
    ),
    backend_of=_backend_of,
)
