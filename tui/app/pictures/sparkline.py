"""A line of readings as a row of small blocks, or as several rows of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from tui.app.glyphs import Glyphs


def sparkline(
    values: Sequence[float | None],
    width: int,
    glyphs: Glyphs,
    *,
    low: float | None = None,
    high: float | None = None,
    rows: int = 1,
) -> list[str]:
    """The last `width` values, the newest at the right, on a scale from `low` to `high`.

    A bound that is None is that of the values shown. None and what is not finite leave a gap;
    what is beyond a bound is drawn at it. `rows` lines, the top one first.
    """
    shown = [value if value is not None and math.isfinite(value) else None for value in values[-width:]]
    known = [value for value in shown if value is not None]
    steps = len(glyphs.spark)
    bottom = min(known, default=0.0) if low is None else low
    top = max(known, default=0.0) if high is None else high
    levels = [None if value is None else _level(value, bottom, top, rows * steps) for value in shown]
    return [
        "".join(_block(level, row * steps, glyphs.spark) for level in levels).rjust(width)
        for row in reversed(range(rows))
    ]


def _level(value: float, low: float, high: float, levels: int) -> int:
    """1 for the lowest to `levels` for the highest; in the middle where the scale has no length.

    A scale that ends below where it begins has its bounds from elsewhere: all is beyond one of them.
    """
    if high <= low:
        return 1 if value < low else levels if value > high else (levels + 1) // 2
    share = (min(max(value, low), high) - low) / (high - low)
    return 1 + min(int(share * levels), levels - 1)


def _block(level: int | None, below: int, steps: str) -> str:
    """What a row shows of a level, with `below` levels in the rows beneath it."""
    if level is None or level <= below:
        return " "
    return steps[min(level - below, len(steps)) - 1]


def buckets(readings: Iterable[tuple[float, float | None]], count: int, seconds: float) -> list[float | None]:
    """The means of the last `count` spans of `seconds` each; None for a span that nothing was read in.

    `readings` are (time in s, value) in order of time. Spans begin at whole multiples of `seconds`,
    so that a span keeps its readings, and its mean, as time goes on; the last one is still filling.
    """
    kept: dict[int, list[float]] = {}
    last = 0
    for at_s, value in readings:
        last = math.floor(at_s / seconds)
        if value is not None and math.isfinite(value):
            kept.setdefault(last, []).append(value)
    spans = (kept.get(span) for span in range(last - count + 1, last + 1))
    return [sum(span) / len(span) if span else None for span in spans]
