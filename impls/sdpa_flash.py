"""scaled_dot_product_attention held to its FlashAttention backend.

On CUDA PyTorch's own build of FlashAttention-2 (Dao, 2023, arXiv:2307.08691), on the CPU a
C++ kernel after the same algorithm. It takes no mask on CUDA, so no window and no
bottom-right causal.
"""

from __future__ import annotations

from impls._sdpa import backend_of, prepare_sdpa
from impls.contract import Attend, Implementation, Workload


def prepare(workload: Workload, device: str) -> Attend:
    return prepare_sdpa(workload, device, "FLASH_ATTENTION", takes_mask=False)


IMPLEMENTATION = Implementation(
    name="sdpa-flash",
    label="SDPA flash",
    summary="SDPA's FlashAttention-2 backend",
    aliases=("sdpa_flash",),
    prepare=prepare,
    cuda_dtypes=("float16", "bfloat16"),
    min_compute_capability=(8, 0),
    max_head_dim=256,
    window=False,
    unequal_causal=False,
    backend_of=backend_of,
)
