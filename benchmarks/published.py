"""Published H100 figures beside a session of the preset fa3-paper.

    attnprof run --preset fa3-paper
    python benchmarks/published.py SESSION    # prints Markdown; needs no GPU

The published figures, and where they come from, are in published_h100.json beside this file. They are
TFLOP/s at hidden size 2048 and 16k tokens in float16. The published runs held the SM clock at
1830 MHz (FlashAttention-3, arXiv:2407.08608, appendix B.1), which a GPU under its power limit does not keep.
So beside the ratio of rates stands the same ratio with both at the published clock: what is left of
a difference when the clock is taken out of it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from profiler.results.rows import Row, rows
from profiler.session.reader import read_session
from profiler.session.recording import Recording
from profiler.workload import PASS_LABELS, PASSES

PUBLISHED = Path(__file__).with_name("published_h100.json")
PUBLISHED_MHZ = 1830
LENGTHS = (512, 1024, 2048, 4096, 8192, 16384)
# The names of the figures, and the implementation here that is held against each.
SERIES = {"fa2": ("flash2", "sdpa-flash"), "cudnn": ("sdpa-cudnn",), "standard": ("pytorch",)}
NEAR = (0.9, 1.1)


@dataclass(frozen=True)
class Cell:
    """A published rate in TFLOP/s (None: it ran out of memory) and the row that was measured for it."""

    series: str
    published: float | None
    row: Row

    @property
    def ratio(self) -> float | None:
        """Measured by published."""
        return self.row.tflops / self.published if self.row.tflops and self.published else None

    @property
    def ratio_at_clock(self) -> float | None:
        """The same, had the measured calls kept the published clock and their number of cycles.

        None for forward+backward, whose published clock is not known.
        """
        clock = self.row.sm_mhz if self.row.which != "fwd_bwd" else None
        return self.ratio * PUBLISHED_MHZ / clock.median if self.ratio and clock else None


def cells(measured: list[Row]) -> Iterator[Cell]:
    """Every published cell of which there is a row, in the order of the publication."""
    figures = json.loads(PUBLISHED.read_text())
    by_key = {
        (row.which, row.workload.head_dim, row.workload.causal, row.workload.seq_q, row.implementation): row
        for row in measured
    }
    for which in PASSES:
        for kind, curves in figures[which].items():
            head_dim, causal = int(kind.removeprefix("d").partition("_")[0]), kind.endswith("_causal")
            for series, implementations in SERIES.items():
                for implementation in implementations:
                    for seq, published in zip(LENGTHS, curves.get(series, ()), strict=False):
                        if row := by_key.get((which, head_dim, causal, seq, implementation)):
                            yield Cell(series, published, row)


def main() -> int:
    recording = Recording.of(read_session(Path(sys.argv[1])).events)
    found = list(cells(rows(recording)))
    ratios = [cell.ratio for cell in found if cell.ratio is not None]
    near = sum(NEAR[0] <= ratio <= NEAR[1] for ratio in ratios)
    at_clock = [cell.ratio_at_clock for cell in found if cell.ratio_at_clock is not None]
    near_at_clock = sum(NEAR[0] <= ratio <= NEAR[1] for ratio in at_clock)
    print(f"{near} of {len(ratios)} rates are within {NEAR[0]} to {NEAR[1]} of the published ones;")
    print(f"{near_at_clock} of {len(at_clock)} with the clock taken out ({PUBLISHED_MHZ} MHz for both).\n")
    asked = "pass | head dim | causal | seq | published | TFLOP/s"
    print(f"| {asked} | implementation | measured | ratio | SM MHz | at one clock | seen |")
    print("|---|---:|---|---:|---|---:|---|---:|---:|---:|---:|---|")
    for cell in found:
        print_row(cell)
    return 0


def print_row(cell: Cell) -> None:
    row = cell.row
    load, ratio, at_clock = row.workload, cell.ratio, cell.ratio_at_clock
    values = (
        PASS_LABELS[row.which],
        load.head_dim,
        "yes" if load.causal else "no",
        load.seq_q,
        cell.series,
        "OOM" if cell.published is None else f"{cell.published:g}",
        row.implementation,
        f"{row.tflops:.1f}" if row.tflops else row.status,
        f"{ratio:.2f}{'' if NEAR[0] <= ratio <= NEAR[1] else ' !'}" if ratio else "",
        f"{row.sm_mhz.median:.0f}" if row.sm_mhz else "",
        f"{at_clock:.2f}" if at_clock else "",
        "; ".join(row.conditions),
    )
    print(f"| {' | '.join(map(str, values))} |")


if __name__ == "__main__":
    sys.exit(main())
