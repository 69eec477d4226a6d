"""What FlashAttention is given by whatever brings it: where packed sequences begin, and the window."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate
from typing import TYPE_CHECKING

from impls.contract import Workload

if TYPE_CHECKING:
    import torch


def starts(lengths: Iterable[int], device: str) -> torch.Tensor:
    """Where each sequence begins among packed tokens, and where the last ends: int32, (batch + 1,)."""
    import torch

    return torch.tensor([0, *accumulate(lengths)], dtype=torch.int32, device=device)


def packing(workload: Workload, device: str) -> dict[str, object]:
    """The arguments that say where packed sequences begin and how long the longest is; none if not packed."""
    if workload.lengths is None:
        return {}
    begin, longest = starts(workload.lengths, device), max(workload.lengths)
    return {
        "cu_seqlens_q": begin,
        "cu_seqlens_k": begin,
        "max_seqlen_q": longest,
        "max_seqlen_k": longest,
    }


def window_size(workload: Workload) -> tuple[int, int]:
    """How many keys are seen back and ahead of a query's place; -1 for all."""
    left = -1 if workload.window is None else workload.window
    return left, 0 if workload.causal else left
