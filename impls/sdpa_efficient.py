"""scaled_dot_product_attention held to its memory-efficient backend.

CUTLASS kernels that came from xFormers, after Rabe and Staats, "Self-attention Does Not Need
O(n^2) Memory" (2021, arXiv:2112.05682). Runs on GPUs older than FlashAttention wants, in
float32 too, and takes masks; bottom-right causal it knows without one. When decoding, one block
walks all keys of a head: it runs, but has nothing that would spread a long cache over the GPU.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import version

from impls._sdpa import backend_of, prepare_sdpa
from impls.contract import Attend, DeviceInfo, Implementation, Workload

# github.com/pytorch/pytorch/pull/191085
_GROUPED_SINCE = (2, 14)


def prepare(workload: Workload, device: str) -> Attend:
    # Its own bottom-right causal gives NaN for a query that sees no key, and is not told of grouped
    # queries (torch/nn/attention/bias.py).
    lower_right = workload.seq_q < workload.seq_k and workload.kv_heads == workload.heads
    return prepare_sdpa(workload, device, "EFFICIENT_ATTENTION", lower_right=lower_right)


def _refuses(workload: Workload, device: DeviceInfo) -> str | None:
    # A row is loaded in pieces of 16 bytes where tensor cores multiply it (sdp_utils.cpp).
    multiple = 4 if workload.dtype == "float32" else 8
    if workload.head_dim % multiple:
        return (
            f"takes head dims that are multiples of {multiple} in {workload.dtype}, not {workload.head_dim}"
        )
    if workload.kv_heads != workload.heads:
        major, minor = _torch_release()
        if (major, minor) < _GROUPED_SINCE:
            return f"has no grouped-query attention in torch {major}.{minor} (it came with 2.14)"
    return None


@cache
def _torch_release() -> tuple[int, int]:
    """Read from the package's metadata: what is possible is asked where torch is not loaded."""
    major, minor, *_ = version("torch").split(".")
    return int(major), int(minor)


IMPLEMENTATION = Implementation(
    name="sdpa-efficient",
    label="SDPA efficient",
    summary="SDPA's memory-efficient backend (CUTLASS)",
    aliases=("sdpa_efficient", "efficient", "mem-efficient"),
    prepare=prepare,
    devices=("cuda",),
    min_compute_capability=(5, 0),
    dropout=True,
    decode=True,
    ragged="padded",
    refuses=_refuses,
    backend_of=backend_of,
)
