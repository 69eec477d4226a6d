"""Which keys a query sees, as spans and as masks."""

from __future__ import annotations

import pytest
import torch

from impls import masks
from profiler.workload import Attention
from tests.shapes import attention


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (attention(seq=3, causal=True), ["100", "110", "111"]),
        (attention(seq=4, seq_q=2, causal=True), ["1110", "1111"]),
        (attention(seq=2, seq_q=4, causal=True), ["00", "00", "10", "11"]),
        (attention(seq=4, window=1), ["1100", "1110", "0111", "0011"]),
        (attention(seq=4, window=1, causal=True), ["1000", "1100", "0110", "0011"]),
        (attention(seq=3, window=0), ["100", "010", "001"]),
    ],
)
def test_the_mask_is_aligned_to_the_bottom_right(shape: Attention, expected: list[str]) -> None:
    seen = masks.visible(shape, "cpu")
    assert ["".join(str(int(key)) for key in row) for row in seen.tolist()] == expected


@pytest.mark.parametrize("seq_q", range(1, 7))
@pytest.mark.parametrize("seq_k", range(1, 7))
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("window", [None, 0, 1, 3])
def test_the_mask_and_the_count_of_visible_keys_agree(
    seq_q: int, seq_k: int, causal: bool, window: int | None
) -> None:
    workload = attention(seq=seq_k, seq_q=seq_q, causal=causal, window=window)
    seen = masks.visible(workload, "cpu")
    assert int(seen.sum()) * workload.batch == workload.visible_pairs()
    assert masks.has_blind_queries(workload) == bool((~seen.any(dim=1)).any())


@pytest.mark.parametrize(
    "queries", [slice(0, 1), slice(2, 5), slice(4, 100), slice(3, 3), slice(None)], ids=str
)
@pytest.mark.parametrize("seq_k", [3, 6, 11])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("window", [None, 0, 2, 2**31 - 1])
def test_the_mask_of_some_queries_is_their_rows_of_the_whole(
    queries: slice, seq_k: int, causal: bool, window: int | None
) -> None:
    workload = attention(seq=seq_k, seq_q=6, causal=causal, window=window)
    part = masks.visible(workload, "cpu", queries)
    assert part.dtype == torch.bool
    assert torch.equal(part, masks.visible(workload, "cpu")[queries])


@pytest.mark.parametrize("seq_q", range(1, 6))
@pytest.mark.parametrize("seq_k", range(1, 6))
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("window", [None, 0, 2])
def test_the_span_of_a_query_is_what_it_sees(
    seq_q: int, seq_k: int, causal: bool, window: int | None
) -> None:
    workload = attention(seq=seq_k, seq_q=seq_q, causal=causal, window=window)
    for query, row in enumerate(masks.visible(workload, "cpu")):
        first, last = masks.span(workload, query)
        assert row.nonzero().flatten().tolist() == [key for key in range(seq_k) if first <= key <= last]


def test_the_mask_of_some_keys_is_their_columns_of_the_whole() -> None:
    workload = attention(seq=9, seq_q=6, causal=True, window=4)
    part = masks.visible(workload, "cpu", slice(1, 4), slice(3, 8))
    assert torch.equal(part, masks.visible(workload, "cpu")[1:4, 3:8])


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (attention(lengths=(1, 3)), [["100"], ["111"]]),
        (
            attention(lengths=(2, 4), window=0),
            [["1000", "0100", "1111", "1111"], ["1000", "0100", "0010", "0001"]],
        ),
    ],
    ids=["all", "window"],
)
def test_a_padded_batch_sees_no_padding_and_no_row_is_empty(
    shape: Attention, expected: list[list[str]]
) -> None:
    seen, sighted = masks.explicit(shape, "cpu")
    assert seen is not None
    assert sighted is None
    assert seen.shape == (2, 1, len(expected[0]), shape.seq_k)
    drawn = [["".join(map(str, row)) for row in sequence] for sequence in seen[:, 0].int().tolist()]
    assert drawn == expected


@pytest.mark.parametrize("window", [None, 1])
def test_in_a_causal_batch_padding_lies_out_of_sight_as_it_is(window: int | None) -> None:
    workload = attention(lengths=(2, 3), causal=True, window=window)
    seen, sighted = masks.explicit(workload, "cpu")
    assert seen is not None
    assert sighted is None
    assert torch.equal(seen, masks.visible(workload, "cpu"))


@pytest.mark.parametrize(
    "workload", [attention(), attention(seq=9, seq_q=1, causal=True), attention(seq=4, seq_q=9)]
)
def test_where_nothing_is_hidden_there_is_no_mask(workload: Attention) -> None:
    assert masks.explicit(workload, "cpu") == (None, None)


def test_an_additive_mask_has_rows_that_are_aligned() -> None:
    seen = masks.visible(attention(seq=19, causal=True), "cpu")
    added = masks.additive(seen, torch.float16)
    assert added.dtype == torch.float16
    assert added.stride() == (32, 1)
    assert torch.equal(added == 0, seen)
    assert (added[~seen] == float("-inf")).all()
