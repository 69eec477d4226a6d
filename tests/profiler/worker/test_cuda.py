"""What only a GPU can show: hidden launches, its memory, running out of it, and faults."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

import impls
from profiler.engine.protocol import WorkerMessage
from profiler.events import Energy, Failure, Kernels, Replayed, Result, Samples
from profiler.plans.plan import Case, Takes
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


def test_a_slow_host_is_not_in_the_event_pairs_cost(
    device: CudaDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from profiler.worker.hidden_launch import LaunchBench

    record = torch.cuda.Event.record

    def slow_record(event: torch.cuda.Event) -> None:
        time.sleep(0.001)
        record(event)

    monkeypatch.setattr(torch.cuda.Event, "record", slow_record)
    bench = LaunchBench(device.name, 0, device.bench.clock)
    assert 0 < bench.event_pair_ms < 0.01


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


def test_each_sample_has_its_own_clock(device: CudaDevice) -> None:
    import torch

    from profiler.machine.nvml import Nvml

    found = Nvml.open().find(str(torch.cuda.get_device_properties(0).uuid))
    most_mhz = found.gpu().max_sm_mhz if found else None
    timer = device.timer()
    matrix = torch.randn(2048, 2048, device=device.name)
    for _ in range(5):
        clock = timer.sample(lambda: matrix @ matrix, wall=False).sm_mhz
        assert clock is not None
        assert 100 < clock <= 1.02 * (most_mhz or 3000)


def test_a_spin_of_known_cycles_takes_as_many_by_time_and_clock(device: CudaDevice) -> None:
    import torch

    cycles = 2_000_000
    timings = [device.timer().sample(lambda: torch.cuda._sleep(cycles), wall=False) for _ in range(5)]
    taken = [timing.device_ms * 1000 * timing.sm_mhz for timing in timings if timing.sm_mhz is not None]
    assert statistics.median(taken) == pytest.approx(cycles, rel=0.02)


def test_the_ceilings_are_those_of_a_gpu(device: CudaDevice) -> None:
    from profiler.worker.ceilings import measure_ceilings

    measured = measure_ceilings(["float16", "float32"], device)
    half, single = measured.matmul["float16"], measured.matmul["float32"]
    assert half.tflops > 2 * single.tflops > 0
    assert half.sm_mhz is not None
    assert measured.copy is not None
    assert measured.copy.gb_per_s > 100


@pytest.mark.parametrize("which", PASSES)
def test_a_short_call_is_replayed_as_a_graph(device: CudaDevice, which: Any) -> None:
    from profiler.worker.calls import Calls
    from profiler.worker.graphs import capture
    from profiler.worker.inputs import make_inputs

    workload = attention(batch=2, seq=256, head_dim=64, dtype="float16")
    for name in ("pytorch", "sdpa-flash"):
        implementation = impls.find(name)
        inputs = make_inputs(workload, implementation.layout_of(workload), device.name, 0)
        attend = implementation.prepare(workload, device.name)
        calls = Calls(attend, device)
        result = capture(calls, which, inputs, device.capture_stream)()
        device.synchronize()
        again = calls.ready(which, inputs)()
        for one, other in zip(_tensors(result), _tensors(again), strict=True):
            assert (one - other).abs().max() < 1e-2
            assert one.abs().max() > 0


def test_a_call_that_refuses_to_be_captured_costs_its_graph_alone(device: CudaDevice) -> None:
    """It raises without spoiling the capture: torch then ends it as if it had gone well."""
    import torch

    from profiler.worker.calls import Calls
    from profiler.worker.graphs import capture
    from profiler.worker.inputs import make_inputs

    def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        out = torch.nn.functional.scaled_dot_product_attention(q, k, v)
        if torch.cuda.is_current_stream_capturing():
            raise ValueError("not in a graph")
        return out

    inputs = make_inputs(attention(batch=1, head_dim=64, dtype="float16"), "bhsd", device.name, 0)
    held = []
    for _ in range(3):
        with pytest.raises(ValueError, match="not in a graph"):
            capture(Calls(attend, device), "fwd", inputs, device.capture_stream)
        device.release()
        held.append(torch.cuda.memory_reserved())
    assert held[1:] == held[:1] * 2
    assert not torch.cuda.is_current_stream_capturing()


def test_captures_leave_no_memory_behind(device: CudaDevice) -> None:
    import torch

    from profiler.worker.calls import Calls
    from profiler.worker.graphs import capture
    from profiler.worker.inputs import make_inputs

    workload = attention(batch=2, seq=256, head_dim=64, dtype="float16")
    inputs = make_inputs(workload, "bhsd", device.name, 0)
    calls = Calls(impls.find("pytorch").prepare(workload, device.name), device)
    held = []
    for _ in range(4):
        capture(calls, "bwd", inputs, device.capture_stream)()
        device.release()
        held.append(torch.cuda.memory_allocated())
    assert held[1:] == held[:1] * 3


def _tensors(result: Any) -> tuple[Any, ...]:
    return result if isinstance(result, tuple) else (result,)


def test_what_waits_for_the_gpu_cannot_be_a_graph_and_the_gpu_goes_on(device: CudaDevice) -> None:
    import torch

    from impls.contract import Implementation
    from profiler.worker.check import Checked
    from profiler.worker.extras import take_extras
    from profiler.worker.rounds import Series
    from profiler.worker.subject import SharedInputs, Subject

    def prepare(workload: object, name: str) -> Any:
        def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            scale = float(q.abs().max().clamp(1, 1))  # waits
            return torch.nn.functional.scaled_dot_product_attention(q * scale, k, v)

        return attend

    waits = Implementation(name="waits", label="waits", summary="waits", prepare=prepare)
    workload = attention(batch=1, seq=64, head_dim=64, dtype="float16")
    shared = SharedInputs(workload, device, 0)
    case = Case(number=0, workload=workload, implementation="waits")
    subject = Subject(case, waits, Checked(), ("fwd",), shared, device)
    sent: list[WorkerMessage] = []
    take_extras(subject, {"fwd": Series([0.1], wall_ms=[1.0])}, Takes(), device, sent.append)
    (graph,) = sent
    assert isinstance(graph, Replayed)
    assert "captur" in (graph.reason or "")
    assert not graph.replay_ms
    replayed = Subject(case, replace(waits, replays=True), Checked(), ("fwd",), shared, device)
    take_extras(replayed, {"fwd": Series([0.1], wall_ms=[1.0])}, Takes(), device, sent.append)
    assert len(sent) == 1  # a graph of graphs is not tried
    assert torch.cuda.current_stream() == torch.cuda.default_stream()
    device.release()
    held = torch.cuda.memory_reserved()
    for _ in range(3):
        take_extras(subject, {"fwd": Series([0.1], wall_ms=[1.0])}, Takes(), device, sent.append)
    device.release()
    assert torch.cuda.memory_reserved() == held
    after = measure(device, workload, ["sdpa-flash"])
    assert len([message for message in after if isinstance(message, Result)]) == 3


def test_kernels_and_energy_of_a_case(device: CudaDevice) -> None:
    workload = attention(batch=4, seq=2048, head_dim=64, dtype="float16", heads=16)
    takes = Takes(accuracy=False, energy=True, kernels=True)
    messages = measure(device, workload, ["sdpa-flash"], passes=("fwd",), takes=takes)
    (result,) = (message for message in messages if isinstance(message, Result))
    (kernels,) = (message for message in messages if isinstance(message, Kernels))
    assert any("flash_fwd" in kernel.name for kernel in kernels.kernels)
    assert kernels.span_us == pytest.approx(result.device_ms.median * 1000, rel=0.2)
    (energy,) = (message for message in messages if isinstance(message, Energy))
    assert energy.window_s >= 1
    assert 50 < energy.power_w < 1500
    assert energy.joules == pytest.approx(energy.power_w * energy.call_ms / 1000, rel=1e-3)
    assert energy.call_ms == pytest.approx(result.device_ms.median, rel=0.5)


def test_samples_carry_their_clocks(device: CudaDevice) -> None:
    messages = measure(device, attention(seq=512, head_dim=64, dtype="float16"), ["sdpa-flash"])
    samples = [message for message in messages if isinstance(message, Samples)]
    assert samples
    assert all(len(taken.sm_mhz) == len(taken.device_ms) for taken in samples)
    results = [message for message in messages if isinstance(message, Result)]
    assert len(results) == 3
    for result in results:
        assert result.sm_mhz is not None
        assert result.mega_cycles == pytest.approx(
            result.device_ms.median * result.sm_mhz.median / 1000, rel=0.05
        )


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
        if implementation.compiled and shape:
            continue  # seconds for each shape: tests/impls/test_flex.py and benchmarks/features.py try more
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


def test_a_limit_holds_tensors_to_what_a_small_card_has_left_of_it() -> None:
    import subprocess
    import sys

    script = """
