"""Lists and ranges of sizes, as they are typed, and the workloads that they multiply into."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import product

from profiler.plans.plan import MOST_CASES, PlanError
from profiler.workload import DTYPES, Attention, WorkloadError

LARGEST_SIZE = 2**31 - 1  # kernels count in 32 bits
_SIZE = re.compile(r"(-?\d+)([kKmM]?)")
_SIZES = "sizes such as 512, 4k, a list (512,1k) or a range (1k..16k)"
_MULTIPLIER = {"": 1, "k": 1024, "m": 1024 * 1024}


def parse_size(text: str, name: str, least: int = 1, takes: str = _SIZES) -> int:
    """A size such as "512" or "16k" (k is 1024, m is 1024 * 1024).

    `takes` says what is possible where the size is not one of several.

    Raises:
        PlanError: it is no whole number, or below `least`.
    """
    match = _SIZE.fullmatch(text.strip())
    if not match:
        raise PlanError(f"{name} takes {takes}, not '{text}'")
    size = int(match[1]) * _MULTIPLIER[match[2].lower()]
    if size > LARGEST_SIZE:
        raise PlanError(f"{name} must be at most {LARGEST_SIZE}, not {text.strip()}")
    if size < least:
        raise PlanError(f"{name} must be at least {least}, not {text.strip()}")
    return size


def parse_sizes(text: str, name: str) -> tuple[int, ...]:
    """A list of sizes and of doubling ranges: "256,1k..4k" is 256, 1024, 2048, 4096.

    Raises:
        PlanError: a part is no size, or a range runs backwards.
    """
    sizes: dict[int, None] = {}
    for part in text.split(","):
        first, dots, last = part.partition("..")
        if not dots:
            sizes[parse_size(part, name)] = None
            continue
        size, end = parse_size(first, name), parse_size(last, name)
        if size > end:
            raise PlanError(
                f"{name} range {part.strip()} runs backwards; write {last.strip()}..{first.strip()}"
            )
        while size <= end:
            sizes[size] = None
            size *= 2
    return tuple(sizes)


def parse_dtypes(text: str) -> tuple[str, ...]:
    """A list of dtypes by any of their names: "fp16,bf16" is float16, bfloat16.

    Raises:
        PlanError: one is not known.
    """
    dtypes: dict[str, None] = {}
    for part in text.split(","):
        dtype = DTYPES.get(part.strip().lower())
        if dtype is None:
            raise PlanError(f"there is no dtype '{part.strip()}'; there are fp16, bf16 and fp32")
        dtypes[dtype] = None
    return tuple(dtypes)


def workloads(
    *,
    batch: Sequence[int],
    seq: Sequence[int],
    heads: Sequence[int],
    kv_heads: Sequence[int] | None,
    head_dim: Sequence[int] | None,
    emb_dim: Sequence[int] | None,
    dtype: Sequence[str],
    causal: Sequence[bool],
    window: Sequence[int | None],
    seq_q: Sequence[int] | None = None,
    dropout: float = 0.0,
    softcap: float | None = None,
    decode: bool = False,
) -> tuple[Attention, ...]:
    """Every combination, with the sequence length turning fastest.

    `seq` is that of the keys; `seq_q` None is as many queries, `kv_heads` None as many as heads. Exactly
    one of `head_dim` and `emb_dim` (heads * head_dim) is given.

    Raises:
        PlanError: there are too many, or a combination is no attention call.
    """
    kv: Sequence[int | None] = kv_heads or (None,)
    queries: Sequence[int | None] = seq_q or (None,)
    widths: Sequence[int] = head_dim or emb_dim or ()
    count = math.prod(len(axis) for axis in (batch, queries, seq, heads, kv, widths, dtype, causal, window))
    if count > MOST_CASES:
        raise PlanError(
            f"the lists multiply into {count:,} shapes; at most {MOST_CASES:,} cases are possible"
        )
    made = []
    for name, b, h, kv_h, width, masked, w, q, s in product(
        dtype, batch, heads, kv, widths, causal, window, queries, seq
    ):
        if head_dim is None and width % h:
            raise PlanError(f"emb dim must be a multiple of heads: {width} is not one of {h}")
        try:
            made.append(
                Attention(
                    batch=b,
                    seq_q=q or s,
                    seq_k=s,
                    heads=h,
                    kv_heads=kv_h or h,
                    head_dim=width if head_dim else width // h,
                    dtype=name,
                    causal=masked,
                    window=w,
                    dropout=dropout,
                    softcap=softcap,
                    decode=decode,
                )
            )
        except WorkloadError as error:
            raise PlanError(str(error)) from None
    return tuple(made)
