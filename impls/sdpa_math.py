"""scaled_dot_product_attention held to its math backend.

PyTorch's reference: the definition written with PyTorch operators in C++. In half precision
on the CPU and (unless reduced-precision accumulation is allowed) on CUDA it computes in
float32, so it is more exact and slower than the plain three lines. Grouped keys and values are
repeated for each query head, in decoding too.
"""

from __future__ import annotations

from impls._sdpa import backend_of, prepare_sdpa
from impls.contract import Attend, Implementation, Workload


def prepare(workload: Workload, device: str) -> Attend:
    return prepare_sdpa(workload, device, "MATH")


IMPLEMENTATION = Implementation(
    name="sdpa-math",
    label="SDPA math",
    summary="SDPA's reference backend, unfused",
    aliases=("sdpa_math", "math"),
    prepare=prepare,
    dropout=True,
    decode=True,
    ragged="padded",
    backend_of=backend_of,
)
