"""The ratio of two medians that were not measured together."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiler.compare.ratio import independent_ratio
from profiler.events import Estimate
from profiler.stats import estimate

times = st.lists(st.floats(min_value=1e-3, max_value=1e3), min_size=6, max_size=40)


def known(median: float, low: float, high: float, count: int = 10) -> Estimate:
    return Estimate(median=median, low=low, high=high, count=count)


def test_the_sides_add_as_those_of_a_right_triangle_on_the_logarithms() -> None:
    one, other = known(2.0, 2.0 / math.exp(0.03), 2.0), known(1.0, 1.0, math.exp(0.04))
    got = independent_ratio(one, other)
    assert got is not None
    assert (got.median, got.low, got.high) == pytest.approx((2.0, 2.0 * math.exp(-0.05), 2.0))


def test_an_exact_denominator_leaves_the_numerators_interval() -> None:
    got = independent_ratio(known(2.0, 1.9, 2.2), known(1.0, 1.0, 1.0))
    assert got is not None
    assert (got.low, got.high) == pytest.approx((1.9, 2.2))


def test_it_has_as_many_samples_as_the_side_with_fewer() -> None:
    got = independent_ratio(known(1.0, 0.9, 1.1, count=40), known(1.0, 0.9, 1.1, count=3))
    assert got is not None and got.count == 3


@given(times, times)
def test_turned_round_it_is_the_reciprocal(first: list[float], second: list[float]) -> None:
    one, other = estimate(first), estimate(second)
    forth, back = independent_ratio(one, other), independent_ratio(other, one)
    assert forth is not None and back is not None
    assert (forth.median, forth.low, forth.high) == pytest.approx(
        (1 / back.median, 1 / back.high, 1 / back.low)
    )


@given(times, st.floats(min_value=0.01, max_value=100.0))
def test_a_scale_moves_the_whole_interval(first: list[float], scale: float) -> None:
    plain, scaled = (independent_ratio(estimate(first), known(1.0, 0.9, 1.2), by) for by in (1.0, scale))
    assert plain is not None and scaled is not None
    assert (scaled.low, scaled.high) == pytest.approx((scale * plain.low, scale * plain.high))


@pytest.mark.parametrize("draw", [random.Random.gauss, random.Random.expovariate], ids=["normal", "skewed"])
def test_the_interval_holds_the_true_ratio_nineteen_times_of_twenty(draw: Callable[..., float]) -> None:
    generator = random.Random(7)
    arguments = (1.0, 0.02) if draw is random.Random.gauss else (1.0,)

    def sample(count: int) -> Estimate:
        return estimate([1.0 + 0.02 * draw(generator, *arguments) for _ in range(count)])

    intervals = [independent_ratio(sample(11), sample(20)) for _ in range(600)]
    held = sum(found is not None and found.low <= 1 <= found.high for found in intervals)
    assert held >= 0.95 * len(intervals)


@pytest.mark.parametrize(
    ("numerator", "denominator"),
    [
        (known(0.0, 0.0, 0.1), known(1.0, 0.9, 1.1)),
        (known(1.0, 0.9, 1.1), known(0.0, 0.0, 0.1)),
        (known(1.0, 0.0, 1.1), known(1.0, 0.9, 1.1)),
        (known(1e308, 1e308, 1e308), known(1e-308, 1e-308, 1e-308)),
        (known(math.inf, 1.0, math.inf), known(1.0, 1.0, 1.0)),
        (known(math.nan, 1.0, 2.0), known(1.0, 1.0, 1.0)),
    ],
)
def test_there_is_none_of_what_is_too_short_for_the_clock_or_no_number(
    numerator: Estimate, denominator: Estimate
) -> None:
    assert independent_ratio(numerator, denominator) is None
