"""The reference: attention by its definition, in blocks, beside what autograd makes of the same sum."""

from __future__ import annotations

import pytest
import torch

from profiler.worker import reference
from profiler.worker.inputs import Tensors, make_inputs
from profiler.worker.reference import Pair, attention_by_definition, is_affordable, sample_pairs, take
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
]
# Scores a block may have: all at once, some queries at a time, one query at a time, and several pairs.
BLOCKS = [2**26, 200, 1, 24 * 24 * 3 + 5]


def by_autograd(workload: Attention, inputs: Tensors) -> dict[str, torch.Tensor]:
    """out, dq, dk, dv in float64 by a sum over each query's visible keys, as whole (b, h, s, d) tensors."""
    q, k, v = (tensor.detach().double().requires_grad_() for tensor in (inputs.q, inputs.k, inputs.v))
    group = workload.heads // workload.kv_heads
    keys, values = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
    rows = []
    for query in range(workload.seq_q):
        at = query + workload.seq_k - workload.seq_q
        first = 0 if workload.window is None else max(0, at - workload.window)
        ahead = 0 if workload.causal else workload.window
        last = workload.seq_k if ahead is None else min(workload.seq_k, at + ahead + 1)
        if last <= first:
            rows.append(torch.zeros_like(q[:, :, 0]))
            continue
        scores = (q[:, :, query, None] * keys[:, :, first:last]).sum(-1) * workload.head_dim**-0.5
        rows.append((scores.softmax(-1)[..., None] * values[:, :, first:last]).sum(-2))
    out = torch.stack(rows, dim=2)
    dq, dk, dv = torch.autograd.grad(out, (q, k, v), inputs.grad_out.double())
    return {"out": out.detach(), "dq": dq, "dk": dk, "dv": dv}


def all_pairs(workload: Attention) -> list[Pair]:
    return [Pair(batch, head) for batch in range(workload.batch) for head in range(workload.kv_heads)]


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("workload", SHAPES, ids=lambda workload: repr(workload)[10:-1])
def test_it_equals_autograd_in_float64_whatever_the_blocks(
    workload: Attention, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reference, "_BLOCK_SCORES", block)
    inputs, pairs = make_inputs(workload, "bhsd", "cpu", 0), all_pairs(workload)
    wanted = by_autograd(workload, inputs)
    covered: list[int] = []
    with torch.no_grad():
        for part, four in attention_by_definition(workload, inputs, pairs, torch.float64, backward=True):
            covered += range(part.start, part.stop)
            for name, values in four.items():
                expected = take(wanted[name], pairs[part], workload.kv_heads)
                torch.testing.assert_close(values, expected.reshape(values.shape), rtol=1e-12, atol=1e-12)
    assert covered == list(range(len(pairs)))


def test_small_blocks_are_really_several(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the test above would compare the same thing four times."""
    workload = attention(seq=24, head_dim=8)
    inputs, pairs = make_inputs(workload, "bhsd", "cpu", 0), all_pairs(workload)

    def parts() -> int:
        return len(list(attention_by_definition(workload, inputs, pairs, torch.float64, backward=False)))

    assert parts() == 1
    monkeypatch.setattr(reference, "_BLOCK_SCORES", 3 * 24 * 24)
    assert parts() == 3  # eight pairs, three at a time
    monkeypatch.setattr(reference, "_BLOCK_SCORES", 1)
    assert parts() == 8


def test_without_backward_there_is_only_the_output() -> None:
    workload = attention(seq=8, head_dim=4)
    inputs = make_inputs(workload, "bhsd", "cpu", 0)
    ((_, four),) = attention_by_definition(
        workload, inputs, all_pairs(workload), torch.float64, backward=False
    )
    assert set(four) == {"out"}


def test_take_gathers_a_pairs_query_heads_and_its_key_head() -> None:
    batch, heads, kv_heads = 2, 6, 3
    named = torch.arange(batch * heads).reshape(batch, heads, 1, 1).float()
    chosen = [Pair(0, 0), Pair(1, 2)]
    assert take(named, chosen, kv_heads).flatten(1).tolist() == [[0, 1], [10, 11]]
    assert take(named[:, :kv_heads], chosen, kv_heads).flatten(1).tolist() == [[0], [8]]


def test_a_small_shape_is_checked_in_all_its_heads() -> None:
    workload = attention(batch=3, heads=8, kv_heads=4, seq=64)
    assert sample_pairs(workload, "cpu", 0) == all_pairs(workload)


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
    assert scores <= reference._SCORES[device]
    assert kept <= reference._KEPT_ELEMENTS


def test_where_one_pair_alone_is_over_the_budget_it_is_the_last() -> None:
    workload = attention(batch=2, heads=4, seq=8192)
    assert sample_pairs(workload, "cpu", 0) == [Pair(1, 3)]


@pytest.mark.parametrize(("device", "longest"), [("cpu", 16 * 1024), ("cuda", 128 * 1024)])
def test_the_longest_sequence_that_is_worth_a_reference(device: str, longest: int) -> None:
    assert is_affordable(attention(batch=64, heads=64, seq=longest), device)
    assert not is_affordable(attention(batch=1, heads=1, seq=longest + 1), device)
    assert not is_affordable(attention(batch=1, heads=2, kv_heads=1, seq=longest), device)
