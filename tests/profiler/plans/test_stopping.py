"""When a shape has been measured enough, with a clock that moves when it is told to."""

from __future__ import annotations

import pytest

from profiler.plans.plan import Stopping
from profiler.plans.stopping import LEAST_ROUNDS, MOST_ROUNDS, Precision, Repeats, is_within, rule


class Clock:
    """Seconds, as a test sets them."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def scattered(rounds: int) -> list[float]:
    """Samples whose median is never known to 1 %."""
    return [1.0 + (round_ % 2) for round_ in range(rounds)]


def rounds_until_finished(precision: Precision, *series: list[float]) -> int:
    """How many rounds the rule asks for, when `series` are what the rounds bring."""
    for rounds in range(1, MOST_ROUNDS + 2):
        if precision.is_finished(rounds, [samples[:rounds] for samples in series]):
            return rounds
    raise AssertionError("it never ends")


@pytest.mark.parametrize("count", [1, 30])
def test_repeats_are_exact(count: int) -> None:
    repeats = Repeats(count)
    assert [repeats.is_finished(rounds, [scattered(rounds)]) for rounds in range(1, count + 1)] == [
        *[False] * (count - 1),
        True,
    ]


def test_steady_samples_end_it_after_the_least_rounds() -> None:
    assert rounds_until_finished(Precision(0.01, 10.0, Clock()), [1.0] * 100) == LEAST_ROUNDS


def test_one_scattered_series_keeps_all_going() -> None:
    steady, scatter = [1.0] * MOST_ROUNDS, scattered(MOST_ROUNDS)
    assert rounds_until_finished(Precision(0.01, 10.0, Clock()), steady, scatter) == MOST_ROUNDS


def test_a_series_that_settles_ends_it_within_a_tenth_more_rounds() -> None:
    settling = [*scattered(100), *[1.5] * MOST_ROUNDS]
    settled = next(rounds for rounds in range(1, 1000) if is_within(settling[:rounds], 0.01))
    assert settled > 100
    assert settled <= rounds_until_finished(Precision(0.01, 10.0, Clock()), settling) <= 1.1 * settled


def test_a_wider_target_is_met_sooner() -> None:
    drawn_in = [1.0 + 0.5 * (-1) ** round_ / (1 + round_) for round_ in range(MOST_ROUNDS)]
    wide, narrow = (
        rounds_until_finished(Precision(target, 10.0, Clock()), drawn_in) for target in (0.1, 0.01)
    )
    assert wide < narrow < MOST_ROUNDS


def test_the_budget_ends_it_even_before_the_least_rounds() -> None:
    clock = Clock()
    precision = Precision(0.01, 10.0, clock)
    clock.now_s += 9.9
    assert not precision.is_finished(1, [[1.0]])
    clock.now_s += 0.1
    assert precision.is_finished(2, [[1.0, 1.0]])


def test_the_budget_begins_when_the_rule_is_made() -> None:
    clock = Clock()
    clock.now_s += 500
    precision = rule(Stopping(precision=0.01, budget_s=10.0), clock)
    clock.now_s += 5
    assert not precision.is_finished(1, [[1.0]])


def test_repeats_take_precedence_and_know_no_budget() -> None:
    clock = Clock()
    repeats = rule(Stopping(repeats=5, budget_s=1.0), clock)
    clock.now_s += 1_000
    assert not repeats.is_finished(4, [[1.0] * 4])
    assert repeats.is_finished(5, [[1.0] * 5])


def test_few_samples_are_never_within_however_steady() -> None:
    assert not is_within([1.0] * (LEAST_ROUNDS - 1), 0.01)
    assert is_within([1.0] * LEAST_ROUNDS, 0.01)
