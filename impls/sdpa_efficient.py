"""scaled_dot_product_attention held to its memory-efficient backend.

CUTLASS kernels that came from xFormers, after Rabe and Staats, "Self-attention Does Not Need
O(n^2) Memory" (2021, arXiv:2112.05682). Runs on GPUs older than FlashAttention wants, in
float32 too, and takes masks.
"""

from __future__ import annotations

from impls._sdpa import backend_of, prepare_sdpa
from impls.contract import Attend, Implementation, Workload


def prepare(workload: Workload, device: str) -> Attend:
    return prepare_sdpa(workload, device, "EFFICIENT_ATTENTION", takes_mask=True)


IMPLEMENTATION = Implementation(
    name="sdpa-efficient",
    label="SDPA efficient",
    summary="SDPA's memory-efficient backend (CUTLASS)",
    aliases=("sdpa_efficient", "efficient", "mem-efficient"),
    prepare=prepare,
    devices=("cuda",),
    min_compute_capability=(5, 0),
    gqa=False,
    backend_of=backend_of,
)
