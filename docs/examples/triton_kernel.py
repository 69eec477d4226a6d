"""A fused forward in Triton: one program per block of queries walks over the keys, softmax as it goes."""

import torch
import triton
import triton.language as tl


@triton.jit
def _forward(
    q_ptr, k_ptr, v_ptr, out_ptr, seq_q, seq_k, group, scale, causal: tl.constexpr,
    head_dim: tl.constexpr, dims: tl.constexpr, rows: tl.constexpr, keys: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0) * rows + tl.arange(0, rows)
    head = tl.program_id(1).to(tl.int64)
    dim = tl.arange(0, dims)
    at_q = (head * seq_q + row)[:, None] * head_dim + dim
    is_q = (row < seq_q)[:, None] & (dim < head_dim)
    q = tl.load(q_ptr + at_q, mask=is_q, other=0.0)
    position = row + seq_k - seq_q  # bottom-right: the last query sees the last key
    end = tl.minimum(seq_k, (tl.program_id(0) + 1) * rows + seq_k - seq_q) if causal else seq_k

    highest = tl.full([rows], -1e30, tl.float32)
    total = tl.zeros([rows], tl.float32)
    out = tl.zeros([rows, dims], tl.float32)
    for first in range(0, end, keys):
        key = first + tl.arange(0, keys)
        at_k = (head // group * seq_k + key)[:, None] * head_dim + dim
        is_k = (key < seq_k)[:, None] & (dim < head_dim)
        k = tl.load(k_ptr + at_k, mask=is_k, other=0.0)
        scores = tl.dot(q, k.T, input_precision="ieee") * scale
        seen = (key < seq_k)[None, :]
        if causal:
            seen = seen & (key[None, :] <= position[:, None])
        scores = tl.where(seen, scores, float("-inf"))
        before, highest = highest, tl.maximum(highest, tl.max(scores, 1))
        weights = tl.exp(scores - highest[:, None])
        rescale = tl.exp(before - highest)
        total = total * rescale + tl.sum(weights, 1)
        v = tl.load(v_ptr + at_k, mask=is_k, other=0.0)
        out = tl.dot(weights.to(v.dtype), v, out * rescale[:, None], input_precision="ieee")
    out = out / tl.maximum(total, 1e-30)[:, None]  # a query that sees no key gives 0
    tl.store(out_ptr + at_q, out.to(out_ptr.dtype.element_ty), mask=is_q)


def attention(q, k, v, *, causal, scale):
    """Fused forward in Triton."""
    batch, heads, seq_q, head_dim = q.shape
    out = torch.empty_like(q)
    rows = keys = 64 if q.element_size() == 2 else 32
    _forward[(triton.cdiv(seq_q, rows), batch * heads)](
        q, k, v, out, seq_q, k.shape[2], heads // k.shape[1], scale, causal,
        head_dim, max(16, triton.next_power_of_2(head_dim)), rows, keys,
    )  # fmt: skip
    return out


attention.max_head_dim = 128
attention.backward = False
