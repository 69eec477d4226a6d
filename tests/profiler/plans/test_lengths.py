"""Lengths of the sequences of a batch, as they are typed and drawn."""

from __future__ import annotations

import pytest

from profiler.plans.lengths import Listed, Uniform, parse_distribution
from profiler.plans.plan import PlanError


def test_lengths_are_drawn_from_the_range_with_both_its_ends() -> None:
    assert parse_distribution("uniform:128..4k", "--seq-dist") == Uniform(128, 4096)
    assert set(Uniform(3, 5).lengths(200, seed=0)) == {3, 4, 5}


def test_a_seed_draws_the_same_lengths_again_and_another_one_others() -> None:
    drawn = Uniform(1, 10_000)
    assert drawn.lengths(16, seed=7) == drawn.lengths(16, seed=7)
    assert drawn.lengths(16, seed=7) != drawn.lengths(16, seed=8)


def test_a_larger_batch_goes_on_where_a_smaller_one_ends() -> None:
    assert Uniform(1, 10_000).lengths(16, seed=0)[:4] == Uniform(1, 10_000).lengths(4, seed=0)


def test_listed_lengths_stand_as_they_were_typed() -> None:
    assert parse_distribution(" List: 512, 1k,77,77", "--seq-dist") == Listed((512, 1024, 77, 77))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "uniform",
        "uniform:",
        "uniform:128",
        "list",
        "list:",
        "list:1,,2",
        "list:1..2",
        "128..4096",
        "normal:1..2",
    ],
)
def test_what_is_no_distribution_is_refused_with_what_is(text: str) -> None:
    with pytest.raises(
        PlanError, match=r"^--seq-dist takes uniform:128\.\.4096 .* or list:512,1024,77 .*, not '"
    ):
        parse_distribution(text, "--seq-dist")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("uniform:4k..128", "--seq-dist range 4k..128 runs backwards; write 128..4k"),
        ("uniform:0..8", "--seq-dist must be at least 1, not 0"),
        ("list:8,-1", "--seq-dist must be at least 1, not -1"),
    ],
)
def test_lengths_that_cannot_be_are_refused(text: str, sentence: str) -> None:
    with pytest.raises(PlanError) as refused:
        parse_distribution(text, "--seq-dist")
    assert str(refused.value) == sentence
