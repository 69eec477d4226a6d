"""scaled_dot_product_attention held to its cuDNN backend.

NVIDIA's closed kernels, generated for the shape by cuDNN's fused attention graph; on Hopper
among the fastest there are. The first call of a shape builds its plan, which is also where it is
decided how a few queries of a decoding step are spread over the GPU. PyTorch gives it a mask for
everything but the square causal one.
"""

from __future__ import annotations

from impls._sdpa import backend_of, prepare_sdpa
from impls.contract import Attend, DeviceInfo, Implementation, Workload


def prepare(workload: Workload, device: str) -> Attend:
    return prepare_sdpa(workload, device, "CUDNN_ATTENTION")


def _refuses(workload: Workload, device: DeviceInfo) -> str | None:
    # PyTorch gives these two reasons only once in a process (sdp_utils.cpp, check_cudnn_tensor_shapes).
    if workload.seq_k == 1:
        return "takes no single key"
    if workload.seq_q == 1 and workload.dropout:
        return "has no dropout for a single query"
    return None


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
    head_dim_multiple=8,
    dropout=True,
    decode=True,
    ragged="padded",
    refuses=_refuses,
    backend_of=backend_of,
)
