"""The cells of benchmarks/features.py: shapes at the edges of what kernels do, and who claims which."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import impls
from impls.contract import DeviceInfo, Implementation
from profiler.features import Feature
from profiler.workload import SHORT_DTYPES, Attention

Changes = Mapping[str, Any]

BACKWARD = "backward"
"""What the cells are about that try a backward, and a second one on the same graph, where there is none."""

_BASE: Changes = {"batch": 2, "seq_q": 127, "seq_k": 127, "heads": 8, "kv_heads": 8, "head_dim": 64}
_LENGTHS = {"batch": 4, "lengths": (57, 1, 127, 40)}
_CACHE = {"decode": True, "seq_k": 4096}

# Whether the reduced grid has it causal, not causal, or both; the full one has both.
_CAUSAL, _PLAIN, _BOTH, _LEFT_OUT = (True,), (False,), (False, True), ()

_SHAPES: tuple[tuple[str, Changes, tuple[bool, ...]], ...] = (
    ("lengths", {"seq_q": 57, "seq_k": 57}, _CAUSAL),
    ("lengths", {}, _LEFT_OUT),
    ("lengths", {"seq_q": 1, "seq_k": 1}, _PLAIN),
    ("lengths", {"seq_q": 1000, "seq_k": 1000}, _PLAIN),
    ("seq_q != seq_k", {"seq_q": 57, "seq_k": 127}, _BOTH),
    ("seq_q != seq_k", {"seq_q": 127, "seq_k": 57}, _CAUSAL),
    ("seq_q != seq_k", {"seq_q": 1, "seq_k": 57}, _LEFT_OUT),
    ("seq_q != seq_k", {"seq_q": 1000, "seq_k": 127}, _LEFT_OUT),
    ("seq_q != seq_k", {"seq_q": 127, "seq_k": 1000}, _LEFT_OUT),
    ("head dims", {"head_dim": 128}, _CAUSAL),
    ("head dims", {"head_dim": 4}, _LEFT_OUT),
    ("head dims", {"head_dim": 8}, _LEFT_OUT),
    ("head dims", {"head_dim": 16}, _CAUSAL),
    ("head dims", {"head_dim": 32}, _LEFT_OUT),
    ("head dims", {"head_dim": 33}, _LEFT_OUT),
    ("head dims", {"head_dim": 40}, _PLAIN),
    ("head dims", {"head_dim": 72}, _LEFT_OUT),
    ("head dims", {"head_dim": 80}, _CAUSAL),
    ("head dims", {"head_dim": 96}, _LEFT_OUT),
    ("head dims", {"head_dim": 136}, _PLAIN),
    ("head dims", {"head_dim": 160}, _LEFT_OUT),
    ("head dims", {"head_dim": 192}, _PLAIN),
    ("head dims", {"head_dim": 256}, _CAUSAL),
    ("head dims", {"head_dim": 264}, _LEFT_OUT),
    ("gqa", {"kv_heads": 2}, _CAUSAL),
    ("gqa", {"kv_heads": 1}, _PLAIN),
    ("gqa", {"kv_heads": 2, "seq_q": 57}, _LEFT_OUT),
    ("window", {"window": 16}, _CAUSAL),
    ("window", {"window": 16, "seq_q": 57}, _PLAIN),
    ("window", {"window": 16, "seq_k": 57}, _LEFT_OUT),
    ("window", {"window": 0}, _LEFT_OUT),
    ("window", {"window": 16, "kv_heads": 2}, _LEFT_OUT),
    # Wide enough that whole blocks of keys are skipped, and whole blocks are not masked.
    ("window", {"window": 300, "seq_q": 1000, "seq_k": 1000}, _CAUSAL),
    ("window", {"window": 300, "seq_q": 500, "seq_k": 1000}, _LEFT_OUT),
    # Scores have a deviation of 1, so that this bends them.
    ("softcap", {"softcap": 2.0}, _CAUSAL),
    ("softcap", {"softcap": 2.0, "kv_heads": 2}, _LEFT_OUT),
    ("softcap", {"softcap": 2.0, "seq_q": 57}, _LEFT_OUT),
    ("softcap", {"softcap": 2.0, "window": 16}, _PLAIN),
    ("dropout", {"dropout": 0.25}, _CAUSAL),
    ("dropout", {"dropout": 0.25, "kv_heads": 2}, _LEFT_OUT),
    ("dropout", {"dropout": 0.25, "seq_q": 57}, _LEFT_OUT),
    ("dropout", {"dropout": 0.25, "window": 16}, _LEFT_OUT),
    ("dropout", {"dropout": 0.25, "softcap": 2.0}, _LEFT_OUT),
    ("dropout", {"dropout": 0.25, **_LENGTHS}, _LEFT_OUT),
    ("ragged", {"kv_heads": 2, **_LENGTHS}, _CAUSAL),
    ("ragged", _LENGTHS, _PLAIN),
    ("ragged", {"window": 16, **_LENGTHS}, _LEFT_OUT),
    ("ragged", {"softcap": 2.0, **_LENGTHS}, _LEFT_OUT),
    ("ragged", {"head_dim": 36, **_LENGTHS}, _LEFT_OUT),
    ("ragged", {"batch": 3, "lengths": (1000, 3, 300), "seq_q": 1000, "seq_k": 1000}, _LEFT_OUT),
    ("decode", {"seq_q": 1, "kv_heads": 2, **_CACHE}, _PLAIN),
    ("decode", {"seq_q": 1, **_CACHE}, _LEFT_OUT),
    ("decode", {"seq_q": 1, "kv_heads": 1, **_CACHE}, _LEFT_OUT),
    ("decode", {"seq_q": 4, **_CACHE}, _LEFT_OUT),
    ("decode", {"seq_q": 4, "kv_heads": 2, **_CACHE}, _CAUSAL),
    ("decode", {"seq_q": 4, "kv_heads": 1, **_CACHE}, _LEFT_OUT),
    ("decode", {"seq_q": 16, **_CACHE}, _LEFT_OUT),
    ("decode", {"seq_q": 16, "kv_heads": 2, **_CACHE}, _LEFT_OUT),
    ("decode", {"seq_q": 16, "kv_heads": 1, **_CACHE}, _LEFT_OUT),
    ("decode", {"seq_q": 1, "kv_heads": 2, **_CACHE, "seq_k": 4999}, _LEFT_OUT),
    ("decode", {"seq_q": 1, "kv_heads": 2, "head_dim": 128, **_CACHE}, _LEFT_OUT),
    ("decode", {"seq_q": 4, "kv_heads": 2, "window": 300, **_CACHE}, _LEFT_OUT),
    ("decode", {"seq_q": 4, "kv_heads": 2, "softcap": 2.0, **_CACHE}, _LEFT_OUT),
    (BACKWARD, {}, _PLAIN),
)


@dataclass(frozen=True)
class Cell:
    """A shape, and the feature for whose sake it is in the grid."""

    about: str
    workload: Attention


def full_grid() -> list[Cell]:
    """Every shape, causal and not, in every dtype."""
    return [
        _cell(about, changes, causal, dtype)
        for about, changes, _ in _SHAPES
        for causal in _BOTH
        for dtype in SHORT_DTYPES
    ]


def reduced_grid() -> list[Cell]:
    """For what compiles for each shape, seconds every time: a few shapes of each feature.

    In bfloat16, and those about lengths in the other dtypes too.
    """
    return [
        _cell(about, changes, causal, dtype)
        for about, changes, reduced in _SHAPES
        for causal in reduced
        for dtype in (SHORT_DTYPES if about == "lengths" else ("bfloat16",))
    ]


def sparse_grid(dtypes: tuple[str, ...] = ("bfloat16",)) -> list[Cell]:
    """One shape of each feature: for variants of what compiles, and for a quick look."""
    first = {about: (changes, reduced[-1]) for about, changes, reduced in reversed(_SHAPES) if reduced}
    return [
        _cell(about, changes, causal, dtype)
        for about, (changes, causal) in reversed(first.items())
        for dtype in dtypes
    ]


def _cell(about: str, changes: Changes, causal: bool, dtype: str) -> Cell:
    return Cell(about, Attention(**{**_BASE, "dtype": dtype, "causal": causal, **changes}))


def compiles(implementation: Implementation) -> bool:
    """Whether a shape's first call takes seconds."""
    return implementation.compiled or implementation.name.partition("+")[0] == "flash4"


