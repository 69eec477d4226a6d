"""What an implementation is: a prepare function and the facts needed to answer "why not?"."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import torch

Layout = Literal["bhsd", "bshd", "thd"]
"""Order of the input's dimensions: batch, heads, sequence, head_dim or batch, sequence, heads, head_dim.

"thd" is tokens, heads, head_dim: the sequences of a batch one behind the other, without padding.
"""

DeviceKind = Literal["cpu", "cuda"]

Ragged = Literal["packed", "padded", "causal only"]
"""How sequences of unlike lengths are taken: packed ("thd"), padded with a mask, or padded where
causal masking hides the padding already."""


class Workload(Protocol):
    """The shape of one attention call, as an implementation sees it.

    Sizes count elements. `dtype` is a torch dtype's name ("float16"). `causal` is
    bottom-right aligned when `seq_q != seq_k`, as FlashAttention >= 2.1 has it.
    `window` is FlashAttention's `window_size`: keys up to that many positions back
    (and ahead, unless causal) are seen, None for all. `softcap` c bounds the scores as
    c * tanh(score / c). With `decode`, k and v are a cache that is only read: nothing needs a
    gradient. `lengths` are the tokens of each sequence of the batch, where they are not all
    seq_q = seq_k, which is then the longest's.
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
    @property
    def dropout(self) -> float: ...
    @property
    def softcap(self) -> float | None: ...
    @property
    def decode(self) -> bool: ...
    @property
    def lengths(self) -> tuple[int, ...] | None: ...


Attend = Callable[["torch.Tensor", "torch.Tensor", "torch.Tensor"], "torch.Tensor"]
"""The timed call: (q, k, v) in the native layout -> out, shaped and laid out like q."""

Prepare = Callable[[Workload, str], Attend]
"""Builds the timed call for a workload, on a device named as torch names it ("cuda:0")."""


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
    """A package that an implementation needs beside torch.

    `found` looks for it without importing it, where it is not simply the module of that name.
    """

    module: str
    install: str
    found: Callable[[], bool] | None = None

    def missing(self) -> bool:
        return not self.found() if self.found else find_spec(self.module) is None


Refuses = Callable[[Workload, DeviceInfo], str | None]
"""Why a workload cannot be run on a device, as one clause, or None."""


def first_of(rules: Iterable[Refuses | None]) -> Refuses | None:
    """The first reason that one of `rules` gives; None if there are none."""
    asked = [rule for rule in rules if rule]

    def refuses(workload: Workload, device: DeviceInfo) -> str | None:
        reasons = (rule(workload, device) for rule in asked)
        return next((reason for reason in reasons if reason), None)

    return refuses if asked else None


@dataclass(frozen=True)
class Variant:
    """Another way to prepare an implementation; `refuses` is asked beside the implementation's own."""

    prepare: Prepare
    refuses: Refuses | None = None


