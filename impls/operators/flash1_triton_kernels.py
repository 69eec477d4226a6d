"""The Triton kernels of flash1-triton; impls/flash1_triton.py says what they compute.

Words: a *pair* is an entry of the batch and a head of it. A *visit* is one block of K and V meeting one
block of Q. Query i stands at key i + shift; it sees no key more than `back` before that place (if
`limits_back`) and none more than `ahead` after it (if `limits_ahead`). The visits of one block of K and V
are made in up to three parts: 0 and 2, at the edges of what is seen, mask; 1 has nothing to mask. Results
are written by parts 0 and 2 alone: where a kernel finishes blocks of Q, its last block of K and V is all
edge.

q, k, v and grad_out come with strides; all else is contiguous. Exponentials are of base 2: `score_scale` is
the softmax's scale times log2(e), and `lse` is log2 of the sum of 2**(score * score_scale). It is infinite
for a query that sees nothing, which makes its probabilities zero. What is summed in memory is float32,
its rows padded to `dim`, the power of two that a head is computed with.
"""

# Triton's language is not Python's: most of what a kernel is given has no type to write down.
# mypy: disable-error-code="no-untyped-def, untyped-decorator"

from __future__ import annotations

import triton
import triton.language as tl

# Numbers of a shape that a kernel of their own would not make faster.
_ANY = ["heads", "kv_heads", "span", "spans", "blocks", "splits", "back", "ahead"]


@triton.jit
def _places(base, start, stride, block: tl.constexpr, dim: tl.constexpr):
    # 64 bits for how far into memory `start` is, 32 for the way within the block.
    rows = tl.arange(0, block)[:, None]
    return base + tl.cast(start, tl.int64) * stride + (rows * stride + tl.arange(0, dim)[None, :])


@triton.jit
def _load(
    base, start, stride, end,
    head_dim: tl.constexpr, dim: tl.constexpr, block: tl.constexpr, even: tl.constexpr,
):  # fmt: skip
    """`block` rows from `start` on; zeros beyond head_dim and from row `end` on (no row is, if `even`)."""
    places = _places(base, start, stride, block, dim)
    if even and head_dim == dim:
        return tl.load(places)
    inside = start + tl.arange(0, block)[:, None] < end
    return tl.load(places, mask=inside & (tl.arange(0, dim)[None, :] < head_dim), other=0.0)


@triton.jit
def _store(
    base, values, start, end,
    head_dim: tl.constexpr, dim: tl.constexpr, block: tl.constexpr, even: tl.constexpr,
):  # fmt: skip
    """The rows before `end` (all of them if `even`), in the dtype of a contiguous `base`."""
    places = _places(base, start, head_dim, block, dim)
    values = values.to(base.dtype.element_ty)
    if even and head_dim == dim:
        tl.store(places, values)
    else:
        inside = start + tl.arange(0, block)[:, None] < end
        tl.store(places, values, mask=inside & (tl.arange(0, dim)[None, :] < head_dim))


@triton.jit
def _load_row(base, start, end, other, block: tl.constexpr, even: tl.constexpr):
    places = start + tl.arange(0, block)
    return tl.load(base + places) if even else tl.load(base + places, mask=places < end, other=other)


@triton.jit
def _store_row(base, values, start, end, block: tl.constexpr, even: tl.constexpr):
    places = start + tl.arange(0, block)
    if even:
        tl.store(base + places, values)
    else:
        tl.store(base + places, values, mask=places < end)


@triton.jit
def _where_seen(
    values, otherwise, queries, keys, seq_k, shift, back, ahead,
    even_k: tl.constexpr, limits_back: tl.constexpr, limits_ahead: tl.constexpr,
):  # fmt: skip
    """`values`, or `otherwise` where the query does not see the key."""
    if even_k and not limits_back and not limits_ahead:
        return values
    seen = keys < seq_k
    if limits_back:
        seen &= queries - keys <= back - shift
    if limits_ahead:
        seen &= keys - queries <= ahead + shift
    return tl.where(seen, values, otherwise)


