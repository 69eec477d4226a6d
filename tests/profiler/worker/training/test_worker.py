"""A row measured by the worker as a process, and by one that is held to a little memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec

from profiler.engine.protocol import MeasureTraining, ShapeDone
from profiler.events import TrainingResult
from profiler.training.plan import TrainingCase, TrainingStopping
from tests.profiler.worker.test_main import ROOT, hear_until, worker
from tests.profiler.worker.training.tiny import NOTHING, tiny

HELD = """
import msgspec, torch
from profiler.events import BatchTried, TrainingResult
from profiler.training.model import Gpt, Training
from profiler.training.plan import TrainingStopping
from profiler.worker.devices import open_device
from tests.profiler.worker.training.tiny import NOTHING, train

gpt = Gpt(name="broad", layers=1, heads=1, kv_heads=1, width=16, vocab=8192)
row = Training(model=gpt, context=64)
messages = train(
    ["sdpa"],
    training=row,
    batch=None,
    stopping=TrainingStopping(steps=1, last=1),
    takes=NOTHING,
    device=open_device("cpu", 180 * 2**20),
)
(result,) = (message for message in messages if isinstance(message, TrainingResult))
tried = {message.batch: message.fits for message in messages if isinstance(message, BatchTried)}
print(result.batch, result.peak_bytes // 2**20, sorted(tried.items()))
"""


def test_a_row_is_measured_by_the_worker(tmp_path: Path) -> None:
    training = tiny()
    request = MeasureTraining(
        training=training,
        cases=(TrainingCase(number=7, training=training, implementation="sdpa"),),
        batch=2,
        stopping=TrainingStopping(steps=2, last=1),
        takes=NOTHING,
        seed=0,
    )
    with worker((sys.executable, "-m", "profiler.worker"), tmp_path / "worker.log") as process:
        assert process.stdin is not None
        process.stdin.write(msgspec.json.encode(request) + b"\n")
        process.stdin.flush()
        heard = hear_until(process, ShapeDone)
    assert [message.case for message in heard if isinstance(message, TrainingResult)] == [7]


def test_under_a_real_limit_the_batch_that_fits_is_trained() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HELD],
        cwd=ROOT,
        # Or glibc puts large tensors into its heap, between small ones, by chance: it then cannot shrink.
        env={**os.environ, "MALLOC_MMAP_THRESHOLD_": str(2**20)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    batch, peak_mib, *_ = done.stdout.split()
    # A sequence has logits, their logarithms and gradients: 2 MiB each.
    assert 8 <= int(batch) <= 40
    assert 50 <= int(peak_mib) <= 180
