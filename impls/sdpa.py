"""PyTorch's scaled_dot_product_attention with the backend left to PyTorch.

What most model code calls. Which backend that means depends on the GPU, the dtype, the
shape and PyTorch's version (on Hopper, cuDNN since cuDNN 9.15), so the one that ran is
recorded beside the numbers. Windows, bottom-right causal and padded batches are explicit masks, as
they are in such code; the flash backend takes none. Decoding is the backend's affair.
"""

from __future__ import annotations

from impls._sdpa import backend_of, prepare_sdpa
from impls.contract import Attend, Implementation, Workload


def prepare(workload: Workload, device: str) -> Attend:
    return prepare_sdpa(workload, device, None)


IMPLEMENTATION = Implementation(
    name="sdpa",
    label="SDPA",
    summary="scaled_dot_product_attention, PyTorch's own choice of backend",
    prepare=prepare,
    dropout=True,
    decode=True,
    ragged="padded",
    backend_of=backend_of,
)
