"""The ratio of two medians that were not measured together, with its 95 % interval."""

from __future__ import annotations

from math import exp, hypot, inf, isfinite, log

from profiler.events import Estimate


def independent_ratio(numerator: Estimate, denominator: Estimate, scale: float = 1.0) -> Estimate | None:
    """`scale` times the ratio of two medians, of samples that know nothing of each other.

    The 95 % intervals that both medians have are put together on the logarithms, their distances to
    the median as the sides of a right triangle (MOVER: Zou and Donner, "Construction of confidence
    limits about effect measures", Statistics in Medicine 27 (2008) 1693-1702). As those intervals are
    distribution-free (profiler.stats.interval_ranks), nothing is assumed of either distribution, nor
    that the two are alike, and no random numbers are needed. `count` is that of the fewer samples;
    below LEAST_SAMPLES it has no interval. None where a time is too short for the clock, or no number.
    """
    values = (numerator.median, denominator.median, scale)
    if not all(0 < value < inf for value in values):
        return None
    middle = log(numerator.median) - log(denominator.median) + log(scale)
    below = hypot(_apart(numerator.median, numerator.low), _apart(denominator.high, denominator.median))
    above = hypot(_apart(numerator.high, numerator.median), _apart(denominator.median, denominator.low))
    try:
        median, low, high = exp(middle), exp(middle - below), exp(middle + above)
    except OverflowError:
        return None
    if not (isfinite(high) and low > 0):
        return None
    return Estimate(median=median, low=low, high=high, count=min(numerator.count, denominator.count))


def _apart(upper: float, lower: float) -> float:
    """How far two positive numbers are from each other on the logarithms."""
    return log(upper) - log(lower) if 0 < lower < inf and 0 < upper < inf else inf
