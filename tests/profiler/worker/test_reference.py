"""The reference: attention by its definition, in blocks, beside what autograd makes of the same sum."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from profiler.worker import reference
from profiler.worker.inputs import Tensors, make_inputs
from profiler.worker.reference import Pair, Sample, attention_by_definition, choose_sample, sample_pairs, take
from profiler.workload import Attention
from tests.shapes import attention

SHAPES = [
    attention(seq=24, head_dim=8),
    attention(seq=23, head_dim=8, causal=True),
    attention(seq=24, seq_q=9, head_dim=8),
    attention(seq=24, seq_q=9, head_dim=8, causal=True),
    attention(seq=9, seq_q=24, head_dim=8, causal=True),  # the first 15 queries see no key
    attention(seq=24, head_dim=8, window=5),
    attention(seq=24, head_dim=8, window=5, causal=True),
    attention(seq=9, seq_q=24, head_dim=8, window=2),
    attention(seq=24, head_dim=8, window=0, causal=True),
    attention(seq=24, heads=6, kv_heads=2, head_dim=8, causal=True),
    attention(seq=17, seq_q=24, heads=4, kv_heads=1, head_dim=8, causal=True, window=6),
    attention(seq=1, head_dim=1, causal=True),
    attention(seq=24, head_dim=8, softcap=1.5),
    attention(seq=24, seq_q=9, heads=4, kv_heads=2, head_dim=8, softcap=0.7, causal=True, window=4),
    attention(lengths=(24, 1, 13), head_dim=8),
    attention(lengths=(5, 24), heads=4, kv_heads=2, head_dim=8, causal=True),
    attention(lengths=(24, 7), head_dim=8, window=3),
]
# Scores a block may have: all at once, some queries at a time, one query at a time, and several pairs.
BLOCKS = [2**26, 200, 1, 24 * 24 * 3 + 5]


def by_autograd(workload: Attention, inputs: Tensors) -> dict[str, torch.Tensor]:
    """out, dq, dk, dv in float64 by a sum over each query's visible keys, as whole (b, h, s, d) tensors."""
    q, k, v = (tensor.detach().double().requires_grad_() for tensor in (inputs.q, inputs.k, inputs.v))
    group = workload.heads // workload.kv_heads
    keys, values = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
    sequences = []
    for entry in range(workload.batch):
        tokens = workload.lengths[entry] if workload.lengths is not None else workload.seq_k
        rows = []
        for query in range(workload.seq_q):
            at = query + workload.seq_k - workload.seq_q
            first = 0 if workload.window is None else max(0, at - workload.window)
            ahead = 0 if workload.causal else workload.window
            last = tokens if ahead is None else min(tokens, at + ahead + 1)
            if last <= first or (workload.lengths is not None and query >= tokens):
                rows.append(torch.zeros_like(q[entry, :, 0]))
                continue
            scores = (q[entry, :, query, None] * keys[entry, :, first:last]).sum(-1) * workload.head_dim**-0.5
            if workload.softcap is not None:
                scores = workload.softcap * (scores / workload.softcap).tanh()
            rows.append((scores.softmax(-1)[..., None] * values[entry, :, first:last]).sum(-2))
        sequences.append(torch.stack(rows, dim=1))
    out = torch.stack(sequences)
    dq, dk, dv = torch.autograd.grad(out, (q, k, v), inputs.grad_out.double())
    return {"out": out.detach(), "dq": dq, "dk": dk, "dv": dv}


def limit_blocks(monkeypatch: pytest.MonkeyPatch, scores: int) -> None:
    """On the CPU in float32."""
    kind = ("cpu", "float32")
    monkeypatch.setitem(reference._BUDGETS, kind, replace(reference._BUDGETS[kind], block=scores))
    monkeypatch.setattr(reference, "_FEWEST_ROWS", 1)


