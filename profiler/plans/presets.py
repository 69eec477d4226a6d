"""Experiments ready made: shapes and implementations of published labs and papers, by name."""

from __future__ import annotations

from dataclasses import dataclass, field

from profiler.plans import grid
from profiler.plans.plan import Stopping
from profiler.workload import Attention


@dataclass(frozen=True)
class Preset:
    """An experiment: what it asks, and what it measures to answer."""

    name: str
    question: str
    workloads: tuple[Attention, ...]
    implementations: tuple[str, ...]
    baseline: str
    stopping: Stopping = field(default_factory=lambda: Stopping(repeats=30))


def _lab5(
    *, seq: tuple[int, ...] = (1024,), heads: tuple[int, ...] = (32,), emb_dim: tuple[int, ...] = (256,)
) -> tuple[Attention, ...]:
    """The lab's base shape (batch 16, seq 1024, heads 32, emb dim 256, causal) with one axis swept."""
    return grid.workloads(
        batch=(16,),
        seq=seq,
        heads=heads,
        kv_heads=None,
        head_dim=None,
        emb_dim=emb_dim,
        dtype=("float16",),
        causal=(True,),
        window=(None,),
    )


_LAB6 = grid.workloads(
    batch=(32,),
    seq=(256, 512, 1024),
    heads=(16,),
    kv_heads=None,
    head_dim=None,
    emb_dim=(1024,),
    dtype=("float16",),
    causal=(False, True),
    window=(None,),
)


def _lab(name: str, question: str, workloads: tuple[Attention, ...]) -> Preset:
    return Preset(name, question, workloads, implementations=("pytorch", "flash2"), baseline="pytorch")


def _paper(*head_dims: int) -> tuple[Attention, ...]:
    """One curve after the other, each over the sequence length, as the charts draw them.

    Source: the forward and backward charts of FlashAttention-3 (arXiv 2407.08608, section 4.1) and
    those of the flash-attention README: hidden size 2048, 16k tokens in all, float16.
    """
    hidden, tokens = 2048, 16 * 1024
    return tuple(
        shape
        for head_dim in head_dims
        for causal in (False, True)
        for seq in grid.parse_sizes("512..16k", "seq")
        for shape in grid.workloads(
            batch=(tokens // seq,),
            seq=(seq,),
            heads=(hidden // head_dim,),
            kv_heads=None,
            head_dim=(head_dim,),
            emb_dim=None,
            dtype=("float16",),
            causal=(causal,),
            window=(None,),
        )
    )


def _generations(head_dim: int) -> Preset:
    """All that a person would choose from, over the paper's shapes of one head dim."""
    return Preset(
        f"generations-{head_dim}",
        f"FlashAttention 1 to 4 beside the others at head dim {head_dim}, from seq 512 to 16k",
        _paper(head_dim),
        implementations=(
            "pytorch",
            "sdpa-math",
            "sdpa-flash",
            "sdpa-efficient",
            "sdpa-cudnn",
            "flex",
            "xformers",
            "xformers+cutlass",
            "flash1",
            "flash1-triton",
            "flash2",
            "flash3",
            "flash4",
        ),
        baseline="pytorch",
        stopping=Stopping(),
    )


_QUESTION = "plain PyTorch against FlashAttention over "

PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        _lab("lab6", _QUESTION + "the sequence length, causal or not", _LAB6),
        _lab("lab5-seq", _QUESTION + "the sequence length at emb dim 256", _lab5(seq=(256, 512, 1024))),
        _lab("lab5-heads", _QUESTION + "the number of heads, the embedding kept", _lab5(heads=(8, 16, 32))),
        _lab("lab5-emb", _QUESTION + "the embedding, the heads kept", _lab5(emb_dim=(128, 256, 512))),
        Preset(
            "fa3-paper",
            "does this GPU reach the H100 figures that FlashAttention's papers publish, from seq 512 to 16k",
            _paper(64, 128),
            implementations=("pytorch", "flash2", "sdpa-flash", "sdpa-cudnn"),
            baseline="pytorch",
            # Ten rounds of plain PyTorch at 16k take most of the default budget.
            stopping=Stopping(),
        ),
        *map(_generations, (64, 128, 256)),
    )
}
