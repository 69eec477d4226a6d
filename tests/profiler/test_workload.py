"""The work that an attention call takes, and the calls that make no sense."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiler.workload import DTYPES, Attention, Pass, WorkloadError
from tests.shapes import attention

sizes = st.integers(min_value=1, max_value=40)


def sees(workload: Attention, query: int, key: int) -> bool:
    """The definition: query i stands at key i + seq_k - seq_q; window counts both ways unless causal."""
    distance = query + workload.seq_k - workload.seq_q - key
    within = workload.window is None or abs(distance) <= workload.window
    return within and (distance >= 0 or not workload.causal)


@given(sizes, sizes, st.booleans(), st.none() | st.integers(min_value=0, max_value=45))
def test_visible_pairs_are_those_that_the_definition_lets_each_query_see(
    seq_q: int, seq_k: int, causal: bool, window: int | None
) -> None:
    workload = attention(seq=seq_k, seq_q=seq_q, causal=causal, window=window)
    counted = sum(sees(workload, query, key) for query, key in product(range(seq_q), range(seq_k)))
    assert workload.visible_pairs() == workload.batch * counted


def test_visible_pairs_of_a_very_long_sequence_are_counted_without_walking_it() -> None:
    seq = 2**30
    assert attention(batch=1, seq=seq, causal=True).visible_pairs() == seq * (seq + 1) // 2
    assert attention(batch=1, seq=seq, causal=True, window=0).visible_pairs() == seq


@pytest.mark.parametrize(("which", "factor"), [("fwd", 1.0), ("bwd", 2.5), ("fwd_bwd", 3.5)])
def test_flop_is_the_labs_formula(which: Pass, factor: float) -> None:
    shape = attention(batch=32, seq=1024, heads=16, head_dim=64)
    assert shape.flop(which) == factor * 4 * 32 * 1024**2 * 16 * 64


def test_causal_flop_counts_the_diagonal_which_the_labs_half_does_not() -> None:
    seq = 1024
    whole, causal = attention(seq=seq).flop("fwd"), attention(seq=seq, causal=True).flop("fwd")
    assert causal == whole / 2 * (seq + 1) / seq


def test_grouped_queries_take_the_work_of_all_query_heads() -> None:
    assert attention(heads=8, kv_heads=2).flop("fwd") == attention(heads=8).flop("fwd")


def test_a_window_takes_work_by_its_width_not_by_the_length() -> None:
    short, long = (attention(seq=seq, causal=True, window=15).flop("fwd") for seq in (1000, 2000))
    assert long - short == pytest.approx(1000 * 16 * 4 * 2 * 4 * 32)  # keys x 4 x batch x heads x head dim


SHAPE: dict[str, Any] = {
    "batch": 1,
    "seq_q": 8,
    "seq_k": 8,
    "heads": 6,
    "kv_heads": 6,
    "head_dim": 4,
    "dtype": "float32",
}


@pytest.mark.parametrize("name", ["batch", "seq_q", "seq_k", "heads", "kv_heads", "head_dim"])
@pytest.mark.parametrize("size", [0, -3])
def test_a_size_below_one_is_refused_by_its_name(name: str, size: int) -> None:
    with pytest.raises(WorkloadError, match=rf"^{name} must be at least 1, not {size}$"):
        Attention(**(SHAPE | {name: size}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kv_heads": 4}, "heads must be a multiple of kv heads: 6 is not one of 4"),
        ({"kv_heads": 12}, "heads must be a multiple of kv heads: 6 is not one of 12"),
        ({"dtype": "float64"}, "there is no dtype 'float64'; there are float16, bfloat16, float32"),
        ({"dtype": "fp16"}, "there is no dtype 'fp16'; there are float16, bfloat16, float32"),
        ({"window": -1}, "window must be 0 or more, not -1"),
    ],
)
def test_what_makes_no_call_is_refused_in_a_sentence(change: dict[str, Any], message: str) -> None:
    with pytest.raises(WorkloadError) as refused:
        Attention(**(SHAPE | change))
    assert str(refused.value) == message


def test_every_name_of_a_dtype_leads_to_one_that_a_workload_takes() -> None:
    assert {attention(dtype=name).dtype for name in DTYPES.values()} == {"float16", "bfloat16", "float32"}


def test_another_batch_changes_nothing_else() -> None:
    shape = attention(batch=8, causal=True, window=3, kv_heads=2)
    assert shape.with_batch(1) == attention(batch=1, causal=True, window=3, kv_heads=2)


def test_emb_dim_is_all_query_heads_side_by_side() -> None:
    assert attention(heads=16, kv_heads=2, head_dim=64).emb_dim == 1024
