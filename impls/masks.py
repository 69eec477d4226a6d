"""Which keys a query sees, and explicit masks for implementations that have no argument for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from impls.contract import Workload

if TYPE_CHECKING:
    import torch

# Rows of a mask start at multiples of so many elements, as SDPA's memory-efficient backend wants them
# (aten/src/ATen/native/transformers/attention.cpp, preprocess_mask): else it copies the mask at each call.
_ALIGNMENT = 16


def span(workload: Workload, query: int) -> tuple[int, int]:
    """The first key that a query sees and the last, which may lie outside of the keys that there are.

    Query i stands at key position i + seq_k - seq_q (bottom-right alignment). Both ends move on by one
    from query to query, or stay. A query whose last is below its first, or below 0, sees none.
    """
    position = query + workload.seq_k - workload.seq_q
    first = 0 if workload.window is None else position - workload.window
    if workload.causal:
        return first, position
    return first, workload.seq_k - 1 if workload.window is None else position + workload.window


def visible(
    workload: Workload, device: str, queries: slice = slice(None), keys: slice = slice(None)
) -> torch.Tensor:
    """Which keys each query sees: bool, (seq_q, seq_k), True where it does; of some only, if they are given.

    Query i stands at key position i + seq_k - seq_q (bottom-right alignment).
    """
    import torch

    position = torch.arange(workload.seq_q, device=device)[queries, None] + workload.seq_k - workload.seq_q
    key = torch.arange(workload.seq_k, device=device)[keys]
    seen = torch.ones(len(position), len(key), dtype=torch.bool, device=device)
    if workload.causal:
        seen &= key <= position
    if workload.window is not None:
        seen &= key >= position - workload.window
        seen &= key <= position + workload.window
    return seen


def is_causal(workload: Workload) -> bool:
    """Whether causal hides any key: a single query stands behind all of them and sees them all."""
    return workload.causal and workload.seq_q > 1


def explicit(workload: Workload, device: str) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """The mask that says what causal, window and lengths do, and which queries see any key, (seq_q, 1).

    The mask is bool and broadcasts to (batch, heads, seq_q, seq_k); None where nothing is hidden. In
    a causal batch of variable length it is the same for all: no token looks at the padding behind
    it. Every row of it is open somewhere; what the queries without sight (None: there are none)
    then compute is to be zeroed.
    """
    if workload.lengths is not None and not workload.causal:
        return _padded(workload, device), None
    if workload.window is None and not is_causal(workload):
        return None, None
    return open_blind_rows(workload, visible(workload, device))


def _padded(workload: Workload, device: str) -> torch.Tensor:
    """Which keys each query of each sequence sees: bool, (batch, 1, seq_q or 1, seq_k)."""
    real = real_tokens(workload, device)[:, None, None]
    if workload.window is None:
        return real
    seen = visible(workload, device) & real
    # A query that stands far out in the padding is not to have a row of NaN, whose gradient with
    # respect to the keys is NaN even where the output's own gradient is zero.
    return seen | ~seen.any(dim=-1, keepdim=True)


def real_tokens(workload: Workload, device: str) -> torch.Tensor:
    """Which places of a padded batch hold a token: bool, (batch, seq_k)."""
    import torch

    lengths = torch.tensor(workload.lengths or [workload.seq_k] * workload.batch, device=device)
    return torch.arange(workload.seq_k, device=device) < lengths[:, None]


def additive(seen: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """A bool mask as what is added to the scores: 0 where a key is seen, -inf where not."""
    import torch

    width = seen.shape[-1]
    rows = torch.full(
        (*seen.shape[:-1], -(-width // _ALIGNMENT) * _ALIGNMENT),
        float("-inf"),
        dtype=dtype,
        device=seen.device,
    )
    return rows[..., :width].masked_fill_(seen, 0)


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
    return span(workload, 0)[1] < 0
