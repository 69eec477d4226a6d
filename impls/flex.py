"""FlexAttention: a kernel generated around a few lines of Python.

Juechu Dong et al., "Flex Attention: A Programming Model for Generating Optimized Attention
Kernels" (2024, arXiv:2412.05496), as torch.nn.attention.flex_attention under torch.compile. What a
query sees is a mask function, and a block mask which of the blocks of 128 x 128 scores it leaves
empty or whole, so that these are skipped or computed without it; softcap is a function of the score. A
batch of variable length goes packed, as one sequence in which no query sees another document. For
decoding Inductor takes its flex-decoding kernel, which splits the keys among blocks.
Head dims are padded to a power of two. On the CPU it has no backward.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from itertools import accumulate
from typing import TYPE_CHECKING, TypeAlias

from impls import masks
from impls._compile import compile_for_one_shape
from impls._head_dims import power_of_two
from impls.contract import Attend, Implementation, Requirement, Workload

if TYPE_CHECKING:
    import torch
    from torch.nn.attention.flex_attention import BlockMask

    MaskMod: TypeAlias = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
    ScoreMod: TypeAlias = Callable[
        [torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor
    ]

_BLOCK = 128  # FlexAttention's default


def prepare(workload: Workload, device: str) -> Attend:
    from torch.nn.attention.flex_attention import flex_attention

    compiled = compile_for_one_shape(flex_attention, fullgraph=True)
    block_mask = _block_mask(workload, device)
    score_mod = _score_mod(workload.softcap)
    # Flex-decoding holds all queries of a group in one block: 127 of 4 heads fit in none.
    options = {} if workload.decode else {"FORCE_USE_FLEX_ATTENTION": True}
    grouped = workload.kv_heads != workload.heads

    def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = compiled(
            q, k, v, score_mod=score_mod, block_mask=block_mask, enable_gqa=grouped, kernel_options=options
        )
        return out

    def attend_packed(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        one_sequence = (tokens.transpose(0, 1)[None] for tokens in (q, k, v))
        return attend(*one_sequence)[0].transpose(0, 1)

    return attend if workload.lengths is None else attend_packed


def _score_mod(softcap: float | None) -> ScoreMod | None:
    import torch

    if softcap is None:
        return None

    def bounded(
        score: torch.Tensor, batch: torch.Tensor, head: torch.Tensor, query: torch.Tensor, key: torch.Tensor
    ) -> torch.Tensor:
        return softcap * torch.tanh(score / softcap)

    return bounded


def _block_mask(workload: Workload, device: str) -> BlockMask | None:
    """What each query sees, by blocks; None if it sees everything.

    create_block_mask would evaluate the mask function for every score, 4 GiB at 64k x 64k; which blocks
    it touches follows from the first and the last key that a block's first and last queries see.
    """
    import torch
    from torch.nn.attention.flex_attention import BlockMask

    if workload.lengths is None and workload.window is None and not masks.is_causal(workload):
        return None
    starts = None if workload.lengths is None else (0, *accumulate(workload.lengths))
    queries, keys = (starts[-1], starts[-1]) if starts else (workload.seq_q, workload.seq_k)
    firsts = range(0, queries, _BLOCK)
    upper = [_span(workload, starts, query) for query in firsts]
    lower = [_span(workload, starts, min(query + _BLOCK, queries) - 1) for query in firsts]

    def column(values: Iterable[int]) -> torch.Tensor:
        return torch.tensor(list(values), device=device)[:, None]

    first_key = torch.arange(0, keys, _BLOCK, device=device)
    last_key = first_key + _BLOCK - 1
    touched = (first_key <= column(last for _, last in lower)) & (
        last_key.clamp(max=keys - 1) >= column(first for first, _ in upper)
    )
    whole = (first_key >= column(first for first, _ in lower)) & (
        last_key <= column(min(last, keys - 1) for _, last in upper)
    )
    whole &= column(query + _BLOCK <= queries for query in firsts)
    return BlockMask.from_kv_blocks(
        *_listed(touched & ~whole),
        *_listed(whole),
        BLOCK_SIZE=_BLOCK,
        mask_mod=_mask_mod(workload, device),
        seq_lengths=(queries, keys),
    )


def _span(workload: Workload, starts: tuple[int, ...] | None, query: int) -> tuple[int, int]:
    """The first key that a query sees and the last. Packed, the tokens of sequence i begin at starts[i]."""
    if starts is None:
        return masks.span(workload, query)
    document = bisect_right(starts, query) - 1
    first, last = starts[document], starts[document + 1] - 1
    if workload.window is not None:
        first, last = max(first, query - workload.window), min(last, query + workload.window)
    return first, query if workload.causal else last


def _listed(blocks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(1, 1, rows): how many blocks of a row are True; (1, 1, rows, columns): which, these first."""
    import torch

    count = blocks.sum(dim=-1, dtype=torch.int32)
    order = blocks.to(torch.int8).argsort(dim=-1, descending=True, stable=True)
    return count[None, None], order.to(torch.int32)[None, None]


def _mask_mod(workload: Workload, device: str) -> MaskMod:
    """Which keys a query sees, in the words of FlexAttention: only what this workload needs of it."""
    import torch
    from torch.nn.attention.flex_attention import and_masks

    ahead = workload.seq_k - workload.seq_q
    window = workload.window
    parts: list[MaskMod] = []
    if masks.is_causal(workload):
        parts.append(lambda batch, head, query, key: key <= query + ahead)
    if window is not None:
        parts.append(lambda batch, head, query, key: key >= query + (ahead - window))
        if not workload.causal:
            parts.append(lambda batch, head, query, key: key <= query + (ahead + window))
    if workload.lengths is not None:
        lengths = torch.tensor(workload.lengths, device=device)
        document = torch.arange(workload.batch, device=device).repeat_interleave(lengths)
        parts.append(lambda batch, head, query, key: document[query] == document[key])
    return and_masks(*parts)


IMPLEMENTATION = Implementation(
    name="flex",
    label="FlexAttention",
    summary="torch's FlexAttention, compiled for the shape",
    aliases=("flex-attention", "flex_attention", "flexattention"),
    prepare=prepare,
    devices=("cuda",),
    min_compute_capability=(7, 0),
    min_head_dim=16,
    padded_head_dim=power_of_two,
    softcap=True,
    decode=True,
    ragged="packed",
    compiled=True,
    requires=Requirement("triton", "pip install triton"),
)
