"""Explicit masks for implementations that have no causal or window argument of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from impls.contract import Workload

if TYPE_CHECKING:
    import torch


def visible(workload: Workload, device: str, queries: slice = slice(None)) -> torch.Tensor:
    """Which keys each query sees: bool, (seq_q, seq_k), True where it does; for some `queries` only if given.

    Query i stands at key position i + seq_k - seq_q (bottom-right alignment).
    """
    import torch

    position = torch.arange(workload.seq_q, device=device)[queries, None] + workload.seq_k - workload.seq_q
    key = torch.arange(workload.seq_k, device=device)
    seen = torch.ones(len(position), workload.seq_k, dtype=torch.bool, device=device)
    if workload.causal:
        seen &= key <= position
    if workload.window is not None:
        seen &= key >= position - workload.window
        seen &= key <= position + workload.window
    return seen


def open_blind_rows(workload: Workload, seen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
    """`seen` with the rows of queries that see no key left open, and which rows those are not, (seq_q, 1).

    A row of nothing but -inf would make softmax return NaN, so it is computed and its output
    zeroed. None where every query sees a key.
    """
    if not has_blind_queries(workload):
        return seen, None
    blind = ~seen.any(dim=1, keepdim=True)
    return seen | blind, ~blind


def has_blind_queries(workload: Workload) -> bool:
    """Whether some query sees no key at all; its output is then defined as zero."""
    first_position = workload.seq_k - workload.seq_q
    if workload.causal:
        return first_position < 0
    return workload.window is not None and first_position + workload.window < 0
