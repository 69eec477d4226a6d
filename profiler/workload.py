"""The shape of one attention call, and the work it takes."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Pass = Literal["fwd", "bwd", "fwd_bwd"]
PASSES: tuple[Pass, ...] = ("fwd", "bwd", "fwd_bwd")
PASS_LABELS: dict[Pass, str] = {"fwd": "forward", "bwd": "backward", "fwd_bwd": "forward+backward"}

PASS_NAMES: dict[str, Pass] = {
    **{name: name for name in PASSES},
    **{label: name for name, label in PASS_LABELS.items()},
    "fwd+bwd": "fwd_bwd",
    "fwd-bwd": "fwd_bwd",
}
"""Every name a pass may be given by."""

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

SHORT_DTYPES = {"float16": "fp16", "bfloat16": "bf16", "float32": "fp32"}
"""As they are typed, and shown where room is short."""

BYTES_PER_ELEMENT = {"float16": 2, "bfloat16": 2, "float32": 4}

# Backward does five matmuls of the forward's two (FlashAttention-2, arXiv:2307.08691, section 4.1).
_FLOP_FACTOR: dict[Pass, float] = {"fwd": 1.0, "bwd": 2.5, "fwd_bwd": 3.5}

Size = Annotated[int, msgspec.Meta(ge=-(2**40), le=2**40)]
"""What a file may say of a size; that it makes sense is told apart."""


class WorkloadError(ValueError):
    """The sizes asked for do not make an attention call; the message is one sentence."""


class Attention(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """One attention call: q is (batch, heads, seq_q, head_dim), k and v (batch, kv_heads, seq_k, head_dim).

    `causal` is bottom-right aligned; `window` is FlashAttention's window_size (keys up to
    that many positions back, and ahead unless causal), None for all. `dropout` is the probability
    that a weight is dropped; `softcap` c bounds the scores as c * tanh(score / c). With `decode`, k
    and v are a cache that is only read: there is a forward pass alone. `lengths` are the tokens of
    each of the batch's sequences where they differ; seq_q and seq_k are then the longest's.

    Raises:
        WorkloadError: a size is not positive, heads is no multiple of kv_heads, or options exclude
            each other.
    """

    batch: Size
    seq_q: Size
    seq_k: Size
    heads: Size
    kv_heads: Size
    head_dim: Size
    dtype: str
    causal: bool = False
    window: Size | None = None
    dropout: float = 0.0
    softcap: float | None = None
    decode: bool = False
    lengths: tuple[Size, ...] | None = None

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
        if not 0 <= self.dropout < 1:
            raise WorkloadError(f"dropout must be at least 0 and below 1, not {self.dropout:g}")
        if self.softcap is not None and not 0 < self.softcap < float("inf"):
            raise WorkloadError(f"softcap must be a number above 0, not {self.softcap:g}")
        if self.decode and self.dropout:
            raise WorkloadError("decoding has no dropout: that is for training")
        if self.lengths is not None:
            self._check_lengths(self.lengths)

    def _check_lengths(self, lengths: tuple[int, ...]) -> None:
        if self.decode or self.seq_q != self.seq_k:
            raise WorkloadError("in a batch of variable length, each sequence attends to itself")
        if len(lengths) != self.batch or min(lengths) < 1 or max(lengths) != self.seq_q:
            raise WorkloadError(
                f"a batch of {self.batch} up to {self.seq_q} tokens long has as many lengths, from 1 on, "
                f"and the longest is {self.seq_q}; given are {', '.join(map(str, lengths))}"
            )

    @property
    def emb_dim(self) -> int:
        return self.heads * self.head_dim

    @property
    def queries(self) -> int:
        """Tokens that ask, in the whole batch."""
        return sum(self.lengths) if self.lengths is not None else self.batch * self.seq_q

    @property
    def keys(self) -> int:
        """Tokens that are asked, in the whole batch."""
        return sum(self.lengths) if self.lengths is not None else self.batch * self.seq_k

    @property
    def has_backward(self) -> bool:
        return not self.decode

    def visible_pairs(self) -> int:
        """Pairs of a query and a key it sees, in one head of the whole batch."""
        if self.lengths is None:
            return self.batch * self._seen(self.seq_q, self.seq_k)
        return sum(self._seen(length, length) for length in self.lengths)

    def _seen(self, seq_q: int, seq_k: int) -> int:
        """Pairs of a query and a key it sees, in one sequence."""
        first = seq_k - seq_q  # the position among the keys at which query 0 stands
        ahead = 0 if self.causal else self.window
        seen = seq_q * seq_k
        if ahead is not None:
            seen = _sum_clamped(first + ahead + 1, seq_q, seq_k)
        if self.window is not None:
            seen -= _sum_clamped(first - self.window, seq_q, seq_k)
        return seen

    def flop(self, which: Pass) -> float:
        """Floating-point operations of the matmuls of one pass; softmax is not counted.

        Forward is 2 * heads * visible * (head_dim + value_dim), and value_dim is head_dim. Padding
        counts for nothing.
        """
        forward = 2 * self.heads * self.visible_pairs() * (2 * self.head_dim)
        return forward * _FLOP_FACTOR[which]

    def tflops(self, which: Pass, time_ms: float) -> float:
        """TFLOP/s of a pass that takes `time_ms`; 0 where that is too short for the clock."""
        return self.flop(which) / time_ms / 1e9 if time_ms > 0 else 0.0

    def with_batch(self, batch: int) -> Attention:
        """The same with so many sequences; of unlike lengths, the longest."""
        lengths = None if self.lengths is None else tuple(sorted(self.lengths, reverse=True)[:batch])
        return msgspec.structs.replace(self, batch=batch, lengths=lengths)


def _sum_clamped(first: int, count: int, top: int) -> int:
    """The sum over i < count of first + i, each clamped to 0..top."""
    low = min(max(-first, 0), count)  # how many terms are below zero
    high = min(max(top - first, low), count)  # from here on, terms reach the top
    rising = high - low
    return rising * (first + low) + rising * (rising - 1) // 2 + (count - high) * top
