"""What only a GPU can show of training: its clocks, its memory, its kernels and graphs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

import impls
from impls import DeviceInfo
from profiler.engine.protocol import WorkerMessage
from profiler.events import Log, Steps, TrainingChecked, TrainingFailure, TrainingResult
from profiler.training.model import Gpt, Training
from profiler.training.plan import TrainingStopping, TrainingTakes
from tests.profiler.worker.training.tiny import of, train

if TYPE_CHECKING:
    from profiler.worker.devices import CudaDevice

pytestmark = [
    pytest.mark.gpu,
    # Torch warns of what its own parts do: CUDA graph trees record an empty graph first of all, and
    # Dynamo makes instances of the autograd functions that it traces.
    pytest.mark.filterwarnings("ignore:The CUDA Graph is empty:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*[Ii]nstantiating an autograd function:DeprecationWarning"),
]

NAMES = ("pytorch", "sdpa-flash", "flash2")
STOPPING = TrainingStopping(steps=16, last=10)


@pytest.fixture(scope="module")
def device() -> Iterator[CudaDevice]:
    from profiler.worker.devices import open_device

    found = open_device("cuda:0")
    yield found  # type: ignore[misc]


def gpt(**sizes: Any) -> Gpt:
    """As broad as GPT-2 small, with fewer layers."""
    return Gpt(**{"name": "short", "layers": 4, "heads": 12, "kv_heads": 12, "width": 768, **sizes})


def short(*, context: int = 512, dtype: str = "float16", **row: Any) -> Training:
    return Training(model=row.pop("model", gpt()), context=context, dtype=dtype, **row)


def runnable(device: CudaDevice, training: Training) -> list[str]:
    info = DeviceInfo("cuda", "GPU", device.facts().compute_capability)
    return [name for name in NAMES if impls.find(name).supports(training.attention(8), info) is None]


def measured(device: CudaDevice, training: Training, **asked: Any) -> list[WorkerMessage]:
    names = asked.pop("names", None) or runnable(device, training)
    asked = {"batch": 8, "stopping": STOPPING, "takes": TrainingTakes(), **asked}
    return train(names, training=training, device=device, **asked)


def look_at(messages: list[WorkerMessage]) -> dict[str, TrainingResult]:
    """The results by implementation; all is well with them."""
    assert not of(TrainingFailure, messages), of(TrainingFailure, messages)
    assert not of(Log, messages), of(Log, messages)
    for check in of(TrainingChecked, messages):
        assert check.agreement is not None, check.notes
        assert check.agreement.verdict == "ok", check.agreement
    for told in of(Steps, messages):
        assert all(loss is not None and 0 < loss < 2 * math.log(16_384) for loss in told.loss)
    results = {result.implementation: result for result in of(TrainingResult, messages)}
    for result in results.values():
        parts = result.forward_ms + result.backward_ms + result.optimizer_ms
        assert parts == pytest.approx(result.step_ms.median, rel=0.1)
        assert result.attention_percent is not None and 0 < result.attention_percent < 100
        assert result.gpu_busy_percent is not None and 0 < result.gpu_busy_percent < 105
        assert result.reserved_bytes is not None and result.reserved_bytes >= result.peak_bytes
        assert result.step_ms.high < 3 * result.step_ms.low
    return results


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("mode", ["eager", "compile", "fullgraph"])
def test_a_row_is_measured(device: CudaDevice, mode: Any, dtype: str) -> None:
    messages = measured(device, short(mode=mode, dtype=dtype))
    results = look_at(messages)
    assert results["sdpa-flash"].peak_bytes < results["pytorch"].peak_bytes
    assert results["sdpa-flash"].tokens_per_s > results["pytorch"].tokens_per_s
    for check in of(TrainingChecked, messages):
        assert check.graph_breaks == (None if mode == "eager" else {})


def test_plain_attention_is_compiled_as_it_is_written(device: CudaDevice) -> None:
    """Inductor knows patterns of plain attention and puts SDPA in their place."""
    import torch._dynamo.utils

    counters = torch._dynamo.utils.counters["inductor"]
    before = counters["fuse_attention"]
    look_at(measured(device, short(mode="compile"), names=["pytorch"]))
    assert counters["fuse_attention"] == before


def test_float32_is_measured(device: CudaDevice) -> None:
    look_at(measured(device, short(dtype="float32"), names=["pytorch", "sdpa-efficient"]))


def test_grouped_queries_are_trained(device: CudaDevice) -> None:
    look_at(measured(device, short(model=gpt(kv_heads=4))))


@pytest.mark.parametrize("optimizer", ["adamw-foreach", "adamw-fused"])
def test_every_implementation_trains_or_says_why_not(device: CudaDevice, optimizer: Any) -> None:
    training = short(optimizer=optimizer, context=256)
    names = [implementation.name for implementation in impls.catalog()]
    messages = measured(device, training, names=names, stopping=TrainingStopping(steps=3, last=2))
    for failure in of(TrainingFailure, messages):
        assert failure.kind == "unsupported", failure
    for check in of(TrainingChecked, messages):
        assert check.agreement is not None and check.agreement.verdict == "ok", (check, names[check.case])


def test_steps_are_timed_as_a_stream_that_never_runs_dry(device: CudaDevice) -> None:
    """Events of steps that are queued at once say what the host's clock says of all of them."""
    import time

    from profiler.worker.training.shared import SharedModel
    from profiler.worker.training.steps import run_block
    from profiler.worker.training.trainer import Trainer

    shared = SharedModel(short(dtype="bfloat16", optimizer="adamw-fused"), device, 0)
    trainer = Trainer(shared, impls.find("sdpa-flash"), 16, device)
    run_block(trainer, 5, lead_in=2)
    device.synchronize()
    began = time.perf_counter()
    block = run_block(trainer, 20, lead_in=0)
    wall_ms = (time.perf_counter() - began) * 1000
    assert sum(block.step_ms) == pytest.approx(wall_ms, rel=0.05)


