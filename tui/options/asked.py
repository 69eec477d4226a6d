"""The options of a run as they were typed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

SHAPE_OPTIONS = (
    "batch",
    "seq",
    "seq_q",
    "seq_dist",
    "decode",
    "heads",
    "kv_heads",
    "head_dim",
    "emb_dim",
    "dtype",
    "causal",
    "window",
    "dropout",
    "softcap",
)
"""The options that describe a shape, by their names in Asked."""

MODEL_OPTIONS = ("dtype", "optimizer", "mode", "kv_heads", "vocab", "bias", "dropout")
"""The options that describe a model and its training beside its size and context, as in AskedTraining."""

_NOT_TYPED = (None, (), False)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The options of a run as they were typed; None or empty where nothing was."""

    impl: tuple[str, ...] = ()
    preset: str | None = None
    batch: str | None = None
    seq: str | None = None
    seq_q: str | None = None
    seq_dist: str | None = None
    decode: bool = False
    heads: str | None = None
    kv_heads: str | None = None
    head_dim: str | None = None
    emb_dim: str | None = None
    dtype: str | None = None
    causal: tuple[bool, ...] = ()
    window: str | None = None
    dropout: str | None = None
    softcap: str | None = None
    passes: str | None = None
    repeats: int | None = None
    precision: str | None = None
    budget_s: float | None = None
    quick: bool = False
    cooldown_s: float = 0.0
    timeout_s: float = 120.0
    energy: bool = False
    kernels: bool = False
    memory_limit: str | None = None
    baseline: str | None = None
    seed: int = 0
    label: str | None = None


@dataclass(frozen=True, kw_only=True)
class AskedTraining:
    """The options of a training run as they were typed; None or empty where nothing was."""

    impl: tuple[str, ...] = ()
    preset: str | None = None
    model: str | None = None
    context: str | None = None
    batch: str | None = None
    dtype: str | None = None
    optimizer: str | None = None
    mode: str | None = None
    kv_heads: str | None = None
    vocab: str | None = None
    bias: bool = False
    dropout: str | None = None
    steps: int | None = None
    last: int | None = None
    precision: str | None = None
    quick: bool = False
    timeout_s: float = 900.0
    memory_limit: str | None = None
    baseline: str | None = None
    seed: int = 0
    label: str | None = None


def given(asked: Asked | AskedTraining, names: Iterable[str]) -> list[str]:
    """Of the options, those that were typed, as they are typed."""
    typed = (name for name in names if getattr(asked, name) not in _NOT_TYPED)
    return [f"--{name.replace('_', '-')}" for name in typed]
