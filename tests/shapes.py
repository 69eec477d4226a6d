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
    dropout: float = 0.0,
    softcap: float | None = None,
    decode: bool = False,
    lengths: tuple[int, ...] | None = None,
) -> Attention:
    """`seq` keys, and as many queries unless `seq_q` says otherwise; `lengths` bring batch and seq."""
    if lengths is not None:
        batch, seq = len(lengths), max(lengths)
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
        dropout=dropout,
        softcap=softcap,
        decode=decode,
        lengths=lengths,
    )