def test_cuda_graphs_are_replayed_and_leave_nothing_behind(device: CudaDevice) -> None:
    import torch

    training = short(context=128, mode="reduce-overhead")
    device.release()
    held = torch.cuda.memory_reserved()
    for _ in range(2):
        messages = measured(device, training, batch=4)
        results = look_at(messages)
        assert not [n for check in of(TrainingChecked, messages) for n in check.notes if "did without" in n]
        eager = look_at(measured(device, short(context=128), batch=4))
        for name, result in results.items():
            assert result.step_ms.median < eager[name].step_ms.median
        device.release()
    assert torch.cuda.memory_reserved() <= held + 64 * 2**20


@pytest.mark.parametrize("mode", ["eager", "compile", "reduce-overhead"])
def test_the_largest_batch_under_a_limit_fits_and_the_next_does_not(mode: Any) -> None:
    """In a process of its own: a device has one limit for good.

    Without torch's caches: what is found in them need not be tuned, which takes memory at the first step.
    """
    import os
    import subprocess
    import sys

    script = f"""
from profiler.events import BatchTried, TrainingChecked, TrainingFailure, TrainingResult
from profiler.training.plan import TrainingStopping, TrainingTakes
from profiler.worker.devices import open_device
from tests.profiler.worker.training.test_cuda_training import short
from tests.profiler.worker.training.tiny import NOTHING, of, train

GIB = 2**30
device = open_device("cuda:0", 6 * GIB)
names = ["pytorch", "sdpa-flash"]
row = dict(training=short(mode={mode!r}), device=device, stopping=TrainingStopping(steps=10, last=8))
messages = train(names, batch=None, takes=TrainingTakes(), **row)
assert not of(TrainingFailure, messages), of(TrainingFailure, messages)
plain, flash = of(TrainingResult, messages)
assert plain.batch < flash.batch, (plain.batch, flash.batch)
for result, name in zip((plain, flash), names):
    assert result.peak_bytes < result.reserved_bytes <= 6 * GIB, result
    tried = [said for said in of(BatchTried, messages) if said.case == result.case]
    assert len(tried) <= 7, tried
    larger = result.batch + (8 if result.batch >= 8 else 1)
    (next_one,) = train([name], batch=larger, takes=NOTHING, **row)[-2:-1]
    assert isinstance(next_one, TrainingFailure) and next_one.kind == "oom", (
        next_one, result, of(BatchTried, messages), of(TrainingChecked, messages))
    assert next_one.requested_bytes
print("well")
"""
    without_caches = {**os.environ, "TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, env=without_caches
    )
    assert done.stdout.strip().endswith("well"), done.stdout + done.stderr


def test_after_running_out_of_memory_all_of_it_is_there_again(device: CudaDevice) -> None:
    import torch

    device.release()
    held = torch.cuda.memory_allocated()
    total = device.facts().memory_bytes
    assert total is not None
    batch = total // (512 * 16_384 * 4)  # the logits alone would fill it
    (failure,) = of(TrainingFailure, measured(device, short(), names=["sdpa-flash"], batch=batch))
    assert failure.kind == "oom"
    assert failure.requested_bytes
    assert torch.cuda.memory_allocated() == held
    assert look_at(measured(device, short(), names=["sdpa-flash"]))


def test_a_case_beside_others_has_the_time_and_memory_that_it_has_alone(device: CudaDevice) -> None:
    """At a batch that keeps the GPU busy: what a shared host needs for a step differs from run to run."""
    together = look_at(measured(device, short(), batch=48))
    (alone,) = look_at(measured(device, short(), batch=48, names=["sdpa-flash"])).values()
    assert alone.gpu_busy_percent is not None and alone.gpu_busy_percent > 90
    beside = together["sdpa-flash"]
    assert beside.peak_bytes == pytest.approx(alone.peak_bytes, rel=0.01)
    assert beside.step_ms.median == pytest.approx(alone.step_ms.median, rel=0.1)


def test_eight_bit_states_take_less_memory(device: CudaDevice) -> None:
    pytest.importorskip("bitsandbytes")
    eight, whole = (
        look_at(measured(device, short(optimizer=name), names=["sdpa-flash"]))["sdpa-flash"]
        for name in ("adamw-8bit", "adamw-foreach")
    )
    assert eight.peak_bytes < whole.peak_bytes - 4 * short().parameters
