"""FlashAttention-4, from the package flash-attn-4.

FlashAttention written in Python for NVIDIA's CuTe DSL, with Blackwell's pipelines as its reason
and a Hopper path beside them (Dao-AILab/flash-attention, folder flash_attn/cute). Kernels are
compiled at a configuration's first call, for seconds, and kept for the process. Keys are split among
thread blocks for decoding on Blackwell only; elsewhere grouped queries share a tile. No dropout.

torch's route to it (torch.nn.attention.activate_flash_attention_impl) is not taken: it turns every
SDPA of the process to it, backward passes of others too.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING

from impls._flash import packing, window_size
from impls._locate import find_module
from impls.contract import Attend, DeviceInfo, Implementation, Requirement, Variant, Workload

if TYPE_CHECKING:
    import torch

_DISTRIBUTION = "flash-attn-4"
_MODULE, _FILE = "flash_attn.cute.interface", "flash_attn/cute/interface.py"
_HOPPER = 9
_SPLITS_KEYS = (10, 11)  # compute capabilities (interface.py of 4.0.0b36: "SplitKV not supported on SM 9.0")


def _padded(head_dim: int) -> int:
    return -(-head_dim // 16) * 16  # hdim_multiple_of in flash_fwd.py


def _found() -> bool:
    try:
        distribution(_DISTRIBUTION)
    except PackageNotFoundError:
        return False
    return find_module(_MODULE) is not None


@cache
def _is_another(path: Path) -> bool:
    """Whether the file is not the one that flash-attn-4 installed: flash-attn 2 ships an old copy of it."""
    try:
        files = distribution(_DISTRIBUTION).files or ()
    except PackageNotFoundError:
        return False
    recorded = next((file.hash for file in files if str(file) == _FILE), None)
    if recorded is None:
        return False  # an editable install records no files
    digest = hashlib.new(recorded.mode, path.read_bytes()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != recorded.value


def _refuses(workload: Workload, device: DeviceInfo) -> str | None:
    path = find_module(_MODULE)
    if path is not None and _is_another(path):
        return (
            "is hidden by an older copy of flash_attn/cute, which flash-attn 2 brings: "
            f"pip install --force-reinstall --no-deps {_DISTRIBUTION}"
        )
    major = (device.compute_capability or (0, 0))[0]
    # Tried on an H100 with 4.0.0b36: at 8, 16, 40, 72 and 80 dq is wrong, the output right.
    if major == _HOPPER and workload.head_dim <= 128 and workload.head_dim % 32 and not workload.decode:
        return f"has a wrong gradient at head dim {workload.head_dim} on Hopper (right are multiples of 32)"
    if major in _SPLITS_KEYS and workload.head_dim > 128 and workload.head_dim != 256:
        return f"takes head dims up to 128, and 256, on {device.name}, not {workload.head_dim}"
    return None


def prepare(workload: Workload, device: str, *, deterministic: bool = False) -> Attend:
    import torch
    from flash_attn.cute import flash_attn_func, flash_attn_varlen_func

    left, right = window_size(workload)
    options: dict[str, object] = {
        "causal": workload.causal,
        "window_size": (None if left < 0 else left, None if right < 0 else right),
        "softcap": workload.softcap or 0.0,
        "deterministic": deterministic,
        **packing(workload, device),
    }
    if workload.decode and torch.cuda.get_device_capability(device)[0] in _SPLITS_KEYS:
        options["num_splits"] = 0  # by its heuristic
    function = flash_attn_func if workload.lengths is None else flash_attn_varlen_func

    def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor | tuple[torch.Tensor, ...] = function(q, k, v, **options)
        return result[0] if isinstance(result, tuple) else result  # with the logarithm of the sums

    return attend


IMPLEMENTATION = Implementation(
    name="flash4",
    label="FlashAttention 4",
    summary="FlashAttention-4, compiled by CuTe DSL at the first call",
    aliases=("Flash4", "fa4", "flash-attn-4"),
    prepare=prepare,
    variants={"deterministic": Variant(partial(prepare, deterministic=True))},
    layout="bshd",
    devices=("cuda",),
    dtypes=("float16", "bfloat16"),
    min_compute_capability=(8, 0),  # there the forward alone
    min_head_dim=8,
    max_head_dim=256,
    head_dim_multiple=8,
    padded_head_dim=_padded,
    softcap=True,
    decode=True,
    ragged="packed",
    refuses=_refuses,
    requires=Requirement(_DISTRIBUTION, "pip install 'attnprof[flash4]'", _found),
)
