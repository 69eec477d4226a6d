"""Medians and ratios with their 95 % intervals."""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence
from functools import cache
from math import comb

from profiler.events import Estimate

CONFIDENCE = 0.95
_RESAMPLES = 1000


@cache
def interval_ranks(count: int) -> tuple[int, int]:
    """Indices, in sorted order, of the samples that bound the median with at least 95 % confidence.

    The distribution-free interval: of `count` independent samples the number below the true
    median is binomial(count, 1/2). Below six samples no pair reaches 95 %; the extremes are given.
    Source: W. J. Conover, Practical Nonparametric Statistics, 3rd ed., section 3.2.
    """
    if count > 1000:  # the normal approximation, exact to a rank here and free of huge binomials
        rank = int((count - 1.96 * count**0.5) / 2)
        return rank, count - 1 - rank
    outside, rank = 0.0, 0
    while rank < count // 2:
        outside += comb(count, rank) / 2**count
        if 2 * outside > 1 - CONFIDENCE:
            break
        rank += 1
    lower = max(rank - 1, 0)
    return lower, count - 1 - lower


def estimate(samples: Sequence[float]) -> Estimate:
    """The median of `samples` (at least one) and its 95 % interval."""
    ordered = sorted(samples)
    low, high = interval_ranks(len(ordered))
    return Estimate(
        median=statistics.median(ordered), low=ordered[low], high=ordered[high], count=len(ordered)
    )


def paired_ratio(numerator: Sequence[float], denominator: Sequence[float], seed: int = 0) -> Estimate:
    """The median of the ratios of samples of the same round, with a bootstrap 95 % interval.

    Both sequences start at the same round; rounds that only one has are left out.
    """
    ratios = [top / bottom for top, bottom in zip(numerator, denominator, strict=False) if bottom > 0]
    if not ratios:
        raise ValueError("no round has a sample of both")
    generator = random.Random(seed)
    medians = sorted(
        statistics.median(generator.choices(ratios, k=len(ratios))) for _ in range(_RESAMPLES)
    )
    tail = int((1 - CONFIDENCE) / 2 * _RESAMPLES)
    return Estimate(
        median=statistics.median(ratios), low=medians[tail], high=medians[-1 - tail], count=len(ratios)
    )
