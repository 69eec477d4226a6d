"""What attnprof's care costs: lab6's grid by attnprof and by a loop around triton.testing.do_bench.

    python benchmarks/cost.py          # needs a CUDA GPU, flash-attn and attnprof; prints Markdown

Both measure plain PyTorch and flash-attn 2 at three lengths, causal and not, forward and backward:
24 calls. do_bench runs with its defaults (25 ms of warm-up, 100 ms of repeats, L2 cleared); its
times are kept, so that both are judged by the same interval of the median. Since that leaves some
medians known worse than others, a second loop doubles the repeats of a call until its median is
known to 1 %. attnprof runs as a user would run it, accuracy, memory, wall time, ceilings and
speedups included; the time that Python, torch and CUDA take to start is told apart for all.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from profiler.plans.presets import PRESETS
from profiler.results.rows import rows
from profiler.session.reader import read_session
from profiler.session.recording import Recording
from profiler.stats import estimate
from profiler.workload import Attention

PRECISION = 0.01
MOST_REPEATS_MS = 6400


@dataclass(frozen=True)
class Cost:
    """What one way of measuring the grid took, and what it got: half-widths as fractions of the median."""

    way: str
    start_s: float
    measuring_s: float
    half_widths: list[float]

    def line(self) -> str:
        worst, middle = max(self.half_widths), statistics.median(self.half_widths)
        cells = f"{self.start_s:.1f} | {self.measuring_s:.1f} | {middle:.2%} | {worst:.2%}"
        return f"| {self.way} | {cells} | {len(self.half_widths)} |"


def main() -> int:
    costs = [by_do_bench(until=None), by_do_bench(until=PRECISION)]
    costs.append(by_attnprof(f"{PRECISION:.0%}"))
    print("# What a measurement costs\n")
    print("Output of `python benchmarks/cost.py`; its head says what is done.\n")
    print("| way | start (s) | measuring (s) | half-width, median | half-width, worst | calls |")
    print("|---|---:|---:|---:|---:|---:|")
    for cost in costs:
        print(cost.line())
    _, peer, own = costs
    met = own.measuring_s <= peer.measuring_s
    print(f"\nTarget: every median known to {PRECISION:.0%} no later than do_bench does it: ", end="")
    print(f"{'met' if met else 'missed'}.")
    return 0 if met else 1


def by_attnprof(precision: str) -> Cost:
    with tempfile.TemporaryDirectory() as folder:
        command = ["attnprof", "run", "--preset", "lab6", "--pass", "fwd,bwd", "--precision", precision]
        began_s = time.monotonic()
        subprocess.run([*command, "--sessions", folder, "--quiet"], check=True, stdout=subprocess.DEVNULL)
        took_s = time.monotonic() - began_s
        (path,) = Path(folder).glob("*.jsonl")
        recording = Recording.of(read_session(path).events)
    assert recording.header is not None and recording.finished is not None
    # The header is written when the worker is ready.
    measuring_s = recording.finished.at_s - recording.header.at_s
    margins = [row.device_ms.margin for row in rows(recording) if row.device_ms]
    half_widths = [margin for margin in margins if margin is not None]
    return Cost(f"attnprof, --precision {precision}", took_s - measuring_s, measuring_s, half_widths)


def by_do_bench(until: float | None) -> Cost:
    """In a process of its own, as a script would run."""
    began_s = time.monotonic()
    command = [sys.executable, __file__, "--do-bench", *([] if until is None else [str(until)])]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    took_s = time.monotonic() - began_s
    told = json.loads(done.stdout)
    way = "do_bench, defaults" if until is None else f"do_bench, until {until:.0%}"
    return Cost(way, took_s - told["measuring_s"], told["measuring_s"], told["half_widths"])


def do_bench_script(until: float | None) -> None:
    """The loop that people write; with `until`, more repeats where a median is known worse than that."""
    import torch

    small = torch.ones(16, 16, device="cuda", requires_grad=True)
    loss = (small @ small).sum()
    torch.autograd.grad(loss, small, torch.ones_like(loss))  # loads what backward needs
    torch.cuda.synchronize()
    began_s = time.monotonic()  # what comes later is loaded while attnprof measures, too
    from flash_attn import flash_attn_func
    from triton.testing import do_bench

    def plain(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        scores = q @ k.mT * q.shape[-1] ** -0.5
        if mask is not None:
            scores = scores.masked_fill(mask, float("-inf"))
        out: torch.Tensor = scores.softmax(dim=-1) @ v
        return out

    def calls(workload: Attention) -> list[Callable[[], object]]:
        size, length = workload.head_dim, workload.seq_q
        made = [
            torch.randn(workload.batch, workload.heads, length, size, device="cuda", dtype=torch.float16)
            for _ in range(4)
        ]
        q, k, v = (tensor.requires_grad_() for tensor in made[:3])
        fq, fk, fv, flash_grad = (tensor.detach().transpose(1, 2).contiguous() for tensor in made)
        for tensor in (fq, fk, fv):
            tensor.requires_grad_()
        mask = (
            torch.ones(length, length, dtype=torch.bool, device="cuda").triu(1) if workload.causal else None
        )
        out, flash_out = plain(q, k, v, mask), flash_attn_func(fq, fk, fv, causal=workload.causal)
        return [
            lambda: plain(q, k, v, mask),
            lambda: torch.autograd.grad(out, (q, k, v), made[3], retain_graph=True),
            lambda: flash_attn_func(fq, fk, fv, causal=workload.causal),
            lambda: torch.autograd.grad(flash_out, (fq, fk, fv), flash_grad, retain_graph=True),
        ]

    def half_width(call: Callable[[], object]) -> float:
        times_ms: list[float] = do_bench(call, return_mode="all")
        repeats_ms = 100  # do_bench's default
        while True:
            margin = estimate(times_ms).margin
            known = 1.0 if margin is None else margin  # below six samples there is no interval
            if until is None or known <= until or repeats_ms >= MOST_REPEATS_MS:
                return known
            times_ms += do_bench(call, rep=repeats_ms, return_mode="all")
            repeats_ms *= 2

    half_widths = [half_width(call) for workload in PRESETS["lab6"].workloads for call in calls(workload)]
    print(json.dumps({"measuring_s": time.monotonic() - began_s, "half_widths": half_widths}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--do-bench"]:
        do_bench_script(float(sys.argv[2]) if sys.argv[2:] else None)
    else:
        sys.exit(main())
