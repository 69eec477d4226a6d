"""What an implementation is: a prepare function and the facts needed to answer "why not?"."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import torch

Layout = Literal["bhsd", "bshd"]
"""Order of the input's dimensions: batch, heads, sequence, head_dim or batch, sequence, heads, head_dim."""

DeviceKind = Literal["cpu", "cuda"]


class Workload(Protocol):
    """The shape of one attention call, as an implementation sees it.

    Sizes count elements. `dtype` is a torch dtype's name ("float16"). `causal` is
    bottom-right aligned when `seq_q != seq_k`, as FlashAttention >= 2.1 has it.
    `window` is FlashAttention's `window_size`: keys up to that many positions back
    (and ahead, unless causal) are seen, None for all.
    """

    @property
    def batch(self) -> int: ...
    @property
    def seq_q(self) -> int: ...
    @property
    def seq_k(self) -> int: ...
    @property
    def heads(self) -> int: ...
    @property
    def kv_heads(self) -> int: ...
    @property
    def head_dim(self) -> int: ...
    @property
    def dtype(self) -> str: ...
    @property
    def causal(self) -> bool: ...
    @property
    def window(self) -> int | None: ...


Attend = Callable[["torch.Tensor", "torch.Tensor", "torch.Tensor"], "torch.Tensor"]
"""The timed call: (q, k, v) in the native layout -> out, shaped and laid out like q."""


@dataclass(frozen=True)
class DeviceInfo:
    """The part of a device that decides what can run there."""

    kind: DeviceKind
    name: str
    compute_capability: tuple[int, int] | None = None

    def lacks(self, dtype: str) -> str | None:
        """Why `dtype` cannot be computed here, or None if it can."""
        if self.kind == "cuda" and dtype == "bfloat16" and (self.compute_capability or (8, 0)) < (8, 0):
            return (
                f"{self.name} has no bfloat16 (it came with compute capability 8.0); use float16 or float32"
            )
        return None


@dataclass(frozen=True)
class Requirement:
    """A package that an implementation needs beside torch."""

    module: str
    install: str

    def missing(self) -> bool:
        return find_spec(self.module) is None


@dataclass(frozen=True, kw_only=True)
class Implementation:
    """One attention implementation: its facts, and `prepare`, which builds the timed call.

    `prepare(workload, device)` imports what it needs and does everything that must stay
    outside the timed call (masks, block masks, choosing a kernel), for a device named as
    torch names it ("cuda:0"). It may raise ImportError.
    """

    name: str
    label: str
    summary: str
    prepare: Callable[[Workload, str], Attend]
    aliases: tuple[str, ...] = ()
    layout: Layout = "bhsd"
    devices: tuple[DeviceKind, ...] = ("cuda", "cpu")
    dtypes: tuple[str, ...] = ("float16", "bfloat16", "float32")
    cuda_dtypes: tuple[str, ...] | None = None
    """Where CUDA has other dtypes than the CPU."""
    min_compute_capability: tuple[int, int] | None = None
    max_head_dim: int | None = None
    padded_head_dim: Callable[[int], int] | None = None
    """The head dim the kernel computes with, where it pads the one it is given."""
    gqa: bool = True
    window: bool = True
    unequal_causal: bool = True
    """Whether causal with seq_q != seq_k is possible."""
    requires: Requirement | None = None
    backend_of: Callable[[Collection[str]], str | None] | None = None
    """Names the backend that ran, from the names of the operators of one call."""

    def dtypes_on(self, kind: DeviceKind) -> tuple[str, ...]:
        """The dtypes it takes on that kind of device."""
        return self.cuda_dtypes if kind == "cuda" and self.cuda_dtypes else self.dtypes

    def unavailable(self, device: DeviceInfo) -> str | None:
        """Why nothing can be run with it on `device`, or None."""
        if device.kind not in self.devices:
            return "needs a CUDA GPU" if device.kind == "cpu" else f"does not run on {device.kind}"
        if self.requires and self.requires.missing():
            return f"{self.requires.module} is not installed"
        needed, has = self.min_compute_capability, device.compute_capability
        if device.kind == "cuda" and needed and has and has < needed:
            return f"needs compute capability {needed[0]}.{needed[1]}; {device.name} has {has[0]}.{has[1]}"
        return None

    def supports(self, workload: Workload, device: DeviceInfo) -> str | None:
        """Why `workload` cannot be run on `device`, as one clause, or None if it can."""
        if reason := self.unavailable(device) or device.lacks(workload.dtype):
            return reason
        if workload.dtype not in self.dtypes_on(device.kind):
            return f"has no {workload.dtype} (has {', '.join(self.dtypes_on(device.kind))})"
        if self.max_head_dim and workload.head_dim > self.max_head_dim:
            return f"takes head dims up to {self.max_head_dim}, not {workload.head_dim}"
        if not self.gqa and workload.kv_heads != workload.heads:
            return "has no grouped-query attention (kv heads must equal heads)"
        if not self.window and workload.window is not None:
            return "has no sliding window"
        if not self.unequal_causal and workload.causal and workload.seq_q != workload.seq_k:
            return "has no bottom-right causal mask for seq_q != seq_k"
        return None
