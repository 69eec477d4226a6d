"""Energy of repeated calls: a made-up GPU, its energy counter and its host, in made-up time."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from profiler.worker.energy import EnergyWindow, NoEnergyCounter, energy_of, measure_energy

READ_S = 0.004
BUSY_W = 500.0
IDLE_W = 100.0


@dataclass
class FakeGpu:
    """Runs calls in order while the host queues them; time passes only by what the host does.

    A marker is the time at which the GPU comes to it. The counter steps every `step_s`, from
    `first_step_s` on, and is then `lag_steps` behind the truth.
    """

    call_s: float
    launch_s: float = 10e-6
    step_s: float = 0.1
    first_step_s: float = 0.013
    lag_steps: int = 0
    now_s: float = 0.0
    free_at_s: float = 0.0
    calls: int = 0
    most_ahead_s: float = 0.0
    busy: list[tuple[float, float]] = field(default_factory=list)

    def call(self) -> None:
        self.now_s += self.launch_s
        if self.now_s > self.free_at_s or not self.busy:
            self.busy.append((self.now_s, self.now_s))
            self.free_at_s = self.now_s
        self.free_at_s += self.call_s
        self.busy[-1] = (self.busy[-1][0], self.free_at_s)
        self.most_ahead_s = max(self.most_ahead_s, self.free_at_s - self.now_s)
        self.calls += 1

    def mark(self) -> float:
        return self.free_at_s

    def is_done(self, marker: float) -> bool:
        return marker <= self.now_s

    def between_ms(self, first: float, last: float) -> float:
        assert max(first, last) <= self.now_s
        return (last - first) * 1000

    def drain(self) -> None:
        self.now_s = max(self.now_s, self.free_at_s)

    def clock(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def counter_j(self) -> float | None:
        self.now_s += READ_S
        steps = math.floor((self.now_s - self.first_step_s) / self.step_s)
        return self.energy_j(self.first_step_s + (steps - self.lag_steps) * self.step_s)

    def energy_j(self, until_s: float) -> float:
        busy_s = sum(max(min(end, until_s) - start, 0.0) for start, end in self.busy)
        return IDLE_W * until_s + (BUSY_W - IDLE_W) * busy_s

    def measure(self, call_ms: float | None = None, least_s: float = 1.0) -> EnergyWindow:
        return measure_energy(
            self,
            self.call_s * 1000 if call_ms is None else call_ms,
            self.counter_j,
            clock=self.clock,
            sleep=self.sleep,
            least_s=least_s,
        )


@pytest.mark.parametrize("call_ms", [0.03, 1.0, 45.0, 700.0])
def test_a_gpu_that_draws_the_same_all_the_time_gives_power_times_time(call_ms: float) -> None:
    window = FakeGpu(call_ms / 1000).measure()
    # A step is seen up to one read late, at either end.
    assert window.power_w == pytest.approx(BUSY_W, rel=READ_S / window.window_s)
    assert window.call_ms == pytest.approx(call_ms)
    assert window.joules == pytest.approx(BUSY_W * call_ms / 1000, rel=READ_S / window.window_s)
    assert window.window_s >= 1.0
    assert window.calls >= 2


@pytest.mark.parametrize("first_step_s", [0.0, 0.1, 0.2])
def test_the_window_begins_and_ends_at_steps_of_the_counter(first_step_s: float) -> None:
    """Between them the counter is up to a step behind: with these steps a fifth of the window's energy."""
    window = FakeGpu(0.001, step_s=0.3, first_step_s=first_step_s).measure()
    assert window.power_w == pytest.approx(BUSY_W, rel=READ_S / window.window_s)
    assert window.window_s == pytest.approx(1.2, abs=READ_S)


@pytest.mark.parametrize("first_step_s", [0.02, 0.05, 0.08])
def test_what_the_gpu_drew_before_the_calls_is_left_out_of_a_counter_that_lags(first_step_s: float) -> None:
    window = FakeGpu(0.001, first_step_s=first_step_s, lag_steps=1).measure()
    assert window.power_w == pytest.approx(BUSY_W, rel=READ_S / window.window_s)


@pytest.mark.parametrize("call_ms", [0.03, 1.0, 45.0, 700.0])
def test_the_gpu_never_waits_for_the_host_and_is_left_with_little_to_do(call_ms: float) -> None:
    gpu = FakeGpu(call_ms / 1000)
    gpu.measure()
    assert len(gpu.busy) == 1
    # Two long calls, or the 30 ms ahead with a batch and a call more.
    assert gpu.most_ahead_s * 1000 <= max(2 * call_ms, 30 + 2 + call_ms)
    assert gpu.now_s >= gpu.free_at_s


