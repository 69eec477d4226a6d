"""How samples lie: a histogram with the median and its interval marked, and their course by rounds."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from itertools import pairwise
from math import sqrt

from rich.text import Text

from profiler.events import LEAST_SAMPLES, Estimate
from profiler.units import count, ms
from tui.app.glyphs import Glyphs
from tui.app.pictures.look import PLAIN, Look
from tui.app.pictures.sparkline import sparkline

_LEAST_BINS = 8
_LEAST_WIDTH = 24  # a narrower picture has no room for its ends
_FENCE = 3  # beyond so many interquartile ranges (Tukey's far out) a sample would flatten all others
_LEAST_HALF = 3  # rounds that a half must have for its median to be worth comparing


def histogram(
    samples: Sequence[float],
    estimate: Estimate,
    width: int,
    rows: int,
    *,
    glyphs: Glyphs,
    look: Look = PLAIN,
) -> list[Text]:
    """`rows` lines of columns, a line that marks the median and its interval, and the ends of the scale.

    Samples far out are not drawn but counted, with the farthest. Nothing for fewer samples than
    have an interval; one line where all are the same.
    """
    if len(samples) < LEAST_SAMPLES or width < _LEAST_WIDTH:
        return []
    low, high = _scale(samples, estimate)
    if low == high:
        return [Text(f"all {len(samples)} took {ms(low)} ms", look.muted)]
    bins = min(width, max(_LEAST_BINS, round(2 * sqrt(len(samples)))))
    columns = width // bins * bins
    counts = [0] * bins
    for sample in samples:
        if low <= sample <= high:
            counts[_place(sample, low, high, bins)] += 1
    heights = [number or None for number in counts for _ in range(columns // bins)]
    drawn = sparkline(heights, columns, glyphs, low=0, rows=rows)
    picture = [Text(line, look.spark) for line in drawn]
    picture.append(_marks(estimate, low, high, columns, glyphs, look))
    picture.append(_ends(low, high, columns, glyphs, look))
    if beyond := _beyond(samples, low, high):
        picture.append(Text(beyond, look.muted))
    return picture


def _scale(samples: Sequence[float], estimate: Estimate) -> tuple[float, float]:
    """The ends of what is drawn: the samples', or a fence around most of them."""
    first, _, third = statistics.quantiles(samples, n=4)
    fence = _FENCE * (third - first)
    if not fence:
        return min(samples), max(samples)
    near = [sample for sample in samples if first - fence <= sample <= third + fence]
    return min(*near, estimate.low), max(*near, estimate.high)


def _place(value: float, low: float, high: float, count: int) -> int:
    return min(int((value - low) / (high - low) * count), count - 1)


def _marks(estimate: Estimate, low: float, high: float, width: int, glyphs: Glyphs, look: Look) -> Text:
    """The interval as a rule, with the median on it."""
    left, middle, right = (
        _place(value, low, high, width) for value in (estimate.low, estimate.median, estimate.high)
    )
    marks = Text(" " * left)
    marks.append("|" + "-" * (right - left - 1) + "|" if right > left else "|", look.muted)
    marks.pad_right(max(0, width - len(marks)))
    return Text.assemble(marks[:middle], (glyphs.up, look.value), marks[middle + 1 :])


def _ends(low: float, high: float, width: int, glyphs: Glyphs, look: Look) -> Text:
    """The ends of the scale, and between them what the marks are, where there is room."""
    left, right = ms(low), f"{ms(high)} ms"
    legend = f"{glyphs.up} median, |-| its 95 % interval"
    room = width - len(left) - len(right)
    return Text(left + (f"{legend:^{room}}" if room >= len(legend) + 2 else " " * room) + right, look.muted)


def _beyond(samples: Sequence[float], low: float, high: float) -> str:
    below, above = (
        [sample for sample in samples if sample < low],
        [sample for sample in samples if sample > high],
    )
    said = []
    if below:
        said.append(f"{count(len(below), 'sample')} below, down to {ms(min(below))} ms")
    if above:
        said.append(f"{count(len(above), 'sample')} above, up to {ms(max(above))} ms")
    return "; ".join(said)


def rounds(samples: Sequence[float], width: int, *, glyphs: Glyphs, look: Look = PLAIN) -> list[Text]:
    """The samples in the order of their rounds, in one line of blocks, and what it shows in words.

    More rounds than columns share a block, which then stands at their median.
    """
    if len(samples) < 2 or width < 1:
        return []
    blocks = _in_blocks(samples, width)
    line = sparkline(blocks, len(blocks), glyphs)[0]
    said = f"rounds 1 to {len(samples)}, {ms(min(blocks))} to {ms(max(blocks))} ms"
    half = len(samples) // 2
    if half >= _LEAST_HALF:
        first, second = statistics.median(samples[:half]), statistics.median(samples[-half:])
        change = 100 * (second / first - 1) if first else 0.0
        said += f"; second half {change:+.1f} %" if abs(change) >= 0.05 else ""
    return [Text(line, look.spark), Text(said, look.muted)]


def _in_blocks(samples: Sequence[float], most: int) -> list[float]:
    number = min(most, len(samples))
    edges = [index * len(samples) // number for index in range(number + 1)]
    return [statistics.median(samples[start:end]) for start, end in pairwise(edges)]
