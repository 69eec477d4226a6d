"""Medians and ratios with their 95 % intervals."""

from __future__ import annotations

import statistics
from bisect import bisect_left
from collections.abc import Sequence
from functools import cache
from math import comb, exp, lgamma, log
from statistics import NormalDist

from profiler.events import LEAST_SAMPLES, Estimate

CONFIDENCE = 0.95


@cache
def interval_ranks(count: int, confidence: float = CONFIDENCE) -> tuple[int, int]:
    """Indices, in sorted order, of the samples that bound the median with at least that confidence.

    The distribution-free interval: of `count` independent samples the number below the true
    median is binomial(count, 1/2). Where no pair reaches it (below six samples for 95 %) the
    extremes are given.
    Source: W. J. Conover, Practical Nonparametric Statistics, 3rd ed., section 3.2.
    """
    if count > 1000:  # the normal approximation, exact to a rank here and free of huge binomials
        rank = int((count - NormalDist().inv_cdf((1 + confidence) / 2) * count**0.5) / 2)
        return rank, count - 1 - rank
    outside, rank = 0.0, 0
    while rank < count // 2:
        outside += comb(count, rank) / 2**count
        if 2 * outside > 1 - confidence:
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


def estimate_of_visits(visits: Sequence[Sequence[float]]) -> Estimate:
    """The median of all samples (at least one), with an interval by the medians of the visits.

    Samples of one visit are alike: what the device or the host was at then is in all of them. So it is
    visits that are independent. Of too few for an interval the extremes of all samples are given.
    """
    samples = [sample for visit in visits for sample in visit]
    median = statistics.median(samples)
    if len(visits) < LEAST_SAMPLES:
        return Estimate(median=median, low=min(samples), high=max(samples), count=len(samples))
    of_medians = estimate([statistics.median(visit) for visit in visits])
    return Estimate(
        median=median,
        low=min(of_medians.low, median),
        high=max(of_medians.high, median),
        count=len(samples),
    )


def mega_cycles(device_ms: Sequence[float], sm_mhz: Sequence[float | None]) -> float | None:
    """The median of samples' times in millions of cycles; None where no sample has a clock.

    A sample's own clock makes its own cycles: medians of the two would not multiply. `sm_mhz` may
    end sooner than `device_ms`.
    """
    cycles = [ms * mhz / 1000 for ms, mhz in zip(device_ms, sm_mhz, strict=False) if mhz]
    return statistics.median(cycles) if cycles else None


@cache
def bootstrap_ranks(count: int, confidence: float = CONFIDENCE) -> tuple[int, int]:
    """Indices, in sorted order, of the samples that bound the bootstrap interval of the median.

    The median of a resample is at most the i-th smallest sample when enough of its draws are, and
    each draw is with probability i / count: so the percentiles that resampling approaches are
    binomial sums, and need no random numbers. With an even count the lower of the two middle
    draws bounds from below, the upper from above.
    Source: B. Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics 7 (1979).
    """
    if count > 1000:  # there the two kinds of interval agree to a rank
        return interval_ranks(count, confidence)
    tail = (1 - confidence) / 2
    lower_middle, upper_middle = (count + 1) // 2, count // 2 + 1
    ranks = range(1, count + 1)
    low = bisect_left(ranks, tail, key=lambda i: _at_least(lower_middle, count, i / count))
    high = bisect_left(ranks, 1 - tail, key=lambda i: _at_least(upper_middle, count, i / count))
    return low, min(high, count - 1)


def _at_least(successes: int, draws: int, chance: float) -> float:
    """The probability of so many successes or more, by logarithms since the binomials are huge."""
    if chance >= 1:
        return 1.0
    logs = log(chance), log(1 - chance)
    return sum(
        exp(lgamma(draws + 1) - lgamma(k + 1) - lgamma(draws - k + 1) + k * logs[0] + (draws - k) * logs[1])
        for k in range(successes, draws + 1)
    )


@cache
def ratio_ranks(count: int, confidence: float = CONFIDENCE) -> tuple[int, int]:
    """Indices, in sorted order, of the ratios that bound their median: the bootstrap's, or wider.

    For few samples the bootstrap covers less than it says (91 % of 95 at 13): then the
    distribution-free interval stands.
    """
    bootstrap, free = bootstrap_ranks(count, confidence), interval_ranks(count, confidence)
    return min(bootstrap[0], free[0]), max(bootstrap[1], free[1])


def paired_ratio(
    numerator: Sequence[float], denominator: Sequence[float], confidence: float = CONFIDENCE
) -> Estimate:
    """The median of the ratios of samples of the same round, with its interval (ratio_ranks).

    Both sequences start at the same round; rounds that only one has are left out.
    """
    ratios = sorted(top / bottom for top, bottom in zip(numerator, denominator, strict=False) if bottom > 0)
    if not ratios:
        raise ValueError("no round has a sample of both")
    low, high = ratio_ranks(len(ratios), confidence)
    return Estimate(median=statistics.median(ratios), low=ratios[low], high=ratios[high], count=len(ratios))
