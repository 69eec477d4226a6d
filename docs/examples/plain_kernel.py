"""Attention as a function: what attnprof needs of a kernel, and no more."""

import torch


def attention(q, k, v, *, causal, scale):
    """Plain PyTorch, scores in memory."""
    scores = q @ k.mT * scale
    if causal:
        seq_q, seq_k = scores.shape[-2:]
        seen = torch.ones(seq_q, seq_k, dtype=torch.bool, device=q.device).tril(seq_k - seq_q)
        scores = scores.masked_fill(~seen, float("-inf"))
    return scores.softmax(dim=-1) @ v


attention.gqa = False  # k and v must have as many heads as q
