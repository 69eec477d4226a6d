"""Packages for tests of the adapters: they note what they are called with."""

from __future__ import annotations

import base64
import hashlib
import importlib
import sys
from pathlib import Path
from typing import Any

import torch

from profiler.workload import Attention

RAGGED = (5, 12, 1)

_NOTES = "calls = []\n\n\n"
_FUNCTION = """def {name}(q, k, v, **options):
    calls.append(("{name}", options))
    return {returned}


"""


def noting(*names: str, returned: str = "q") -> str:
    return _NOTES + "".join(_FUNCTION.format(name=name, returned=returned) for name in names)


class Site:
    """A folder of packages that hides those that are really installed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, file: str, text: str = "") -> Path:
        path = self.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        # A folder's listing is kept until its time changes, and that ticks in milliseconds.
        importlib.invalidate_caches()
        return path

    def add_flash4(self, interface: str = "", *, recorded: str | None = None) -> None:
        """flash-attn-4, with `interface` for its interface.py; `recorded` is what was once installed."""
        self.add("flash_attn/cute/interface.py", interface)
        self.add(
            "flash_attn/cute/__init__.py",
            noting("flash_attn_func", "flash_attn_varlen_func", returned="(q, None)"),
        )
        digest = hashlib.sha256((interface if recorded is None else recorded).encode()).digest()
        value = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        self.add("flash_attn_4-4.0.0b36.dist-info/METADATA", "Name: flash-attn-4\nVersion: 4.0.0b36\n")
        self.add("flash_attn_4-4.0.0b36.dist-info/RECORD", f"flash_attn/cute/interface.py,sha256={value},9\n")


def called(module: str) -> tuple[str, dict[str, Any]]:
    """The function that was called last, and its options."""
    calls: list[tuple[str, dict[str, Any]]] = sys.modules[module].__dict__["calls"]
    return calls[-1]


def tensors(workload: Attention) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    def of(heads: int, seq: int) -> torch.Tensor:
        tokens = (sum(workload.lengths),) if workload.lengths else (workload.batch, seq)
        return torch.randn(*tokens, heads, workload.head_dim, requires_grad=not workload.decode)

    return (
        of(workload.heads, workload.seq_q),
        of(workload.kv_heads, workload.seq_k),
        of(workload.kv_heads, workload.seq_k),
    )


# What FlashAttention 2 and 3 are called with for a shape: the function, and what is not as usual.
USUAL: dict[str, Any] = {"causal": False, "window_size": (-1, -1), "softcap": 0.0}
CALLS: list[tuple[dict[str, Any], str, dict[str, Any]]] = [
    ({}, "flash_attn_func", {"deterministic": False}),
    (
        {"causal": True, "window": 7},
        "flash_attn_func",
        {"deterministic": False, "causal": True, "window_size": (7, 0)},
    ),
    ({"softcap": 30.0}, "flash_attn_func", {"deterministic": False, "softcap": 30.0}),
    (
        {"decode": True, "seq_q": 1, "causal": True},
        "flash_attn_with_kvcache",
        {"causal": True, "window_size": (-1, 0)},
    ),
]
