"""Intervals that hold what they promise."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiler.stats import (
    bootstrap_ranks,
    estimate,
    estimate_of_visits,
    interval_ranks,
    paired_ratio,
    ratio_ranks,
)

samples = st.lists(st.floats(min_value=1e-3, max_value=1e3), min_size=1, max_size=200)


def coverage(count: int, ranks: tuple[int, int]) -> float:
    """The probability that the interval holds the true median: that neither tail swallowed it."""
    low, high = ranks
    covered = sum(comb(count, below) for below in range(low + 1, high + 1))
    return covered / (1 << count)


@pytest.mark.parametrize("ranks", [interval_ranks, ratio_ranks])
@pytest.mark.parametrize("count", [*range(6, 60), 100, 999, 1000, 1001, 1002, 2000])
def test_intervals_cover_the_true_median_with_95_percent(
    ranks: Callable[[int], tuple[int, int]], count: int
) -> None:
    # Approximated above 1000.
    assert coverage(count, ranks(count)) >= 0.95 - (0.002 if count > 1000 else 0)


@pytest.mark.parametrize("count", [10, 13, 30, 100, 1500])
def test_more_confidence_can_be_asked_of_an_interval(count: int) -> None:
    assert coverage(count, ratio_ranks(count, 0.99)) >= 0.99 - (0.001 if count > 1000 else 0)


def test_the_interval_of_a_ratio_is_no_narrower_than_the_bootstraps() -> None:
    for count in range(6, 200):
        (low, high), (bootstrap_low, bootstrap_high) = ratio_ranks(count), bootstrap_ranks(count)
        assert low <= bootstrap_low
        assert high >= bootstrap_high


@pytest.mark.parametrize("count", [*range(6, 60), 100, 999])
def test_no_narrower_pair_of_ranks_would_do(count: int) -> None:
    low, high = interval_ranks(count)
    inner = sum(comb(count, below) for below in range(low + 2, high)) / 2**count
    assert inner < 0.95


def test_below_six_samples_the_extremes_are_given() -> None:
    assert [interval_ranks(count) for count in range(1, 6)] == [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4)]


def test_an_estimate_of_one_sample_is_that_sample() -> None:
    only = estimate([2.5])
    assert (only.median, only.low, only.high, only.count, only.margin) == (2.5, 2.5, 2.5, 1, None)


def test_the_median_is_no_mean_and_ignores_an_outlier() -> None:
    assert estimate([1.0, 1.0, 1.0, 1.0, 100.0]).median == 1.0


@given(samples)
def test_the_interval_lies_around_the_median_and_within_the_samples(values: list[float]) -> None:
    got = estimate(values)
    assert min(values) <= got.low <= got.median <= got.high <= max(values)
    assert got.median == statistics.median(values)


@given(samples, st.randoms())
def test_the_order_of_samples_does_not_matter(values: list[float], shuffler: random.Random) -> None:
    shuffled = values[:]
    shuffler.shuffle(shuffled)
    assert estimate(shuffled) == estimate(values)


@pytest.mark.parametrize("count", [5, 10, 25, 40])
def test_bootstrap_ranks_are_what_resampling_finds(count: int) -> None:
    generator = random.Random(1)
    resamples = 4000
    medians = sorted(statistics.median(generator.choices(range(count), k=count)) for _ in range(resamples))
    low, high = bootstrap_ranks(count)
    assert abs(low - medians[int(0.025 * resamples)]) <= 1
    assert abs(high - medians[int(0.975 * resamples)]) <= 1


@given(st.integers(min_value=1, max_value=400))
def test_bootstrap_ranks_lie_around_the_middle(count: int) -> None:
    low, high = bootstrap_ranks(count)
    assert 0 <= low <= (count - 1) / 2 <= high <= count - 1


def test_the_interval_of_visits_is_that_of_their_medians() -> None:
    visits = [[10.0 + visit, 10.1 + visit, 10.2 + visit] for visit in range(8)]
    found = estimate_of_visits(visits)
    assert found.median == pytest.approx(13.6)
    assert found.count == 24
    assert (found.low, found.high) == (10.1, 17.1)  # of eight all, where 24 alike samples have a narrow one
    together = estimate([sample for visit in visits for sample in visit])
    assert together.high - together.low < found.high - found.low


def test_of_too_few_visits_the_extremes_are_given() -> None:
    found = estimate_of_visits([[1.0, 2.0, 3.0], [4.0, 5.0, 9.0]])
    assert (found.low, found.median, found.high, found.count) == (1.0, 3.5, 9.0, 6)


def test_a_ratio_is_taken_round_by_round_so_that_drift_cancels() -> None:
    drift = [1 + 0.1 * index for index in range(20)]
    got = paired_ratio([2 * heat for heat in drift], drift)
    assert (got.median, got.low, got.high, got.count) == pytest.approx((2, 2, 2, 20))


def test_rounds_that_only_one_side_has_are_left_out() -> None:
    assert paired_ratio([2.0, 2.0, 9.0], [1.0, 1.0]).count == 2


def test_a_ratio_over_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no round"):
        paired_ratio([1.0], [])
    with pytest.raises(ValueError, match="no round"):
        paired_ratio([1.0], [0.0])
