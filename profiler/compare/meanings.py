"""What the words of a comparison mean."""

from __future__ import annotations

MEANINGS: dict[str, str] = {
    "speedup": (
        "the base's time over the other's (of a training its time of a token): over 1 is faster; with its "
        "95 % interval"
    ),
    "cycles": "the same of SM cycles, where the two clocks differed by more than 1 %; it has no interval",
    "memory": "peak memory against the base's, in percent; = is the same to the byte",
    "faster": "the whole interval lies above 1, and the speedup above the margin",
    "slower": "the whole interval lies below 1, and the speedup below the margin",
    "same": "the whole interval lies within the margin",
    "can't tell": (
        "neither: the interval is too wide, or samples are too few to have one (measure longer), or times "
        "are not of the same quantity"
    ),
    "?": "the session ended before the result: the figure is of the samples until then",
    "lost": "it was right in the base, and failed or is wrong now",
    "gained": "it failed or was wrong in the base, and is right now",
    "neither": "it failed or is wrong in both",
}
"""What each word of a comparison means, in the order that reports explain them."""
