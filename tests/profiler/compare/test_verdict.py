"""What may be said of a case, and what counts as a regression."""

from __future__ import annotations

import pytest

from profiler.compare.matching import Side
from profiler.compare.verdict import (
    Verdict,
    has_grown,
    is_regression,
    is_ruled_out,
    may_be_regression,
    verdict,
)
from profiler.events import Estimate

RIGHT = Side("right", "ok")
OOM = Side("failed", "OOM")
WRONG = Side("failed", "wrong")


def ratio(median: float, low: float, high: float, count: int = 10) -> Estimate:
    return Estimate(median=median, low=low, high=high, count=count)


@pytest.mark.parametrize(
    ("speedup", "expected"),
    [
        (ratio(1.10, 1.08, 1.12), "faster"),
        (ratio(0.90, 0.88, 0.92), "slower"),
        (ratio(1.00, 0.99, 1.01), "same"),
        (ratio(1.005, 1.001, 1.009), "same"),  # beyond 1 as a whole, and too little to matter
        (ratio(1.015, 1.001, 1.03), "can't tell"),  # perhaps the same, perhaps faster
        (ratio(1.10, 0.99, 1.20), "can't tell"),
        (ratio(1.00, 0.90, 1.10), "can't tell"),
        (ratio(1.50, 1.50, 1.50, count=5), "can't tell"),
        (None, "can't tell"),
    ],
)
def test_the_whole_interval_decides(speedup: Estimate | None, expected: Verdict) -> None:
    assert verdict(RIGHT, RIGHT, speedup, margin=0.02) == expected


def test_same_is_the_same_in_both_directions() -> None:
    edge = ratio(1.0, 1 / 1.02, 1.02)
    assert verdict(RIGHT, RIGHT, edge, margin=0.02) == "same"
    assert verdict(RIGHT, RIGHT, ratio(1.0, 0.98, 1.02), margin=0.02) == "can't tell"


def test_a_wider_margin_makes_a_small_change_the_same() -> None:
    change = ratio(1.03, 1.02, 1.04)
    assert verdict(RIGHT, RIGHT, change, margin=0.02) == "faster"
    assert verdict(RIGHT, RIGHT, change, margin=0.05) == "same"


@pytest.mark.parametrize(
    ("base", "other", "expected"),
    [(RIGHT, OOM, "lost"), (RIGHT, WRONG, "lost"), (OOM, RIGHT, "gained"), (OOM, WRONG, "neither")],
)
def test_what_is_not_right_is_told_whatever_its_time(base: Side, other: Side, expected: Verdict) -> None:
    assert verdict(base, other, ratio(2.0, 1.9, 2.1)) == expected


@pytest.mark.parametrize(
    ("found", "speedup", "is_one"),
    [
        ("slower", ratio(0.94, 0.93, 0.95), True),
        ("slower", ratio(0.96, 0.95, 0.97), False),  # 4 % longer
        ("slower", ratio(0.90, 0.82, 0.999), False),  # perhaps a thousandth longer, which is the same
        ("slower", ratio(0.90, 0.85, 0.97), True),  # over 2 % longer for sure, and likely over 5 %
        ("can't tell", ratio(0.50, 0.40, 1.10), False),
        ("faster", ratio(1.50, 1.40, 1.60), False),
        ("lost", None, True),
        ("gained", None, False),
        ("neither", None, False),
    ],
)
def test_a_regression_is_slower_by_more_than_is_allowed_or_right_no_more(
    found: Verdict, speedup: Estimate | None, is_one: bool
) -> None:
    assert is_regression(found, speedup, 0.05, margin=0.02) == is_one


@pytest.mark.parametrize(
    ("found", "speedup", "may_be"),
    [
        ("slower", ratio(0.90, 0.82, 0.999), True),
        ("can't tell", ratio(0.90, 0.80, 1.10), True),
        ("can't tell", ratio(0.97, 0.80, 1.10), False),
        ("slower", ratio(0.90, 0.85, 0.97), False),  # it is one
        ("lost", None, False),
    ],
)
def test_what_may_be_a_regression_was_measured_too_roughly(
    found: Verdict, speedup: Estimate | None, may_be: bool
) -> None:
    assert may_be_regression(found, speedup, 0.05, margin=0.02) == may_be


@pytest.mark.parametrize(
    ("found", "speedup", "expected"),
    [
        ("can't tell", ratio(1.00, 0.96, 1.04), True),  # too wide for "same", and within 5 % all the same
        ("can't tell", ratio(1.00, 0.94, 1.06), False),
        ("slower", ratio(0.97, 0.94, 0.99), False),
        ("faster", ratio(1.10, 1.01, 1.20), True),
        ("can't tell", ratio(1.00, 1.00, 1.00, count=5), False),
        ("can't tell", None, False),
        ("lost", None, False),
        ("gained", None, True),
    ],
)
def test_a_regression_is_ruled_out_by_the_whole_interval(
    found: Verdict, speedup: Estimate | None, expected: bool
) -> None:
    assert is_ruled_out(found, speedup, 0.05) is expected


@pytest.mark.parametrize(
    ("base", "other", "expected"),
    [
        (Side("right", "ok", memory_bytes=100), Side("right", "ok", memory_bytes=106), True),
        (Side("right", "ok", memory_bytes=100), Side("right", "ok", memory_bytes=105), False),
        (Side("right", "ok", memory_bytes=0), Side("right", "ok", memory_bytes=512), True),
        (Side("right", "ok", memory_bytes=100), Side("right", "ok"), False),
        (Side("right", "ok", memory_bytes=100), Side("failed", "wrong", memory_bytes=200), False),
        (
            Side("right", "ok", memory_bytes=100, batch=8),
            Side("right", "ok", memory_bytes=200, batch=16),
            False,  # it took a batch that fills more
        ),
    ],
)
def test_memory_grows_by_what_is_counted_in_two_that_are_alike(
    base: Side, other: Side, expected: bool
) -> None:
    assert has_grown(base, other, 0.05) is expected
