"""How often attnprof sees a difference where there is none: every implementation against itself.

    python benchmarks/aa.py            # needs a CUDA GPU and flash-attn; prints Markdown

Each of four implementations is entered twice, under two names, and the eight are measured together
as any comparison is: rounds to 1 % precision, speedup from the ratios of the same round. The true
ratio is 1, so its 95 % interval should hold 1 in 95 of 100 repetitions; the target is 93 %, and a
ratio within 0.5 % of 1 in 95 % of them, over all calls together. Beside it stands what people do
otherwise: the same calls measured one name after the other, and the ratio of the two medians, which
is called a difference where their intervals do not touch.
"""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

import impls
from impls import Implementation
from profiler.engine.protocol import MeasureShape, WorkerMessage
from profiler.events import Samples
from profiler.plans.plan import Case, Stopping, Takes
from profiler.stats import estimate, paired_ratio
from profiler.worker.devices import CudaDevice
from profiler.worker.shape import measure_shape
from profiler.workload import PASS_LABELS, Attention, Pass

IMPLEMENTATIONS = ("pytorch", "sdpa-flash", "sdpa-cudnn", "flash2")
PASSES: tuple[Pass, ...] = ("fwd", "bwd")
WORKLOAD = Attention(batch=8, seq_q=1024, seq_k=1024, heads=16, kv_heads=16, head_dim=64, dtype="float16")
REPETITIONS = 20
STOPPING = Stopping(precision=0.01, budget_s=3.0)
TWIN = "'"  # the second name is the first with this behind it
HELD_TARGET, OFF_TARGET = 0.93, 0.005


@dataclass
class Tally:
    """Ratios of one call to itself, and how often 1 was held to be possible."""

    ratios: list[float] = field(default_factory=list)
    held: int = 0

    def add(self, ratio: float, *, holds_one: bool) -> None:
        self.ratios.append(ratio)
        self.held += holds_one

    @property
    def held_share(self) -> float:
        return self.held / len(self.ratios)

    @property
    def off(self) -> float:
        """|ratio - 1| at its 95th percentile."""
        distances = sorted(abs(ratio - 1) for ratio in self.ratios)
        return distances[math.ceil(0.95 * len(distances)) - 1]


Key = tuple[str, Pass]


def find(name: str) -> Implementation:
    return impls.find(name.removesuffix(TWIN))


def measure(names: Sequence[str], seed: int, device: CudaDevice) -> dict[Key, list[float]]:
    """The samples in ms of each name's passes, measured together."""
    cases = tuple(
        Case(number=number, workload=WORKLOAD, implementation=name) for number, name in enumerate(names)
    )
    messages: list[WorkerMessage] = []
    request = MeasureShape(
        workload=WORKLOAD,
        cases=cases,
        passes=PASSES,
        stopping=STOPPING,
        takes=Takes(accuracy=False, graphs=False),
        seed=seed,
    )
    measure_shape(request, device, find, messages.append)
    times: dict[Key, list[float]] = {}
    for message in messages:
        if isinstance(message, Samples):
            times.setdefault((names[message.case], message.which), []).extend(message.device_ms)
    return times


def main() -> int:
    device = CudaDevice(0)
    keys = [(name, which) for name in IMPLEMENTATIONS for which in PASSES]
    paired, unpaired = ({key: Tally() for key in keys} for _ in range(2))
    both = [name + suffix for name in IMPLEMENTATIONS for suffix in ("", TWIN)]
    rounds = []
    for repetition in range(REPETITIONS):
        together = measure(both, repetition, device)
        apart = {key: value for name in both for key, value in measure([name], repetition, device).items()}
        for name, which in keys:
            one, other = together[name, which], together[name + TWIN, which]
            ratio = paired_ratio(one, other)
            paired[name, which].add(ratio.median, holds_one=ratio.low <= 1 <= ratio.high)
            rounds.append(len(one))
            first, second = estimate(apart[name, which]), estimate(apart[name + TWIN, which])
            touch = first.low <= second.high and second.low <= first.high
            unpaired[name, which].add(first.median / second.median, holds_one=touch)
    return report(paired, unpaired, rounds)


def report(paired: dict[Key, Tally], unpaired: dict[Key, Tally], rounds: list[int]) -> int:
    shape = f"B{WORKLOAD.batch} H{WORKLOAD.heads} S{WORKLOAD.seq_q} D{WORKLOAD.head_dim} {WORKLOAD.dtype}"
    print("# A/A: differences where there are none\n")
    print("Output of `python benchmarks/aa.py`; its head says what is done.\n")
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {shape}. {REPETITIONS} repetitions,")
    print(f"{min(rounds)} to {max(rounds)} rounds each (median {statistics.median(rounds):.0f}).\n")
    print("| call | paired: 1 held | off by at most (95 %) | unpaired: intervals touch | off (95 %) |")
    print("|---|---:|---:|---:|---:|")
    for key, tally in paired.items():
        print_row(f"{key[0]} {PASS_LABELS[key[1]]}", tally, unpaired[key])
    all_paired, all_unpaired = whole(paired), whole(unpaired)
    print_row("all", all_paired, all_unpaired)
    met = all_paired.held_share >= HELD_TARGET and all_paired.off <= OFF_TARGET
    target = f"1 held in {HELD_TARGET:.0%}, off by at most {OFF_TARGET:.1%}"
    print(f"\nTarget: {target}: {'met' if met else 'missed'}.")
    return 0 if met else 1


def whole(tallies: dict[Key, Tally]) -> Tally:
    return Tally(
        [ratio for tally in tallies.values() for ratio in tally.ratios],
        sum(tally.held for tally in tallies.values()),
    )


def print_row(name: str, paired: Tally, unpaired: Tally) -> None:
    cells = f"{paired.held_share:.1%} | {paired.off:.2%} | {unpaired.held_share:.1%} | {unpaired.off:.2%}"
    print(f"| {name} | {cells} |")


if __name__ == "__main__":
    sys.exit(main())
