"""The shape of one attention call, and the work it takes."""

from __future__ import annotations

from typing import Literal

import msgspec

Pass = Literal["fwd", "bwd", "fwd_bwd"]
PASSES: tuple[Pass, ...] = ("fwd", "bwd", "fwd_bwd")
PASS_LABELS: dict[Pass, str] = {"fwd": "forward", "bwd": "backward", "fwd_bwd": "forward+backward"}

DTYPES = {
    "float16": "float16",
    "fp16": "float16",
    "half": "float16",
    "bfloat16": "bfloat16",
    "bf16": "bfloat16",
    "float32": "float32",
    "fp32": "float32",
    "float": "float32",
}
"""Every name a dtype may be given by, and torch's name for it."""

BYTES_PER_ELEMENT = {"float16": 2, "bfloat16": 2, "float32": 4}

# Backward does five matmuls of the forward's two (FlashAttention-2, arXiv:2307.08691, section 4.1).
_FLOP_FACTOR: dict[Pass, float] = {"fwd": 1.0, "bwd": 2.5, "fwd_bwd": 3.5}


class WorkloadError(ValueError):
    """The sizes asked for do not make an attention call; the message is one sentence."""


class Attention(msgspec.Struct, frozen=True, kw_only=True):
    """One attention call: q is (batch, heads, seq_q, head_dim), k and v (batch, kv_heads, seq_k, head_dim).

    `causal` is bottom-right aligned; `window` is FlashAttention's window_size (keys up to
    that many positions back, and ahead unless causal), None for all.

    Raises:
        WorkloadError: a size is not positive, or heads is no multiple of kv_heads.
    """

    batch: int
    seq_q: int
    seq_k: int
    heads: int
    kv_heads: int
    head_dim: int
    dtype: str
    causal: bool = False
    window: int | None = None

    def __post_init__(self) -> None:
        for name in ("batch", "seq_q", "seq_k", "heads", "kv_heads", "head_dim"):
            if getattr(self, name) < 1:
                raise WorkloadError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.heads % self.kv_heads:
            raise WorkloadError(
                f"heads must be a multiple of kv heads: {self.heads} is not one of {self.kv_heads}"
            )
        if self.dtype not in BYTES_PER_ELEMENT:
            raise WorkloadError(f"there is no dtype '{self.dtype}'; there are {', '.join(BYTES_PER_ELEMENT)}")
        if self.window is not None and self.window < 0:
            raise WorkloadError(f"window must be 0 or more, not {self.window}")

    @property
    def emb_dim(self) -> int:
        return self.heads * self.head_dim

    def visible_keys(self) -> int:
        """Pairs of a query and a key it sees, per head."""
        first = self.seq_k - self.seq_q  # the position among the keys at which query 0 stands
        ahead = 0 if self.causal else self.window
        seen = self.seq_q * self.seq_k
        if ahead is not None:
            seen = _sum_clamped(first + ahead + 1, self.seq_q, self.seq_k)
        if self.window is not None:
            seen -= _sum_clamped(first - self.window, self.seq_q, self.seq_k)
        return seen

    def flop(self, which: Pass) -> float:
        """Floating-point operations of the matmuls of one pass; softmax is not counted.

        Forward is 2 * batch * heads * visible * (head_dim + value_dim), and value_dim is head_dim.
        """
        forward = 2 * self.batch * self.heads * self.visible_keys() * (2 * self.head_dim)
        return forward * _FLOP_FACTOR[which]

    def tflops(self, which: Pass, time_ms: float) -> float:
        """TFLOP/s of a pass that takes `time_ms`; 0 where that is too short for the clock."""
        return self.flop(which) / time_ms / 1e9 if time_ms > 0 else 0.0

    def with_batch(self, batch: int) -> Attention:
        return msgspec.structs.replace(self, batch=batch)


def _sum_clamped(first: int, count: int, top: int) -> int:
    """The sum over i < count of first + i, each clamped to 0..top."""
    low = min(max(-first, 0), count)  # how many terms are below zero
    high = min(max(top - first, low), count)  # from here on, terms reach the top
    rising = high - low
    return rising * (first + low) + rising * (rising - 1) // 2 + (count - high) * top
