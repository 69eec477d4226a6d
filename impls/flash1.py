"""FlashAttention-1, by the CUDA kernels of flash-attn 1.0.9.

Dao, Fu, Ermon, Rudra, Re, "FlashAttention: Fast and Memory-Efficient Exact Attention with
IO-Awareness" (2022, arXiv:2205.14135): the first to keep the S x S matrix out of the GPU's memory.
A thread block passes over the queries for one block of keys after the other, and adds to the output
in between, in float32. Its causal mask is aligned to the top left. The kernels take packed tokens;
(batch, sequence, heads, head_dim) is that already, seen as (tokens, heads, head_dim).

Only the extension is used: the package around it goes by flash_attn, as FlashAttention-2's does.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from impls._flash import starts
from impls._head_dims import next_of
from impls.contract import Attend, DeviceInfo, Implementation, Requirement, Variant, Workload

if TYPE_CHECKING:
    import torch

# The head dims of csrc/flash_attn/src/fmha_{fwd,bwd}_hdim*.cu.
_KERNEL_HEAD_DIMS = (32, 64, 128)
_padded = next_of(_KERNEL_HEAD_DIMS)


def _lengths(workload: Workload, seq: int) -> tuple[int, ...]:
    """The tokens of each sequence of the batch, `seq` if they are all alike."""
    return workload.lengths or (seq,) * workload.batch


def _refuses(workload: Workload, device: DeviceInfo) -> str | None:
    """Places in a tensor are counted in bytes and 32 bits (uint32_t in src/fmha/gmem_tile.h)."""
    queries, keys = (sum(_lengths(workload, seq)) for seq in (workload.seq_q, workload.seq_k))
    # The output and the gradient of q are added up in float32 where keys take more than one block
    # (blocksize_c in fmha_api.cpp).
    accumulated = 4 if workload.seq_k > (128 if workload.head_dim > 64 else 256) else 2
    largest = workload.heads * workload.head_dim * max(accumulated * queries, 2 * keys)
    if largest > 2**32:
        return f"counts bytes in 32 bits: its largest tensor may take 4 GiB, not {largest / 2**30:.3g}"
    return None


def prepare(workload: Workload, device: str, *, deterministic: bool = False) -> Attend:
    from impls.operators.flash1 import Call, Flash1

    call = Call(
        starts_q=starts(_lengths(workload, workload.seq_q), device),
        starts_k=starts(_lengths(workload, workload.seq_k), device),
        longest_q=workload.seq_q,
        longest_k=workload.seq_k,
        dropout=workload.dropout,
        scale=workload.head_dim**-0.5,
        causal=workload.causal,
        splits_backward=1 if deterministic else 0,
    )

    differentiable: Callable[..., torch.Tensor] = Flash1.apply

    def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return differentiable(q, k, v, call)

    return attend


IMPLEMENTATION = Implementation(
    name="flash1",
    label="FlashAttention 1",
    summary="FlashAttention-1's CUDA kernels, of flash-attn 1.0.9",
    aliases=("Flash1", "fa1"),
    prepare=prepare,
    variants={"deterministic": Variant(partial(prepare, deterministic=True))},
    layout="bshd",
    devices=("cuda",),
    dtypes=("float16", "bfloat16"),
    # Backward for head dims above 64 wants the shared memory of an A100 or H100, and says so.
    min_compute_capability=(7, 5),
    max_compute_capability=(9, 0),
    max_head_dim=128,
    head_dim_multiple=8,
    padded_head_dim=_padded,
    gqa=False,
    window=False,
    unequal_causal=False,
    dropout=True,
    ragged="packed",
    refuses=_refuses,
    requires=Requirement(
        "flash_attn_cuda",
        "pip install flash-attn==1.0.9 --no-build-isolation  # takes the place of FlashAttention 2",
    ),
)
