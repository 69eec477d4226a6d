"""What only a GPU can show: hidden launches, its memory, running out of it, and faults."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

import impls
from profiler.events import Failure, Result
from profiler.workload import PASSES
from tests.shapes import attention
from tests.workers import measure

if TYPE_CHECKING:
    from profiler.worker.devices import CudaDevice

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def device() -> Iterator[CudaDevice]:
    from profiler.worker.devices import CudaDevice

    yield CudaDevice(0)


def test_the_hidden_launch_is_not_in_the_device_time(device: CudaDevice) -> None:
    import torch

    tensor = torch.zeros(1, device=device.name)
    timer = device.timer()

    def slow_to_launch() -> None:
        time.sleep(0.002)
        tensor.add_(1)

    timings = [timer.sample(slow_to_launch, wall=True) for _ in range(5)]
    assert all(timing.hidden for timing in timings)
    assert statistics.median(timing.device_ms for timing in timings) < 0.1
    assert all(timing.wall_ms is not None and timing.wall_ms > 2 for timing in timings)


def test_the_hold_forgets_a_hiccup_of_the_host(device: CudaDevice) -> None:
    import torch

    from profiler.worker.hidden_launch import HiddenLaunchTimer

    tensor = torch.zeros(1, device=device.name)
    timer = HiddenLaunchTimer(device.bench)
    naps = iter([0.02] + [0.0] * 60)

    def call() -> None:
        time.sleep(next(naps, 0.0))
        tensor.add_(1)

    for _ in range(40):
        timer.sample(call, wall=False)
    assert timer.sample(call, wall=False).hidden
    assert timer.queueing_us < 1000


def test_a_call_that_waits_for_the_gpu_is_said_not_to_be_hidden(device: CudaDevice) -> None:
    import torch

    timer = device.timer()
    assert not timer.sample(torch.cuda.synchronize, wall=False).hidden


def test_tracked_memory_is_what_the_call_allocated(device: CudaDevice) -> None:
    import torch

    mebibyte = 1024 * 1024

    def call() -> torch.Tensor:
        kept = torch.empty(8 * mebibyte, dtype=torch.uint8, device=device.name)
        torch.empty(16 * mebibyte, dtype=torch.uint8, device=device.name)
        return kept

    tracked = device.track(call)
    assert (tracked.peak_bytes, tracked.held_bytes) == (24 * mebibyte, 8 * mebibyte)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"causal": True},
        {"seq": 57, "causal": True},
        {"kv_heads": 2, "causal": True},
        {"window": 16, "causal": True},
        {"window": 16},
        {"seq": 96, "seq_q": 40, "causal": True},
        {"seq": 40, "seq_q": 96, "causal": True},
        {"head_dim": 128},
        {"head_dim": 8, "causal": True},
        {"head_dim": 4, "causal": True},
    ],
    ids=str,
)
def test_every_implementation_is_right_or_says_why_not(
    device: CudaDevice, dtype: str, shape: dict[str, Any]
) -> None:
    from profiler.worker.accuracy import Reference
    from profiler.worker.check import CannotRun, check

    workload = attention(dtype=dtype, **shape)
    info = impls.DeviceInfo("cuda", "GPU", device.facts().compute_capability)
    reference = Reference.compute(workload, device.name, 0, backward=True)
    for implementation in impls.catalog():
        if implementation.supports(workload, info):
            continue
        try:
            checked = check(implementation, workload, PASSES, device, 0, reference)
        except CannotRun as refusal:
            assert refusal.explanation.kind == "unsupported", (implementation.name, refusal)
            assert refusal.explanation.message
            continue
        assert not checked.lost, (implementation.name, checked.lost)
        assert checked.accuracy is not None
        assert checked.accuracy.verdict == "ok", (implementation.name, checked.accuracy)


def test_sdpa_says_which_backend_ran(device: CudaDevice) -> None:
    from profiler.worker.check import check

    workload = attention(dtype="float16", head_dim=64)
    for name, backend in {"sdpa-flash": "flash", "sdpa-efficient": "efficient", "sdpa-math": "math"}.items():
        assert check(impls.find(name), workload, PASSES, device, 0, None).backend == backend


def test_running_out_of_memory_says_what_was_asked_and_what_fits(device: CudaDevice) -> None:
    total = device.facts().memory_bytes
    assert total is not None
    seq, heads = 8192, 16
    scores_bytes = 2 * heads * seq * seq  # one batch entry's, in float16
    batch = 2 * total // scores_bytes
    workload = attention(batch=batch, seq=seq, heads=heads, head_dim=64, dtype="float16")
    messages = measure(device, workload, ["pytorch"])
    (failure,) = (message for message in messages if isinstance(message, Failure))
    assert failure.kind == "oom"
    assert failure.requested_bytes == pytest.approx(batch * scores_bytes, rel=0.01)
    assert failure.largest_batch is not None
    fits = workload.with_batch(failure.largest_batch)
    assert not [m for m in measure(device, fits, ["pytorch"]) if isinstance(m, Failure)]


def test_a_shape_is_measured_on_the_gpu(device: CudaDevice) -> None:
    messages = measure(device, attention(seq=512, head_dim=64, dtype="float16"), ["pytorch", "sdpa-flash"])
    results = [message for message in messages if isinstance(message, Result)]
    assert len(results) == 6
    for result in results:
        assert result.launch_hidden
        assert result.wall_ms is not None
        assert 0 < result.device_ms.median < result.wall_ms.median
        assert result.memory is not None and result.memory.reserved_bytes
