"""How often the interval of `attnprof compare` holds the true ratio, and what it would say of no change.

    python -m benchmarks.compare_coverage > docs/compare-coverage.md

Two sessions of the same are drawn again and again from one distribution, and compared as any two; then
such of which the second takes longer, to see how often `--fail-over` finds it. What follows is exact but
for the number of draws; it needs no GPU.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Iterator

from profiler.compare.matching import Side
from profiler.compare.ratio import independent_ratio
from profiler.compare.verdict import MARGIN, is_regression, verdict
from profiler.events import Estimate
from profiler.stats import estimate

DRAWS = 4000
COUNTS = ((6, 6), (10, 10), (13, 30), (30, 30))
FAIL_OVER = 0.05
SLOWER = (0.0, 0.03, 0.05, 0.07, 0.1)

Draw = Callable[[random.Random], float]
DISTRIBUTIONS: dict[str, Draw] = {
    "normal, 1 %": lambda generator: 1 + 0.01 * generator.gauss(0, 1),
    "normal, 3 %": lambda generator: 1 + 0.03 * generator.gauss(0, 1),
    "skewed, 2 %": lambda generator: 1 + 0.02 * generator.expovariate(1),
    "two clocks, 5 % apart": lambda generator: (
        (1.05 if generator.random() < 0.45 else 1.0) + 0.002 * generator.gauss(0, 1)
    ),
    "ticks of 0.4 %": lambda generator: round((1 + 0.01 * generator.gauss(0, 1)) / 0.004) * 0.004,
}


def main() -> None:
    """Print the table as Markdown."""
    print("# How often compare's interval holds the true ratio\n")
    print("Output of `python -m benchmarks.compare_coverage`; its head says what is done.\n")
    print(f"{DRAWS:,} pairs of sessions of the same for each line; the margin is {100 * MARGIN:g} %.\n")
    print("| times | samples | interval holds 1 | half width | same | faster or slower | can't tell |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name, draw in DISTRIBUTIONS.items():
        for counts in COUNTS:
            print(_line(name, draw, counts))
    print(f"\n## How often --fail-over {100 * FAIL_OVER:g}% fails\n")
    print("By how much longer the second session truly takes.\n")
    print(f"| times | samples | {' | '.join('as long' if not by else f'{by:.0%}' for by in SLOWER)} |")
    print(f"|---|---:|{'---:|' * len(SLOWER)}")
    for name, draw in DISTRIBUTIONS.items():
        for counts in COUNTS:
            print(_line_of_failures(name, draw, counts))


def _line(name: str, draw: Draw, counts: tuple[int, int]) -> str:
    right = Side("right", "ok")
    held, widths, said = 0, 0.0, Counter[str]()
    for found in _ratios(f"{name} {counts}", draw, counts):
        held += found.low <= 1 <= found.high
        widths += math.log(found.high / found.low) / 2
        said[verdict(right, right, found)] += 1
    wrong = said["faster"] + said["slower"]
    cells = (f"{held / DRAWS:.1%}", f"{widths / DRAWS:.2%}")
    shares = (f"{share / DRAWS:.2%}" for share in (said["same"], wrong, said["can't tell"]))
    return f"| {name} | {counts[0]} and {counts[1]} | {' | '.join((*cells, *shares))} |"


def _line_of_failures(name: str, draw: Draw, counts: tuple[int, int]) -> str:
    right, cells = Side("right", "ok"), []
    for by in SLOWER:
        found = _ratios(f"{name} {counts} {by}", draw, counts, 1 / (1 + by))
        failed = sum(is_regression(verdict(right, right, each), each, FAIL_OVER) for each in found)
        cells.append(f"{failed / DRAWS:.2%}")
    return f"| {name} | {counts[0]} and {counts[1]} | {' | '.join(cells)} |"


def _ratios(seed: str, draw: Draw, counts: tuple[int, int], scale: float = 1.0) -> Iterator[Estimate]:
    """`scale` times the ratios of sessions of the same."""
    generator = random.Random(seed)
    for _ in range(DRAWS):
        one, other = (estimate([draw(generator) for _ in range(count)]) for count in counts)
        found = independent_ratio(one, other, scale)
        assert found is not None
        yield found


if __name__ == "__main__":
    main()