def grid_of(implementation: Implementation) -> list[Cell]:
    """The cells that an implementation is tried in."""
    if not compiles(implementation):
        return full_grid()
    return sparse_grid() if "+" in implementation.name else reduced_grid()


def names(device: DeviceInfo) -> list[str]:
    """All that can be tried on a device: each implementation with its variants, and some compiled."""
    found = [
        name
        for implementation in impls.catalog()
        if implementation.unavailable(device) is None
        for name in (
            implementation.name,
            *(f"{implementation.name}+{variant}" for variant in implementation.variants),
        )
    ]
    compiled = ("pytorch+compile", "sdpa+compile", "flash2+compile", "flash2+fullgraph")
    graphs = ("pytorch+cudagraphs", "flash2+cudagraphs") if device.kind == "cuda" else ()
    return found + [name for name in (*compiled, *graphs) if name.partition("+")[0] in found]


def refusal(implementation: Implementation, cell: Cell, device: DeviceInfo) -> str | None:
    """Why the implementation does not claim the cell, or None if it does."""
    if reason := implementation.supports(cell.workload, device):
        return reason
    if cell.about == BACKWARD and not implementation.backward:
        return "has no backward"
    if cell.about == BACKWARD and not implementation.repeats_backward:
        return "has no second backward on a graph that is kept"
    return None


def features_of(workload: Attention) -> Iterator[Feature]:
    """The features that a shape needs."""
    if workload.causal and workload.seq_q != workload.seq_k:
        yield "unequal causal"
    if workload.kv_heads != workload.heads:
        yield "gqa"
    if workload.window is not None:
        yield "window"
    if workload.dropout:
        yield "dropout"
    if workload.softcap is not None:
        yield "softcap"
    if workload.decode:
        yield "decode"
    if workload.lengths is not None:
        yield "ragged"


def describe(workload: Attention) -> str:
    """A shape in a line: "B2 H8:2 S57:127 D64 bf16 causal window 16", with what its batch or heads share."""
    heads = _pair(workload.heads, workload.kv_heads)
    parts = [
        f"B{workload.batch} H{heads} S{_pair(workload.seq_q, workload.seq_k)} D{workload.head_dim}",
        SHORT_DTYPES[workload.dtype],
        "causal" if workload.causal else "",
        "" if workload.window is None else f"window {workload.window}",
        f"dropout {workload.dropout:g}" if workload.dropout else "",
        "" if workload.softcap is None else f"softcap {workload.softcap:g}",
        "decode" if workload.decode else "",
        "" if workload.lengths is None else f"lengths {'/'.join(map(str, workload.lengths))}",
    ]
    return " ".join(filter(None, parts))


def _pair(one: int, other: int) -> str:
    return str(one) if one == other else f"{one}:{other}"
