"""All implementations side by side, from sessions of the presets generations-64, -128 and -256.

    attnprof run --preset generations-64      # and -128, -256
    python -m benchmarks.generations SESSION...   # prints Markdown; needs no GPU

A table for each head dim, mask and pass, a line for each implementation, TFLOP/s over the sequence
length; then what was asked of FlashAttention 1: its rates beside the published ones, and the Triton
version's speed beside it, as the median of the ratios of the same rounds.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from benchmarks.published import LENGTHS, PUBLISHED
from profiler.results.rows import Row, rows
from profiler.session.reader import read_session
from profiler.session.recording import Recording
from profiler.stats import paired_ratio
from profiler.workload import PASS_LABELS, PASSES, Pass

_NOTHING = "-"
_LABELS = {"oom": "OOM", "unsupported": "no"}

Curve = tuple[int, bool, Pass]
"""Head dim, causal, pass."""


def main(arguments: Sequence[str]) -> int:
    recordings = [Recording.of(read_session(Path(name)).events) for name in arguments]
    measured = [row for recording in recordings for row in rows(recording)]
    for curve in curves_of(measured):
        print("\n".join(table(curve, measured)), end="\n\n")
    print("\n".join(flash1_beside_published(measured)), end="\n\n")
    print("\n".join(triton_beside_flash1(recordings)))
    return 0


def curves_of(measured: Iterable[Row]) -> list[Curve]:
    """Those of which there is a row, by head dim, mask and pass."""
    found = {(row.workload.head_dim, row.workload.causal, row.which) for row in measured}
    return sorted(found, key=lambda curve: (curve[0], PASSES.index(curve[2]), curve[1]))


def table(curve: Curve, measured: Iterable[Row]) -> Iterator[str]:
    """TFLOP/s of every implementation over the lengths; the fastest of a length, and its ties, in bold."""
    head_dim, causal, which = curve
    of_curve = [row for row in measured if (row.workload.head_dim, row.workload.causal, row.which) == curve]
    cells = {(row.implementation, row.workload.seq_q): _cell(row) for row in of_curve}
    yield f"### Head dim {head_dim}, {PASS_LABELS[which]}, {'causal' if causal else 'no mask'}"
    yield ""
    yield f"| TFLOP/s | {' | '.join(map(str, LENGTHS))} |"
    yield f"|---|{'---:|' * len(LENGTHS)}"
    for name in dict.fromkeys(row.implementation for row in of_curve):
        yield f"| `{name}` | {' | '.join(cells.get((name, seq), _NOTHING) for seq in LENGTHS)} |"


def _cell(row: Row) -> str:
    if row.tflops is None or row.status != "ok":
        return _LABELS.get(row.status, _NOTHING)
    return f"**{row.tflops:.0f}**" if row.is_fastest else f"{row.tflops:.0f}"


def flash1_beside_published(measured: Iterable[Row]) -> Iterator[str]:
    """FlashAttention 1's rates, and the lowest and highest published over the same lengths."""
    figures = json.loads(PUBLISHED.read_text())["fwd_bwd"]
    yield f"| `flash1`, forward+backward, no mask | published | {' | '.join(map(str, LENGTHS))} |"
    yield f"|---|---:|{'---:|' * len(LENGTHS)}"
    for head_dim in (64, 128):
        rates = {
            row.workload.seq_q: f"{row.tflops:.0f}"
            for row in measured
            if (row.implementation, row.workload.head_dim, row.workload.causal, row.which)
            == ("flash1", head_dim, False, "fwd_bwd")
            and row.tflops
        }
        low, high = figures[f"d{head_dim}"]["fa1"]
        found = " | ".join(rates.get(seq, _NOTHING) for seq in LENGTHS)
        yield f"| head dim {head_dim} | {low:g} to {high:g} | {found} |"


def triton_beside_flash1(recordings: Iterable[Recording]) -> Iterator[str]:
    """flash1's time over flash1-triton's, forward+backward, by the rounds that have both."""
    yield f"| `flash1-triton`: speed beside `flash1` | {' | '.join(map(str, LENGTHS))} |"
    yield f"|---|{'---:|' * len(LENGTHS)}"
    found: dict[tuple[int, bool], dict[int, str]] = {}
    for recording in recordings:
        samples = {
            (case.workload, case.implementation): case.passes["fwd_bwd"].device_ms
            for case in recording.cases.values()
            if "fwd_bwd" in case.passes
        }
        for (workload, name), theirs in samples.items():
            ours = samples.get((workload, "flash1-triton"))
            if name == "flash1" and theirs and ours:
                ratio = paired_ratio(theirs, ours)
                of_curve = found.setdefault((workload.head_dim, workload.causal), {})
                of_curve[workload.seq_q] = f"{ratio.median:.2f} ({ratio.low:.2f} to {ratio.high:.2f})"
    for (head_dim, causal), ratios in sorted(found.items()):
        name = f"head dim {head_dim}, {'causal' if causal else 'no mask'}"
        yield f"| {name} | {' | '.join(ratios.get(seq, _NOTHING) for seq in LENGTHS)} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
