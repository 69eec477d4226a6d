"""Memory-efficient attention of xFormers.

Rabe and Staats, "Self-attention Does Not Need O(n^2) Memory" (2021, arXiv:2112.05682), as
xformers.ops.memory_efficient_attention (facebookresearch/xformers). Its own CUTLASS kernels now live
in torch; what it does today is to choose among operators: FlashAttention-3's where it can, then 2's,
then CUTLASS. The one that ran is named as the backend; the variant "cutlass" holds it to that one.

Grouped queries share their keys in the forward pass alone: where gradients are wanted keys and values
are repeated for every head, within the call, as any program has to that trains with it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import TYPE_CHECKING, Any

from impls import _cuda12, masks
from impls.contract import Attend, DeviceInfo, Implementation, Requirement, Variant, Workload

if TYPE_CHECKING:
    import torch

# Its operators as they are called on the host, the outermost first.
_BACKENDS = {
    "xformers_flash3::flash_fwd": "flash3",
    "xformers_flash::flash_fwd": "flash2",
    "aten::_efficient_attention_forward": "cutlass",
}
_LARGEST_OF_FLASH = 256
_OLDEST_OF_FLASH = (8, 0)
_NEWEST_OF_CUTLASS = (9, 0)  # CUDA_MAXIMUM_COMPUTE_CAPABILITY in xformers/ops/fmha/cutlass.py


def _backend_of(operators: Collection[str]) -> str | None:
    return next((backend for name, backend in _BACKENDS.items() if name in operators), None)


def _refuses(workload: Workload, device: DeviceInfo) -> str | None:
    """What its operators, each asked by the dispatch, would all refuse."""
    half = workload.dtype != "float32"
    if half and workload.head_dim % 8:
        return f"takes head dims that are multiples of 8 in half precision, not {workload.head_dim}"
    if workload.lengths is not None and workload.window is not None and not workload.causal:
        return "has no sliding window over both sides in variable-length batches"
    has = device.compute_capability
    if half and workload.head_dim <= _LARGEST_OF_FLASH and not (has and has < _OLDEST_OF_FLASH):
        return None
    if has and has > _NEWEST_OF_CUTLASS:
        what = f"head dims above {_LARGEST_OF_FLASH}" if half else workload.dtype
        return f"has no operator for {what} after compute capability 9.0"
    return _cutlass_refuses(workload, device)


def _cutlass_refuses(workload: Workload, device: DeviceInfo) -> str | None:
    if masks.has_blind_queries(workload):
        return "leaves queries that see no key undefined in its CUTLASS operator"
    if workload.dropout and workload.lengths is not None:
        return "does not drop the same in backward as in forward, packed in its CUTLASS operator"
    if workload.window is not None and not workload.causal:
        return "has no sliding window without causal in its CUTLASS operator"
    if workload.window is not None and workload.lengths is None and not workload.decode:
        return "has no backward with a sliding window in its CUTLASS operator"
    return None


def prepare(workload: Workload, device: str, *, cutlass: bool = False) -> Attend:
    import torch

    _cuda12.load_runtime()
    import xformers.ops

    if not xformers._has_cpp_library:  # it goes on without, and then refuses everything
        raise ImportError(
            "xFormers' own library does not load here: it was built for another torch, or for CUDA 12, "
            "whose runtime is in nvidia-cuda-runtime-cu12"
        )
    attention: Callable[..., torch.Tensor] = partial(
        xformers.ops.memory_efficient_attention,
        attn_bias=_bias(workload, torch.device(device)),
        p=workload.dropout,
        op=xformers.ops.MemoryEfficientAttentionCutlassOp if cutlass else None,
    )
    packed = workload.lengths is not None
    group = workload.heads // workload.kv_heads

    def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        if packed:
            q, k, v = q[None], k[None], v[None]
        if group > 1:
            k, v = k.repeat_interleave(group, dim=2), v.repeat_interleave(group, dim=2)
        out = attention(q, k, v)
        return out[0] if packed else out

    def decode(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        if group == 1:
            return attention(q, k, v)
        k, v = (each.unsqueeze(3).expand(-1, -1, -1, group, -1) for each in (k, v))
        return attention(q.unflatten(2, (-1, group)), k, v).flatten(2, 3)

    return decode if workload.decode else attend


def _bias(workload: Workload, device: torch.device) -> Any:
    """The mask as one of xFormers' kinds; its operators look at the kind, no mask is in memory."""
    from xformers.ops import fmha

    kinds = fmha.attn_bias
    width = None if workload.window is None else workload.window + 1  # it counts one's own place too
    if workload.lengths is not None:
        blocks = kinds.BlockDiagonalMask.from_seqlens(list(workload.lengths), device=device)
        if not workload.causal:
            return blocks
        return blocks.make_causal() if width is None else blocks.make_local_attention(width)
    if width is not None and workload.causal:
        return kinds.LowerTriangularFromBottomRightLocalAttentionMask(width)
    if workload.window is not None:
        return kinds.LocalAttentionFromBottomRightMask(workload.window, workload.window)
    if not workload.causal:
        return None
    if workload.seq_q == workload.seq_k:
        return kinds.LowerTriangularMask()
    return kinds.LowerTriangularFromBottomRightMask()


IMPLEMENTATION = Implementation(
    name="xformers",
    label="xFormers",
    summary="xFormers' memory_efficient_attention, by the operator that it chooses",
    aliases=("memory-efficient-attention", "memory_efficient_attention"),
    prepare=prepare,
    variants={"cutlass": Variant(partial(prepare, cutlass=True), _cutlass_refuses)},
    layout="bshd",
    devices=("cuda",),
    head_dim_multiple=4,
    dropout=True,
    decode=True,
    ragged="packed",
    refuses=_refuses,
    requires=Requirement("xformers", "pip install 'attnprof[xformers]'"),
    backend_of=_backend_of,
)