@dataclass(frozen=True, kw_only=True)
class Implementation:
    """One attention implementation: its facts, and `prepare`, which builds the timed call.

    `prepare(workload, device)` imports what it needs and does everything that must stay
    outside the timed call (masks, block masks, choosing a kernel). It may raise ImportError,
    and NotImplementedError with the reason where it meets one that cannot be known before.
    """

    name: str
    label: str
    summary: str
    prepare: Prepare
    aliases: tuple[str, ...] = ()
    variants: Mapping[str, Variant] = field(default_factory=dict)
    """By what is added to its name: {"deterministic": ...} is NAME+deterministic."""
    layout: Layout = "bhsd"
    devices: tuple[DeviceKind, ...] = ("cuda", "cpu")
    dtypes: tuple[str, ...] = ("float16", "bfloat16", "float32")
    cuda_dtypes: tuple[str, ...] | None = None
    """Where CUDA has other dtypes than the CPU."""
    min_compute_capability: tuple[int, int] | None = None
    max_compute_capability: tuple[int, int] | None = None
    min_head_dim: int = 1
    max_head_dim: int | None = None
    head_dim_multiple: int = 1
    padded_head_dim: Callable[[int], int] | None = None
    """The head dim the kernel computes with, where it pads the one it is given."""
    backward: bool = True
    repeats_backward: bool = True
    """Whether backward can be called again on a graph that was kept; if not, it is part of fwd_bwd only."""
    replays: bool = False
    """Whether its calls are replays of CUDA graphs already."""
    gqa: bool = True
    window: bool = True
    unequal_causal: bool = True
    """Whether causal with seq_q != seq_k is possible."""
    dropout: bool = False
    softcap: bool = False
    decode: bool = False
    """Whether it has a path for few queries against a long cache."""
    ragged: Ragged | None = None
    refuses: Refuses | None = None
    """Why a workload that passes every rule above cannot be run all the same, or None."""
    breaks_graph: Refuses | None = None
    """Why torch.compile cannot capture a workload in one graph, where that is known, or None."""
    compiled: bool = False
    """Whether its first call compiles, so that what was prepared is worth keeping."""
    strided: bool = True
    """Whether its inputs may be views into a larger tensor; the head dim's stride is 1 in any case."""
    requires: Requirement | None = None
    backend_of: Callable[[Collection[str]], str | None] | None = None
    """Names the backend that ran, from the names of the operators of one call."""

    def dtypes_on(self, kind: DeviceKind) -> tuple[str, ...]:
        """The dtypes it takes on that kind of device."""
        return self.cuda_dtypes if kind == "cuda" and self.cuda_dtypes else self.dtypes

    def layout_of(self, workload: Workload) -> Layout:
        """The layout of the inputs it is given."""
        return "thd" if workload.lengths is not None and self.ragged == "packed" else self.layout

    def varied(self, variant: str) -> Implementation:
        """Its variant of that name."""
        other = self.variants[variant]
        return replace(
            self,
            name=f"{self.name}+{variant}",
            label=f"{self.label} {variant}",
            summary=f"{self.summary}, {variant}",
            prepare=other.prepare,
            refuses=first_of([self.refuses, other.refuses]),
            variants={},
            aliases=(),
        )

    def unavailable(self, device: DeviceInfo) -> str | None:
        """Why nothing can be run with it on `device`, or None."""
        if device.kind not in self.devices:
            return "needs a CUDA GPU" if device.kind == "cpu" else f"does not run on {device.kind}"
        if self.requires and self.requires.missing():
            return f"{self.requires.module} is not installed"
        has = device.compute_capability
        if device.kind == "cuda" and has:
            least, most = self.min_compute_capability, self.max_compute_capability
            if least and has < least:
                return f"needs compute capability {_dotted(least)}; {device.name} has {_dotted(has)}"
            if most and has > most:
                return f"ends at compute capability {_dotted(most)}; {device.name} has {_dotted(has)}"
        return None

    def supports(self, workload: Workload, device: DeviceInfo) -> str | None:
        """Why `workload` cannot be run on `device`, as one clause, or None if it can."""
        if reason := self.unavailable(device) or device.lacks(workload.dtype):
            return reason
        if workload.dtype not in self.dtypes_on(device.kind):
            return f"has no {workload.dtype} (has {', '.join(self.dtypes_on(device.kind))})"
        if reason := self._lacks_head_dim(workload.head_dim) or self._lacks_feature(workload):
            return reason
        return self.refuses(workload, device) if self.refuses else None

    def _lacks_head_dim(self, head_dim: int) -> str | None:
        if self.max_head_dim and head_dim > self.max_head_dim:
            return f"takes head dims up to {self.max_head_dim}, not {head_dim}"
        if head_dim < self.min_head_dim:
            return f"takes head dims from {self.min_head_dim} on, not {head_dim}"
        if head_dim % self.head_dim_multiple:
            return f"takes head dims that are multiples of {self.head_dim_multiple}, not {head_dim}"
        return None

    def _lacks_feature(self, workload: Workload) -> str | None:
        if not self.gqa and workload.kv_heads != workload.heads:
            return "has no grouped-query attention (kv heads must equal heads)"
        if not self.window and workload.window is not None:
            return "has no sliding window"
        if not self.unequal_causal and workload.causal and workload.seq_q != workload.seq_k:
            return "has no bottom-right causal mask for seq_q != seq_k"
        if not self.dropout and workload.dropout:
            return "has no dropout"
        if not self.softcap and workload.softcap is not None:
            return "has no softcap"
        if not self.decode and workload.decode:
            return "has no path for decoding from a KV cache"
        if workload.lengths is not None:
            if self.ragged is None:
                return "has no variable-length batches"
            if self.ragged == "causal only" and not workload.causal:
                return "has no mask for the padding of a variable-length batch (causal needs none)"
        return None


def _dotted(capability: tuple[int, int]) -> str:
    return f"{capability[0]}.{capability[1]}"