def all_pairs(workload: Attention) -> list[Pair]:
    return [Pair(batch, head) for batch in range(workload.batch) for head in range(workload.kv_heads)]


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("workload", SHAPES, ids=lambda workload: repr(workload)[10:-1])
def test_it_equals_autograd_in_float64_whatever_the_blocks(
    workload: Attention, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit_blocks(monkeypatch, block)
    inputs, pairs = make_inputs(workload, "bhsd", "cpu", 0), all_pairs(workload)
    wanted = by_autograd(workload, inputs)
    covered: list[int] = []
    with torch.no_grad():
        for part, four in attention_by_definition(
            workload, inputs, Sample(pairs), torch.float64, backward=True
        ):
            covered += range(part.start, part.stop)
            for name, values in four.items():
                expected = take(wanted[name], pairs[part], workload.kv_heads)
                torch.testing.assert_close(values, expected.reshape(values.shape), rtol=1e-12, atol=1e-12)
    assert covered == list(range(len(pairs)))


def test_small_blocks_are_really_several(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the test above would compare the same thing four times."""
    workload = attention(seq=24, head_dim=8)
    inputs, sample = make_inputs(workload, "bhsd", "cpu", 0), Sample(all_pairs(workload))

    def parts() -> int:
        return len(list(attention_by_definition(workload, inputs, sample, torch.float64, backward=False)))

    assert parts() == 1
    limit_blocks(monkeypatch, 3 * 24 * 24)
    assert parts() == 3  # eight pairs, three at a time
    limit_blocks(monkeypatch, 1)
    assert parts() == 8


# First, last and some between: single queries, neighbours, and a part that blocks of 3 and 7 rows must cut.
SOME = [slice(0, 1), slice(4, 5), slice(5, 6), slice(11, 19), slice(23, 24)]


@pytest.mark.parametrize("rows", [24, 7, 3, 1])
@pytest.mark.parametrize(
    "workload", [shape for shape in SHAPES if shape.seq_q == 24], ids=lambda workload: repr(workload)[10:-1]
)
def test_sampled_queries_have_the_rows_of_the_whole(
    workload: Attention, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = workload.heads // workload.kv_heads
    limit_blocks(monkeypatch, rows * group * workload.seq_k)
    inputs, pairs = make_inputs(workload, "bhsd", "cpu", 0), [Pair(0, 0), Pair(1, workload.kv_heads - 1)]
    wanted = by_autograd(workload, inputs)
    sample, covered = Sample(pairs, SOME), 0
    with torch.no_grad():
        for part, four in attention_by_definition(workload, inputs, sample, torch.float64, backward=True):
            assert set(four) == {"out", "dq"}
            covered += len(pairs[part])
            for name, values in four.items():
                whole = take(wanted[name], pairs[part], workload.kv_heads)
                expected = torch.cat([whole[:, :, queries] for queries in SOME], dim=2)
                torch.testing.assert_close(values, expected, rtol=1e-12, atol=1e-12)
    assert covered == 2


def test_without_backward_there_is_only_the_output() -> None:
    workload = attention(seq=8, head_dim=4)
    inputs = make_inputs(workload, "bhsd", "cpu", 0)
    ((_, four),) = attention_by_definition(
        workload, inputs, Sample(all_pairs(workload)), torch.float64, backward=False
    )
    assert set(four) == {"out"}


def test_take_gathers_a_pairs_query_heads_and_its_key_head() -> None:
    batch, heads, kv_heads = 2, 6, 3
    named = torch.arange(batch * heads).reshape(batch, heads, 1, 1).float()
    chosen = [Pair(0, 0), Pair(1, 2)]
    assert take(named, chosen, kv_heads).flatten(1).tolist() == [[0, 1], [10, 11]]
    assert take(named[:, :kv_heads], chosen, kv_heads).flatten(1).tolist() == [[0], [8]]


@pytest.mark.parametrize("transposed", [False, True])
def test_take_gathers_the_queries_that_are_asked_for(transposed: bool) -> None:
    tensor = torch.randn(2, 6, 8, 3)
    if transposed:
        tensor = tensor.transpose(1, 2).contiguous().transpose(1, 2)
    chosen = [Pair(1, 0), Pair(0, 2)]
    taken = take(tensor, chosen, 3, [slice(0, 1), slice(3, 6)])
    assert torch.equal(taken, take(tensor, chosen, 3)[:, :, [0, 3, 4, 5]])


def test_a_small_shape_is_checked_in_all_its_heads_and_queries() -> None:
    workload = attention(batch=3, heads=8, kv_heads=4, seq=64)
    sample = choose_sample(workload, "cpu", 0)
    assert sample == Sample(all_pairs(workload), None)
    assert sample.queries_checked is None


LARGE = attention(batch=32, heads=32, seq=1024, head_dim=64)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("seed", range(3))
def test_a_sample_has_both_ends_and_no_pair_twice(device: str, seed: int) -> None:
    pairs = sample_pairs(LARGE, device, seed)
    assert pairs[0] == Pair(0, 0)
    assert pairs[-1] == Pair(31, 31)
    assert 2 < len(pairs) == len(set(pairs)) < 32 * 32


def test_which_heads_are_sampled_between_the_ends_is_up_to_the_seed() -> None:
    assert sample_pairs(LARGE, "cpu", 1) == sample_pairs(LARGE, "cpu", 1)
    assert sample_pairs(LARGE, "cpu", 1) != sample_pairs(LARGE, "cpu", 2)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize(
    "workload",
    [
        LARGE,
        attention(batch=32, heads=32, kv_heads=4, seq=1024, head_dim=128),
        attention(batch=1024, heads=64, seq=16, head_dim=256),
        attention(batch=4, heads=16, seq=2048, seq_q=128, head_dim=64),
    ],
    ids=["many heads", "grouped", "short and wide", "few queries"],
)
def test_a_sample_stays_within_the_budgets(workload: Attention, device: str) -> None:
    count = len(sample_pairs(workload, device, 0))
    group = workload.heads // workload.kv_heads
    scores = count * group * workload.seq_q * workload.seq_k
    kept = count * 2 * (group * workload.seq_q + workload.seq_k) * workload.head_dim
    assert count > 1
    assert scores <= reference._BUDGETS[device, workload.dtype].heads
    assert kept <= reference._KEPT_ELEMENTS


def test_where_one_pair_alone_is_over_the_budget_it_is_both_ends_or_the_last() -> None:
    workload = attention(batch=2, heads=4, seq=8192)
    assert choose_sample(workload, "cpu", 0) == Sample([Pair(0, 0), Pair(1, 3)], None)
    workload = attention(batch=2, heads=4, seq=11_000)
    assert choose_sample(workload, "cpu", 0) == Sample([Pair(1, 3)], None)


# The longest sequences whose scores of one head are all worth a reference.
WHOLE = [
    ("cpu", "float16", 5792),
    ("cpu", "bfloat16", 16 * 1024),
    ("cpu", "float32", 11585),
    ("cuda", "float16", 256 * 1024),
    ("cuda", "bfloat16", 256 * 1024),
    ("cuda", "float32", 128 * 1024),
]


@pytest.mark.parametrize(("device", "dtype", "longest"), WHOLE)
def test_queries_are_sampled_beyond_the_longest_sequence_that_is_worth_a_whole_reference(
    device: str, dtype: str, longest: int
) -> None:
    def queries(seq: int, heads: int = 1) -> int | None:
        workload = attention(batch=64, heads=heads, kv_heads=1, seq=seq, dtype=dtype)
        return choose_sample(workload, device, 0).queries_checked

    assert queries(longest) is None
    assert queries(longest + 1) is not None
    assert queries(longest, heads=2) is not None


MILLION = 2**20
LONG = [
    attention(batch=16, heads=32, seq=MILLION - 77, head_dim=128, dtype="bfloat16"),
    attention(batch=1, heads=1, seq=MILLION, head_dim=256, dtype="float32", causal=True),
    attention(batch=1, heads=64, kv_heads=8, seq=MILLION, dtype="float16"),
    attention(batch=1, heads=128, kv_heads=1, seq=MILLION, dtype="float16"),
    attention(batch=1, heads=64, kv_heads=1, seq=77, seq_q=MILLION, head_dim=128, dtype="float16"),
    attention(batch=8, heads=8, seq=16 * MILLION, head_dim=16, dtype="float16"),
]


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("workload", LONG, ids=lambda workload: repr(workload)[10:-1])
def test_of_any_shape_a_sample_is_within_the_budgets_or_two_rows(workload: Attention, device: str) -> None:
    sample = choose_sample(workload, device, 0)
    queries = sample.queries_checked
    assert queries is not None
    rows = len(sample.pairs) * workload.heads // workload.kv_heads * queries
    budget = reference._BUDGETS[device, workload.dtype]
    assert len(sample.pairs) == 1 or queries >= 64
    assert rows * workload.seq_k <= budget.queries or queries == 2
    assert 2 * rows * workload.head_dim <= reference._KEPT_ELEMENTS


@pytest.mark.parametrize("seed", range(3))
def test_sampled_queries_begin_with_the_first_end_with_the_last_and_lie_in_many_places(seed: int) -> None:
    workload = attention(batch=16, heads=32, seq=MILLION - 77, head_dim=128, dtype="bfloat16")
    sample = choose_sample(workload, "cuda", seed)
    assert sample.queries is not None
    assert (sample.pairs[0], sample.pairs[-1]) == (Pair(0, 0), Pair(15, 31))
    assert sample.queries[0].start == 0
    assert sample.queries[-1].stop == MILLION - 77
    assert len(sample.queries) >= 64
    between = zip(sample.queries, sample.queries[1:], strict=False)
    assert all(part.stop <= after.start for part, after in between)
    assert all(part.start < part.stop for part in sample.queries)
    quarters = {4 * part.start // workload.seq_q for part in sample.queries}
    assert quarters == {0, 1, 2, 3}


def test_which_queries_lie_between_the_ends_is_up_to_the_seed() -> None:
    workload = attention(seq=MILLION)
    assert choose_sample(workload, "cuda", 1) == choose_sample(workload, "cuda", 1)
    assert choose_sample(workload, "cuda", 1).queries != choose_sample(workload, "cuda", 2).queries


@pytest.mark.parametrize("seq_q", [1, 2])
def test_one_or_two_queries_are_all_checked_however_many_keys_they_see(seq_q: int) -> None:
    workload = attention(heads=64, kv_heads=1, seq=16 * MILLION, seq_q=seq_q, dtype="float16")
    assert choose_sample(workload, "cpu", 0).queries is None


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("group", [1, 8, 64])
@pytest.mark.parametrize("seq", [64, 1024, 65536, MILLION])
def test_no_block_has_more_scores_than_memory_is_meant_for(
    seq: int, group: int, dtype: str, device: str
) -> None:
    workload = attention(heads=group, kv_heads=1, seq=seq, dtype=dtype)
    rows = reference._rows_of_a_block(workload, reference._BUDGETS[device, dtype])
    assert 1 <= rows <= seq
    assert rows * group * seq <= 2**26
