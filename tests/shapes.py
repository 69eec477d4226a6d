"""Short ways to say a workload in a test."""

from __future__ import annotations

from profiler.workload import Attention


def attention(
    *,
    batch: int = 2,
    seq: int = 64,
    seq_q: int | None = None,
    heads: int = 4,
    kv_heads: int | None = None,
    head_dim: int = 32,
    dtype: str = "float32",
    causal: bool = False,
    window: int | None = None,
) -> Attention:
    """`seq` keys, and as many queries unless `seq_q` says otherwise."""
    return Attention(
        batch=batch,
        seq_q=seq_q or seq,
        seq_k=seq,
        heads=heads,
        kv_heads=kv_heads or heads,
        head_dim=head_dim,
        dtype=dtype,
        causal=causal,
        window=window,
    )