@pytest.mark.parametrize("told_ms", [0.4, 4.0])
def test_a_wrong_idea_of_the_call_s_time_spoils_nothing(told_ms: float) -> None:
    gpu = FakeGpu(0.001)
    window = gpu.measure(call_ms=told_ms, least_s=0.3)
    assert window.joules == pytest.approx(BUSY_W / 1000, rel=READ_S / window.window_s)
    assert window.call_ms == pytest.approx(1.0)


def test_a_call_too_short_to_have_a_time_is_measured_too() -> None:
    assert FakeGpu(0.2e-6).measure(call_ms=0.0, least_s=0.3).call_ms == pytest.approx(0.01, rel=0.1)


def test_launch_bound_calls_run_as_fast_as_the_host_queues_them() -> None:
    gpu = FakeGpu(5e-6, launch_s=50e-6)
    window = gpu.measure()
    steady_w = (5 * BUSY_W + 45 * IDLE_W) / 50
    # While the counter is read the GPU idles: at most READ_S of every turn, in the last step only.
    assert 0.05 <= window.call_ms < 0.05 * 1.03
    assert window.joules == pytest.approx(steady_w * 50e-6, rel=0.03)
    assert gpu.most_ahead_s < 0.001


def test_the_window_is_as_long_as_asked_and_a_step_at_most() -> None:
    assert 0.25 <= FakeGpu(0.001).measure(least_s=0.25).window_s <= 0.35 + READ_S


def test_the_counter_is_read_only_near_the_ends() -> None:
    gpu = FakeGpu(0.001)
    reads = []

    def counter_j() -> float | None:
        reads.append(gpu.now_s)
        return gpu.counter_j()

    measure_energy(gpu, 1.0, counter_j, clock=gpu.clock, sleep=gpu.sleep)
    # The start of the window is a step; from there to its last step nothing.
    assert max(after - before for before, after in pairwise(reads)) > 0.99


def test_a_gpu_without_a_counter_is_told_before_anything_runs() -> None:
    gpu = FakeGpu(0.001)
    with pytest.raises(NoEnergyCounter, match="no energy counter"):
        measure_energy(gpu, 1.0, lambda: None, clock=gpu.clock, sleep=gpu.sleep)
    assert gpu.calls == 0


def test_a_counter_that_stands_still_is_given_up_and_the_queue_run_empty() -> None:
    gpu = FakeGpu(0.001, step_s=1e9)
    with pytest.raises(NoEnergyCounter, match="did not move in 2 s"):
        gpu.measure()
    assert 2 < gpu.now_s < 2.1
    assert gpu.now_s >= gpu.free_at_s


def test_a_counter_that_goes_away_is_no_number() -> None:
    gpu = FakeGpu(0.001)
    with pytest.raises(NoEnergyCounter, match="no energy counter"):
        measure_energy(
            gpu,
            1.0,
            lambda: gpu.counter_j() if gpu.now_s < 0.5 else None,
            clock=gpu.clock,
            sleep=gpu.sleep,
        )


def test_a_call_that_fails_ends_it_with_its_own_error() -> None:
    class Failing(FakeGpu):
        def call(self) -> None:
            if self.calls == 300:
                raise MemoryError("no room")
            super().call()

    gpu = Failing(0.001)
    with pytest.raises(MemoryError, match="no room"):
        gpu.measure()
    assert gpu.now_s >= gpu.free_at_s


@pytest.mark.gpu
def test_a_matmul_on_the_gpu_draws_power() -> None:
    import torch

    from profiler.machine.nvml import Nvml

    torch.cuda.set_device(0)
    device = Nvml.open().find(str(torch.cuda.get_device_properties(0).uuid))
    assert device is not None
    if device.energy_j() is None:
        pytest.skip("this GPU has no energy counter")
    left = torch.ones(2048, 2048, dtype=torch.float16, device="cuda:0")
    window = energy_of(lambda: left @ left, 0.05, device.energy_j, least_s=0.3)
    limit_w = device.gpu().power_limit_w
    assert window.power_w > 0
    # Twice: the limit holds on average only.
    assert limit_w is None or window.power_w < 2 * limit_w
    assert window.calls * window.call_ms == pytest.approx(window.window_s * 1000, rel=0.5)
