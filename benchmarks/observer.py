"""Whether watching changes what is watched: calls with telemetry at 10 Hz, and without.

    python benchmarks/observer.py      # needs a CUDA GPU and flash-attn; prints Markdown

Telemetry is read by a process beside the one that measures, as in a run. It is stopped and continued
(SIGSTOP, SIGCONT) between blocks of calls; blocks with and without come in pairs, in random order.
A pair gives one ratio of medians; the target is that the median of the ratios is within 0.3 % of 1.
"""

from __future__ import annotations

import os
import random
import signal
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch

import impls
from profiler.stats import paired_ratio
from profiler.worker.calls import Calls
from profiler.worker.devices import CudaDevice
from profiler.worker.inputs import Tensors, make_inputs
from profiler.worker.timer import Timing
from profiler.workload import PASS_LABELS, Attention, Pass

PAIRS = 30
BLOCK_S = 0.25
SETTLE_S = 0.02  # what was read when the sampler was stopped or woken has passed
TARGET = 0.003

SAMPLER = """
import sys, time
from profiler.machine import telemetry
from profiler.machine.nvml import Nvml
device = Nvml.open().find(sys.argv[1])
readings = 0
def count(event):
    global readings
    readings += 1
sampler = telemetry.Sampler(telemetry.gpu_source(device, int(sys.argv[2])), count)
sampler.start()
print("ready", flush=True)
sys.stdin.read()
sampler.stop()
print(readings, flush=True)
"""


@dataclass
class Subject:
    """A call, and the medians of its blocks in ms, with telemetry and without."""

    implementation: str
    which: Pass
    workload: Attention
    device_ms: dict[bool, list[float]] = field(default_factory=lambda: {True: [], False: []})
    wall_ms: dict[bool, list[float]] = field(default_factory=lambda: {True: [], False: []})

    def add(self, block: list[Timing], *, watched: bool) -> None:
        self.device_ms[watched].append(statistics.median(timing.device_ms for timing in block))
        self.wall_ms[watched].append(statistics.median(timing.wall_ms or 0 for timing in block))


def shape(batch: int, heads: int, seq: int, head_dim: int, dtype: str) -> Attention:
    return Attention(
        batch=batch, seq_q=seq, seq_k=seq, heads=heads, kv_heads=heads, head_dim=head_dim, dtype=dtype
    )


SUBJECTS = [
    Subject("sdpa-cudnn", "fwd", shape(32, 16, 256, 64, "float16")),
    Subject("flash2", "bwd", shape(32, 16, 256, 64, "float16")),
    Subject("pytorch", "fwd", shape(8, 16, 1024, 64, "float16")),
    Subject("flash2", "fwd", shape(2, 16, 8192, 128, "bfloat16")),
]


def main() -> int:
    device = CudaDevice(0)
    uuid = str(torch.cuda.get_device_properties(0).uuid)
    # The repository's own packages, wherever this is started from.
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    sampler = subprocess.Popen(
        [sys.executable, "-c", SAMPLER, uuid, str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert sampler.stdout is not None
    assert sampler.stdout.readline() == "ready\n"
    try:
        for subject in SUBJECTS:
            measure(subject, device, sampler.pid)
    finally:
        sampler.send_signal(signal.SIGCONT)
        readings, _ = sampler.communicate()
    return report(int(readings))


def measure(subject: Subject, device: CudaDevice, sampler_pid: int) -> None:
    implementation = impls.find(subject.implementation)
    inputs = make_inputs(subject.workload, implementation.layout_of(subject.workload), device.name, 0)
    calls = Calls(implementation.prepare(subject.workload, device.name), device)
    order = random.Random(0)
    block(calls, subject, inputs)  # warm-up
    for _ in range(PAIRS):
        for watched in order.sample([True, False], k=2):
            os.kill(sampler_pid, signal.SIGCONT if watched else signal.SIGSTOP)
            time.sleep(SETTLE_S)
            subject.add(block(calls, subject, inputs), watched=watched)


def block(calls: Calls, subject: Subject, inputs: Tensors) -> list[Timing]:
    timings = []
    ends_s = time.monotonic() + BLOCK_S
    while time.monotonic() < ends_s:
        timings.append(calls.time(subject.which, inputs, wall=True))
    return timings


def report(readings: int) -> int:
    print("# What telemetry costs the measurement\n")
    print("Output of `python benchmarks/observer.py`; its head says what is done.\n")
    print(
        f"{torch.cuda.get_device_name()}, torch {torch.__version__}. {PAIRS} pairs of blocks of {BLOCK_S} s,"
    )
    print(f"{readings} readings while it was on. Ratios are with / without, with their 95 % interval.\n")
    print("| call | device time without (us) | ratio | wall time without (us) | ratio |")
    print("|---|---:|---:|---:|---:|")
    met = True
    for subject in SUBJECTS:
        cells = []
        for medians in (subject.device_ms, subject.wall_ms):
            ratio = paired_ratio(medians[True], medians[False])
            cells += [
                f"{statistics.median(medians[False]) * 1000:.1f}",
                f"{ratio.median:.4f} ({ratio.low:.4f} to {ratio.high:.4f})",
            ]
        device_ratio = paired_ratio(subject.device_ms[True], subject.device_ms[False]).median
        met = met and abs(device_ratio - 1) <= TARGET
        load = subject.workload
        size = f"B{load.batch} H{load.heads} S{load.seq_q} D{load.head_dim} {load.dtype}"
        print(f"| {subject.implementation} {PASS_LABELS[subject.which]}, {size} | {' | '.join(cells)} |")
    print(f"\nTarget: device time within {TARGET:.1%}: {'met' if met else 'missed'}.")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