import torch
from profiler.worker.devices import CudaDevice
GIB = 2**30
device = CudaDevice(0, 4 * GIB)
def fits(gib):
    try:
        return torch.empty(int(gib * GIB), dtype=torch.uint8, device="cuda").nbytes > 0
    except torch.OutOfMemoryError:
        return False
    finally:
        device.release()
with device.without_limit():
    lifted = fits(4.5) and device.available_bytes() > 4 * GIB
print(fits(2.5), fits(4.0), lifted, device.available_bytes() < 4 * GIB)
try:
    CudaDevice(0, 2**26)
    print("opened, for what CUDA takes is", device.process_bytes())
except RuntimeError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    held, tiny = done.stdout.splitlines()
    assert held == "True False True True"
    assert "leaves nothing" in tiny or tiny.endswith("is None")


def test_a_shape_is_measured_on_the_gpu(device: CudaDevice) -> None:
    messages = measure(device, attention(seq=512, head_dim=64, dtype="float16"), ["pytorch", "sdpa-flash"])
    results = [message for message in messages if isinstance(message, Result)]
    assert len(results) == 6
    for result in results:
        assert result.launch_hidden
        assert result.wall_ms is not None
        assert 0 < result.device_ms.median < result.wall_ms.median
        assert result.memory is not None and result.memory.reserved_bytes