@triton.jit
def _first_visit(start, shift, back, block_k: tl.constexpr, limits_back: tl.constexpr):
    """The first block of keys that a query from `start` on sees any of."""
    return tl.maximum(start + shift - back, 0) // block_k if limits_back else 0


@triton.jit
def _last_visit(end, seq_k, shift, ahead, block_k: tl.constexpr, limits_ahead: tl.constexpr):
    """The last block of keys that a query before `end` sees any of; the first block if they see none."""
    key = seq_k - 1
    if limits_ahead:
        key = tl.maximum(tl.minimum(key, end - 1 + shift + ahead), 0)
    return key // block_k


@triton.jit
def _ends(
    n,
    start,
    end,
    seq_k,
    shift,
    ahead,
    block_q: tl.constexpr,
    block_k: tl.constexpr,
    limits_ahead: tl.constexpr,
):
    """Where the rows end that the n-th block of keys leaves unfinished, and those that it finishes."""
    last = _last_visit(start + block_q, seq_k, shift, ahead, block_k, limits_ahead)
    return tl.where(n == last, 0, end), tl.where(n == last, end, 0)


@triton.jit
def _blocks_of_queries(
    n, start, end, seq_k, shift, back, ahead, finishes: tl.constexpr,
    block_q: tl.constexpr, block_k: tl.constexpr, limits_back: tl.constexpr, limits_ahead: tl.constexpr,
):  # fmt: skip
    """Where parts 0, 1 and 2 of the visits of the n-th block of keys begin, and where part 2 ends.

    Blocks of the queries from `start` to `end` that see none of the keys are left out; but those that see
    no key at all are visited by the first block of keys, so that they too get a result.
    """
    low = n * block_k
    high = low + block_k
    first = start // block_q
    last = tl.cdiv(end, block_q)
    if limits_ahead:
        first = tl.where(n > 0, tl.maximum(first, (low - ahead - shift) // block_q), first)
    if limits_back:
        last = tl.minimum(last, tl.cdiv(tl.maximum(high + back - shift, 0), block_q))
    first_full = first
    last_full = last
    if limits_ahead:
        first_full = tl.maximum(first, tl.cdiv(tl.maximum(high - 1 - ahead - shift, 0), block_q))
    if limits_back:
        last_full = tl.minimum(last, tl.maximum(low + back - shift + 1, 0) // block_q)
    first_full = tl.where(high > (seq_k - 1 if finishes else seq_k), last, tl.minimum(first_full, last))
    return first, first_full, tl.maximum(last_full, first_full), last


@triton.jit
def _load_sums(
    row_max, row_sum, acc, start, end, dim: tl.constexpr, block_q: tl.constexpr, one_visit: tl.constexpr
):
    """What earlier visits know of the rows before `end`; of the others, that nothing has been seen yet."""
    if one_visit:
        old_max = tl.full((block_q,), float("-inf"), tl.float32)
        old_sum = tl.zeros((block_q,), tl.float32)
        o_tile = tl.zeros((block_q, dim), tl.float32)
    else:
        old_max = _load_row(row_max, start, end, float("-inf"), block_q, False)
        old_sum = _load_row(row_sum, start, end, 0.0, block_q, False)
        o_tile = _load(acc, start, dim, end, dim, dim, block_q, False)
    return old_max, old_sum, o_tile


@triton.jit(do_not_specialize=_ANY)
def flash1_forward(
    q, k, v, out, lse, acc, row_max, row_sum,
    q_batch, q_head, q_row, k_batch, k_head, k_row, v_batch, v_head, v_row,
    heads, group, seq_q, seq_k, span, spans, back, ahead, score_scale,
    head_dim: tl.constexpr, dim: tl.constexpr, block_q: tl.constexpr, block_k: tl.constexpr,
    stages: tl.constexpr, precision: tl.constexpr, one_visit: tl.constexpr,
    even_q: tl.constexpr, even_k: tl.constexpr, limits_back: tl.constexpr, limits_ahead: tl.constexpr,
):  # fmt: skip
    """Attention of `span` queries of one pair a program.

    Between its visits a block of Q has its output, not divided by the sum yet, in `acc`, and its maximum and
    sum in `row_max` and `row_sum`. With `one_visit` there is nothing to keep.
    """
    limited: tl.constexpr = limits_back or limits_ahead
    pair = tl.cast(tl.program_id(0) // spans, tl.int64)
    # The later queries of a causal pair see more keys: they go first, so that what runs last is short.
    begin = (spans - 1 - tl.program_id(0) % spans) * span
    end = tl.minimum(begin + span, seq_q)
    shift = seq_k - seq_q
    q += pair // heads * q_batch + pair % heads * q_head
    k += pair // heads * k_batch + pair % heads // group * k_head
    v += pair // heads * v_batch + pair % heads // group * v_head
    out += pair * seq_q * head_dim
    acc += pair * seq_q * dim
    lse += pair * seq_q
    row_max += pair * seq_q
    row_sum += pair * seq_q
    first_n = _first_visit(begin, shift, back, block_k, limits_back)
    last_n = _last_visit(end, seq_k, shift, ahead, block_k, limits_ahead)
    for n in tl.range(first_n, last_n + 1):
        keys = n * block_k + tl.arange(0, block_k)
        k_tile = _load(k, n * block_k, k_row, seq_k, head_dim, dim, block_k, even_k)
        v_tile = _load(v, n * block_k, v_row, seq_k, head_dim, dim, block_k, even_k)
        parts = _blocks_of_queries(
            n, begin, end, seq_k, shift, back, ahead, True, block_q, block_k, limits_back, limits_ahead
        )
        for part in tl.static_range(0, 1 if one_visit else 3 if limits_back else 2):
            for m in tl.range(parts[part], parts[part + 1], num_stages=stages):
                start = m * block_q
                rows = start + tl.arange(0, block_q)
                q_tile = _load(q, start, q_row, seq_q, head_dim, dim, block_q, even_q)
                known_end = tl.where(n > _first_visit(start, shift, back, block_k, limits_back), end, 0)
                old_max, old_sum, o_tile = _load_sums(
                    row_max, row_sum, acc, start, known_end, dim, block_q, one_visit
                )
                s = tl.dot(q_tile, tl.trans(k_tile), input_precision=precision)
                if part != 1:
                    s = _where_seen(
                        s, float("-inf"), rows[:, None], keys[None, :], seq_k, shift, back, ahead,
                        even_k, limits_back, limits_ahead,
                    )  # fmt: skip
                new_max = tl.maximum(old_max, tl.max(s, 1) * score_scale)
                # For a row that has seen no key yet: -inf less -inf is no number.
                offset = tl.where(new_max == float("-inf"), 0.0, new_max)
                p = tl.exp2(s * score_scale - offset[:, None])
                rescale = tl.exp2(old_max - offset)
                new_sum = old_sum * rescale + tl.sum(p, 1)
                o_tile *= rescale[:, None]
                o_tile = tl.dot(p.to(v_tile.dtype), v_tile, o_tile, input_precision=precision)
                kept_end = end
                done_end = end
                if part != 1 and limited:
                    kept_end, done_end = _ends(
                        n, start, end, seq_k, shift, ahead, block_q, block_k, limits_ahead
                    )
                if part != 1:
                    total = tl.where(new_sum > 0, new_sum, 1.0)
                    row_lse = tl.where(new_sum > 0, new_max + tl.log2(total), float("inf"))
                    result = o_tile * (1.0 / total)[:, None]
                    _store(out, result, start, done_end, head_dim, dim, block_q, even_q and not limited)
                    _store_row(lse, row_lse, start, done_end, block_q, even_q and not limited)
                if not one_visit and (part == 1 or limited):
                    _store(acc, o_tile, start, kept_end, dim, dim, block_q, even_q and part == 1)
                    _store_row(row_max, new_max, start, kept_end, block_q, even_q and part == 1)
                    _store_row(row_sum, new_sum, start, kept_end, block_q, even_q and part == 1)
        # What one thread of a program has written, another reads at the next visit.
        tl.debug_barrier()


@triton.jit(do_not_specialize=["heads"])
def flash1_delta(
    out, grad_out, delta, grad_batch, grad_head, grad_row, heads, seq_q,
    head_dim: tl.constexpr, dim: tl.constexpr, block_q: tl.constexpr,
):  # fmt: skip
    """The sum over grad_out * out of each query, `block_q` queries a program."""
    blocks = tl.cdiv(seq_q, block_q)
    pair = tl.cast(tl.program_id(0) // blocks, tl.int64)
    start = tl.program_id(0) % blocks * block_q
    grad_out += pair // heads * grad_batch + pair % heads * grad_head
    o_tile = _load(out + pair * seq_q * head_dim, start, head_dim, seq_q, head_dim, dim, block_q, False)
    grad_tile = _load(grad_out, start, grad_row, seq_q, head_dim, dim, block_q, False)
    row_delta = tl.sum(o_tile.to(tl.float32) * grad_tile.to(tl.float32), 1)
    _store_row(delta + pair * seq_q, row_delta, start, seq_q, block_q, False)


@triton.jit
def _visit_dq(
    ds, k_tile, acc, dq, n, start, seq_q, seq_k, shift, back, ahead, scale,
    head_dim: tl.constexpr, dim: tl.constexpr, block_q: tl.constexpr, block_k: tl.constexpr,
    precision: tl.constexpr, one_visit: tl.constexpr,
    edge: tl.constexpr, even_q: tl.constexpr, limits_back: tl.constexpr, limits_ahead: tl.constexpr,
):  # fmt: skip
    """Read a block of dQ from `acc`, add this visit's part, and write it back, or to `dq` if it is done."""
    dq_tile = tl.zeros((block_q, dim), tl.float32)
    if not one_visit:
        known_end = tl.where(n > _first_visit(start, shift, back, block_k, limits_back), seq_q, 0)
        dq_tile = _load(acc, start, dim, known_end, dim, dim, block_q, False)
    dq_tile = tl.dot(tl.trans(ds), k_tile, dq_tile, input_precision=precision)
    limited: tl.constexpr = limits_back or limits_ahead
    kept_end = seq_q
    done_end = seq_q
    if edge and limited:
        kept_end, done_end = _ends(n, start, seq_q, seq_k, shift, ahead, block_q, block_k, limits_ahead)
    if edge:
        _store(dq, dq_tile * scale, start, done_end, head_dim, dim, block_q, even_q and not limited)
    if not one_visit and (limited or not edge):
        _store(acc, dq_tile, start, kept_end, dim, dim, block_q, even_q and not edge)


@triton.jit(do_not_specialize=_ANY)
def flash1_backward(
    q, k, v, grad_out, lse, delta, acc, dq, dk, dv,
    q_batch, q_head, q_row, k_batch, k_head, k_row, v_batch, v_head, v_row, grad_batch, grad_head, grad_row,
    kv_heads, group, seq_q, seq_k, blocks, splits, back, ahead, scale, score_scale,
    head_dim: tl.constexpr, dim: tl.constexpr, block_q: tl.constexpr, block_k: tl.constexpr,
    stages: tl.constexpr, precision: tl.constexpr, split: tl.constexpr, one_visit: tl.constexpr,
    even_q: tl.constexpr, even_k: tl.constexpr, limits_back: tl.constexpr, limits_ahead: tl.constexpr,
):  # fmt: skip
    """Gradients: a program has `blocks` blocks of one kv head's K and V, and all queries that share it.

    dK and dV are summed on chip. dQ is summed in `acc`, by the one program that has all blocks, which then
    writes `dq`; or, with `split`, by all programs of a kv head at once, for the caller to convert.
    """
    kv_pair = tl.cast(tl.program_id(0) // splits, tl.int64)
    batch = kv_pair // kv_heads
    kv_head = kv_pair % kv_heads
    shift = seq_k - seq_q
    k += batch * k_batch + kv_head * k_head
    v += batch * v_batch + kv_head * v_head
    begin = tl.program_id(0) % splits * blocks
    for n in tl.range(begin, tl.minimum(begin + blocks, tl.cdiv(seq_k, block_k))):
        keys = n * block_k + tl.arange(0, block_k)
        k_tile = _load(k, n * block_k, k_row, seq_k, head_dim, dim, block_k, even_k)
        v_tile = _load(v, n * block_k, v_row, seq_k, head_dim, dim, block_k, even_k)
        dk_tile = tl.zeros((block_k, dim), tl.float32)
        dv_tile = tl.zeros((block_k, dim), tl.float32)
        parts = _blocks_of_queries(
            n, 0, seq_q, seq_k, shift, back, ahead, not split, block_q, block_k, limits_back, limits_ahead
        )
        for head in tl.range(kv_head * group, (kv_head + 1) * group):
            q_pair = q + batch * q_batch + head * q_head
            grad_pair = grad_out + batch * grad_batch + head * grad_head
            # The rows of this pair in all that is contiguous.
            row = (batch * kv_heads * group + head) * seq_q
            for part in tl.static_range(0, 1 if one_visit else 3 if limits_back else 2):
                for m in tl.range(parts[part], parts[part + 1], num_stages=stages):
                    start = m * block_q
                    rows = start + tl.arange(0, block_q)
                    q_tile = _load(q_pair, start, q_row, seq_q, head_dim, dim, block_q, even_q)
                    grad_tile = _load(grad_pair, start, grad_row, seq_q, head_dim, dim, block_q, even_q)
                    row_lse = _load_row(lse + row, start, seq_q, float("inf"), block_q, even_q)
                    row_delta = _load_row(delta + row, start, seq_q, 0.0, block_q, even_q)
                    # Keys down and queries across: p and ds then go into the next dot as they lie.
                    s = tl.dot(k_tile, tl.trans(q_tile), input_precision=precision)
                    p = tl.exp2(s * score_scale - row_lse[None, :])
                    if part != 1:
                        p = _where_seen(
                            p, 0.0, rows[None, :], keys[:, None], seq_k, shift, back, ahead,
                            even_k, limits_back, limits_ahead,
                        )  # fmt: skip
                    dv_tile = tl.dot(p.to(grad_tile.dtype), grad_tile, dv_tile, input_precision=precision)
                    dp = tl.dot(v_tile, tl.trans(grad_tile), input_precision=precision)
                    ds = (p * (dp - row_delta[None, :])).to(q_tile.dtype)
                    dk_tile = tl.dot(ds, q_tile, dk_tile, input_precision=precision)
                    if split:
                        places = _places(acc + row * dim, start, dim, block_q, dim)
                        dq_tile = tl.dot(tl.trans(ds), k_tile, input_precision=precision)
                        inside = None if even_q else (rows < seq_q)[:, None]
                        tl.atomic_add(places, dq_tile, mask=inside, sem="relaxed")
                    else:
                        _visit_dq(
                            ds, k_tile, acc + row * dim, dq + row * head_dim, n, start,
                            seq_q, seq_k, shift, back, ahead, scale,
                            head_dim, dim, block_q, block_k, precision, one_visit,
                            part != 1, even_q, limits_back, limits_ahead,
                        )  # fmt: skip
        kv_row = kv_pair * seq_k * head_dim
        _store(dk + kv_row, dk_tile * scale, n * block_k, seq_k, head_dim, dim, block_k, even_k)
        _store(dv + kv_row, dv_tile, n * block_k, seq_k, head_dim, dim, block_k, even_k)
        # What one thread of a program has written, another reads at the next visit.
        tl.debug_barrier()
