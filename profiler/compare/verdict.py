"""What may be said of a case that two sessions have: faster, slower, the same, or nothing."""

from __future__ import annotations

from typing import Literal, get_args

from profiler.compare.matching import Side
from profiler.events import LEAST_SAMPLES, Estimate

Verdict = Literal["faster", "slower", "same", "can't tell", "lost", "gained", "neither"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

MARGIN = 0.02
"""What counts as the same: two sessions of the same on one GPU differ by as much (docs/compare.md)."""


def verdict(base: Side, other: Side, speedup: Estimate | None, margin: float = MARGIN) -> Verdict:
    """Of a case in another session, against the base; `margin` is a fraction.

    "same" takes an interval that lies within the margin as a whole, which is a test of equivalence
    (Schuirmann, "A comparison of the two one-sided tests procedure and the power approach", Journal of
    Pharmacokinetics and Biopharmaceutics 15 (1987) 657-680), for not to see a difference is no sign of
    there being none. "faster" and "slower" take an interval that lies beyond 1 as a whole and a ratio beyond
    the margin.
    """
    if base.standing == "failed" or other.standing == "failed":
        return _of_failures(base, other)
    if speedup is None or speedup.count < LEAST_SAMPLES:
        return "can't tell"
    most = 1 + margin
    if 1 / most <= speedup.low and speedup.high <= most:
        return "same"
    if speedup.low > 1 and speedup.median > most:
        return "faster"
    if speedup.high < 1 and speedup.median < 1 / most:
        return "slower"
    return "can't tell"


def _of_failures(base: Side, other: Side) -> Verdict:
    if base.standing == other.standing:
        return "neither"
    return "lost" if other.standing == "failed" else "gained"


def is_regression(found: Verdict, speedup: Estimate | None, beyond: float, margin: float = MARGIN) -> bool:
    """Whether it takes more than `beyond` (a fraction) longer than in the base, or is right no more.

    The ratio is to lie beyond `beyond`, and the whole interval beyond the margin: that what was found is
    more than two sessions of the same differ by is shown, that it is more than `beyond` is what is likely.
    Were the whole interval to lie beyond `beyond`, a change of just as much would never be found.
    """
    if found == "lost":
        return True
    if found != "slower" or speedup is None:
        return False
    return 1 / speedup.median > 1 + beyond and 1 / speedup.high > 1 + margin


def may_be_regression(
    found: Verdict, speedup: Estimate | None, beyond: float, margin: float = MARGIN
) -> bool:
    """Whether the ratio lies beyond `beyond`, and the interval does not show it, or there is none."""
    is_beyond = speedup is not None and 1 / speedup.median > 1 + beyond
    return (
        found in ("slower", "can't tell") and is_beyond and not is_regression(found, speedup, beyond, margin)
    )


def is_ruled_out(found: Verdict, speedup: Estimate | None, beyond: float) -> bool:
    """Whether the whole interval shows that it takes no more than `beyond` longer than in the base.

    So it is of what had no time to become longer.
    """
    if found in ("gained", "neither"):
        return True
    if found == "lost" or speedup is None or speedup.count < LEAST_SAMPLES:
        return False
    return 1 / speedup.low <= 1 + beyond


def has_grown(base: Side, other: Side, beyond: float) -> bool:
    """Whether it takes more than `beyond` (a fraction) more memory than in the base, and is right in both.

    Bytes are counted, not sampled, so they need no interval. A training that takes as large a batch as
    fits is none that grew.
    """
    if base.standing != "right" or other.standing != "right" or base.times != other.times:
        return False
    if base.batch != other.batch or base.memory_bytes is None or other.memory_bytes is None:
        return False
    return other.memory_bytes > base.memory_bytes * (1 + beyond)
