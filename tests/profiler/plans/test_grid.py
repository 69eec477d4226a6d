"""Sizes as they are typed, and the workloads that lists of them multiply into."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from profiler.plans import grid
from profiler.plans.plan import PlanError
from profiler.workload import Attention


@pytest.mark.parametrize(
    ("text", "size"), [("512", 512), (" 7 ", 7), ("1k", 1024), ("16K", 16384), ("1m", 2**20), ("2M", 2**21)]
)
def test_a_size_may_be_in_k_and_m(text: str, size: int) -> None:
    assert grid.parse_size(text, "--seq") == size


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("512", (512,)),
        ("512,256", (512, 256)),
        ("1k..16k", (1024, 2048, 4096, 8192, 16384)),
        ("3..20", (3, 6, 12)),  # doubling past the end stops before it
        ("5..5", (5,)),
        ("256, 1k..4k", (256, 1024, 2048, 4096)),
        ("8,1..8,2", (8, 1, 2, 4)),  # each once, where it stood first
    ],
)
def test_lists_and_doubling_ranges(text: str, sizes: tuple[int, ...]) -> None:
    assert grid.parse_sizes(text, "--seq") == sizes


@pytest.mark.parametrize("text", ["", "abc", "1.5", "1g", "1k.4k", "1..", "..4", "1...4", "512,", "1 2", "²"])
def test_what_is_no_size_is_refused_with_what_is(text: str) -> None:
    with pytest.raises(
        PlanError, match=r"^--seq takes sizes such as 512, 4k, a list .* or a range .*, not '"
    ):
        grid.parse_sizes(text, "--seq")


@pytest.mark.parametrize("text", ["0", "-1", "0k", "-2..4", "8,0"])
def test_sizes_below_one_are_refused(text: str) -> None:
    with pytest.raises(PlanError, match=r"^--heads must be at least 1, not "):
        grid.parse_sizes(text, "--heads")


def test_a_range_that_runs_backwards_is_turned_round_in_the_message() -> None:
    with pytest.raises(PlanError) as refused:
        grid.parse_sizes("64,16k..1k", "--seq")
    assert str(refused.value) == "--seq range 16k..1k runs backwards; write 1k..16k"


def test_dtypes_by_any_of_their_names() -> None:
    assert grid.parse_dtypes("fp16, BF16,half,float") == ("float16", "bfloat16", "float32")


@pytest.mark.parametrize("text", ["fp8", "", "fp16,int8"])
def test_an_unknown_dtype_is_refused_with_the_known_ones(text: str) -> None:
    with pytest.raises(PlanError, match=r"^there is no dtype '.*'; there are fp16, bf16 and fp32$"):
        grid.parse_dtypes(text)


def workloads(
    *,
    batch: Sequence[int] = (1,),
    seq: Sequence[int] = (64,),
    heads: Sequence[int] = (4,),
    kv_heads: Sequence[int] | None = None,
    head_dim: Sequence[int] | None = None,
    emb_dim: Sequence[int] | None = None,
    dtype: Sequence[str] = ("float16",),
    causal: Sequence[bool] = (False,),
    window: Sequence[int | None] = (None,),
    seq_q: Sequence[int] | None = None,
    decode: bool = False,
) -> tuple[Attention, ...]:
    return grid.workloads(
        batch=batch,
        seq=seq,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        emb_dim=emb_dim,
        dtype=dtype,
        causal=causal,
        window=window,
        seq_q=seq_q,
        decode=decode,
    )


def test_lists_multiply_with_the_length_turning_fastest() -> None:
    made = workloads(seq=(64, 128), head_dim=(8,), causal=(False, True), dtype=("float16", "float32"))
    assert [(w.dtype, w.causal, w.seq_q) for w in made] == [
        ("float16", False, 64),
        ("float16", False, 128),
        ("float16", True, 64),
        ("float16", True, 128),
        ("float32", False, 64),
        ("float32", False, 128),
        ("float32", True, 64),
        ("float32", True, 128),
    ]


def test_every_axis_multiplies() -> None:
    made = workloads(
        batch=(1, 2),
        seq=(16, 32, 64),
        heads=(4, 8),
        kv_heads=(1, 2, 4),
        head_dim=(8, 16),
        dtype=("float16", "bfloat16"),
        causal=(True, False),
        window=(None, 0, 8),
    )
    assert len(made) == len(set(made)) == 2 * 3 * 2 * 3 * 2 * 2 * 2 * 3


def test_a_length_is_that_of_queries_and_keys() -> None:
    (made,) = workloads(seq=(48,), head_dim=(8,))
    assert (made.seq_q, made.seq_k) == (48, 48)


def test_queries_of_their_own_number_are_combined_with_every_length() -> None:
    made = workloads(seq=(48, 96), seq_q=(1, 4), head_dim=(8,), decode=True)
    assert [(w.seq_q, w.seq_k, w.decode) for w in made] == [
        (1, 48, True),
        (1, 96, True),
        (4, 48, True),
        (4, 96, True),
    ]


def test_kv_heads_are_as_many_as_heads_unless_said() -> None:
    assert [(w.heads, w.kv_heads) for w in workloads(heads=(2, 8), head_dim=(8,))] == [(2, 2), (8, 8)]
    assert [(w.heads, w.kv_heads) for w in workloads(heads=(2, 8), kv_heads=(2,), head_dim=(8,))] == [
        (2, 2),
        (8, 2),
    ]


def test_the_embedding_is_shared_out_among_the_heads() -> None:
    made = workloads(heads=(8, 16, 32), emb_dim=(256,))
    assert [(w.head_dim, w.emb_dim) for w in made] == [(32, 256), (16, 256), (8, 256)]


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"heads": (3,), "emb_dim": (256,)}, "emb dim must be a multiple of heads: 256 is not one of 3"),
        ({"heads": (512,), "emb_dim": (256,)}, "emb dim must be a multiple of heads: 256 is not one of 512"),
        (
            {"heads": (8,), "kv_heads": (3,), "head_dim": (8,)},
            "heads must be a multiple of kv heads: 8 is not one of 3",
        ),
    ],
)
def test_one_combination_that_makes_no_call_refuses_them_all(
    axes: dict[str, tuple[int, ...]], message: str
) -> None:
    with pytest.raises(PlanError) as refused:
        workloads(**axes)  # type: ignore[arg-type]
    assert str(refused.value) == message


def test_ten_thousand_shapes_are_possible_and_one_more_is_not() -> None:
    assert len(workloads(seq=range(1, 10_001), head_dim=(8,))) == 10_000
    with pytest.raises(PlanError, match="multiply into 10,001 shapes; at most 10,000"):
        workloads(seq=range(1, 10_002), head_dim=(8,))


def test_lists_that_multiply_into_billions_are_refused_before_they_are_made() -> None:
    many = range(1, 1001)
    with pytest.raises(PlanError, match="1,000,000,000 shapes"):
        workloads(batch=many, seq=many, heads=many, head_dim=(8,))
