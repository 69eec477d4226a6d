"""scaled_dot_product_attention held to its cuDNN backend.

NVIDIA's closed kernels, generated for the shape by cuDNN's fused attention graph; on Hopper
among the fastest there are. The first call of a shape builds its plan.
"""

from __future__ import annotations

from impls._sdpa import backend_of, prepare_sdpa
from impls.contract import Attend, Implementation, Workload


def prepare(workload: Workload, device: str) -> Attend:
    return prepare_sdpa(workload, device, "CUDNN_ATTENTION", takes_mask=True)


IMPLEMENTATION = Implementation(
    name="sdpa-cudnn",
    label="SDPA cuDNN",
    summary="SDPA's cuDNN backend",
    aliases=("sdpa_cudnn", "cudnn"),
    prepare=prepare,
    devices=("cuda",),
    dtypes=("float16", "bfloat16"),
    min_compute_capability=(8, 0),
    max_head_dim=256,
    backend_of=backend_of,
)
