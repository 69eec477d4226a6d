"""The shapes that typed options describe: lists multiplied, defaults filled in, lengths drawn."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import overload

import msgspec

from profiler.machine.environment import Device
from profiler.plans import grid
from profiler.plans.lengths import Listed, parse_distribution
from profiler.plans.plan import PlanError
from profiler.workload import Attention
from tui.options.asked import Asked, given
from tui.options.values import dropout, number


@dataclass(frozen=True)
class _Defaults:
    """The shape of a run for which none was given."""

    batch: str
    seq: str
    heads: str
    emb_dim: str
    dtype: str


# On a GPU the attention labs' own defaults; on a CPU what a laptop does in a minute.
_DEFAULTS = {
    "cuda": _Defaults(batch="32", seq="1024", heads="32", emb_dim="2048", dtype="fp16"),
    "cpu": _Defaults(batch="1", seq="128,256,512", heads="8", emb_dim="512", dtype="fp32"),
}

# Every event about a case carries its lengths.
_MOST_LENGTHS = 4096


def workloads_of(asked: Asked, device: Device) -> tuple[Attention, ...]:
    """Every shape that is asked for, the device's default ones where none is.

    Raises:
        PlanError: options are no sizes, exclude each other, or make no attention call.
    """
    if asked.head_dim is not None and asked.emb_dim is not None:
        raise PlanError("give --head-dim or --emb-dim, not both: emb dim is heads x head dim")
    default = _DEFAULTS[device.info.kind]
    emb_dim = default.emb_dim if asked.head_dim is None else None
    of_size = partial(
        grid.workloads,
        heads=_sizes(asked.heads, "--heads", default.heads),
        kv_heads=_sizes(asked.kv_heads, "--kv-heads"),
        head_dim=_sizes(asked.head_dim, "--head-dim"),
        emb_dim=_sizes(asked.emb_dim, "--emb-dim", emb_dim),
        dtype=grid.parse_dtypes(default.dtype if asked.dtype is None else asked.dtype),
        causal=tuple(dict.fromkeys(asked.causal)) or (False,),
        window=windows(asked.window),
        dropout=dropout(asked.dropout),
        softcap=softcap(asked.softcap),
    )
    if asked.seq_dist is not None:
        return tuple(
            msgspec.structs.replace(shape, lengths=lengths)
            for lengths in _lengths(asked, asked.seq_dist, default)
            for shape in of_size(batch=(len(lengths),), seq=(max(lengths),))
        )
    return of_size(
        batch=_sizes(asked.batch, "--batch", default.batch),
        seq=_sizes(asked.seq, "--seq", default.seq),
        seq_q=_sizes(asked.seq_q, "--seq-q", "1" if asked.decode else None),
        decode=asked.decode,
    )


def _lengths(asked: Asked, text: str, default: _Defaults) -> list[tuple[int, ...]]:
    """The tokens of each sequence, for every batch size that is asked for."""
    if others := given(asked, ("seq", "seq_q", "decode")):
        raise PlanError(f"--seq-dist says how long the sequences are; drop it, or drop {others[0]}")
    distribution = parse_distribution(text, "--seq-dist")
    if isinstance(distribution, Listed):
        if asked.batch is not None:
            raise PlanError("--seq-dist list: has a length for each sequence of the batch; drop --batch")
        return [distribution.each]
    batches = _sizes(asked.batch, "--batch", default.batch)
    if max(batches) > _MOST_LENGTHS:
        raise PlanError(
            f"--seq-dist draws lengths for a --batch of up to {_MOST_LENGTHS}, not {max(batches)}"
        )
    return [distribution.lengths(batch, asked.seed) for batch in batches]


@overload
def _sizes(text: str | None, name: str, default: str) -> tuple[int, ...]: ...
@overload
def _sizes(text: str | None, name: str, default: str | None = None) -> tuple[int, ...] | None: ...
def _sizes(text: str | None, name: str, default: str | None = None) -> tuple[int, ...] | None:
    """What was typed, else the default. An empty text (an unset shell variable) was typed, and is refused."""
    text = default if text is None else text
    return None if text is None else grid.parse_sizes(text, name)


def windows(text: str | None) -> tuple[int | None, ...]:
    """What --window lists; none, the whole sequence, where nothing was typed.

    Raises:
        PlanError: a part is no size.
    """
    if text is None:
        return (None,)
    found: dict[int | None, None] = {}
    for part in text.split(","):
        if part.strip().lower() in ("none", "off"):
            found[None] = None
        else:
            found[grid.parse_size(part, "--window", least=0)] = None
    return tuple(found)


def softcap(text: str | None) -> float | None:
    """What --softcap bounds scores by; None for no bound.

    Raises:
        PlanError: it is no number.
    """
    if text is None or text.strip().lower() in ("none", "off"):
        return None
    return number(text, "--softcap", "a number such as 50, or none")
