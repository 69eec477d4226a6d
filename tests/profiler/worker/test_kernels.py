"""The kernels of one call: which call they are of, how they add up, and what the profiler gives."""

from __future__ import annotations

import pytest
import torch

from profiler.events import Kernel
from profiler.worker.kernels import Activity, behind_marker, by_name, kernels_of, self_times_ns


def counts(kernels: tuple[Kernel, ...]) -> dict[str, int]:
    return {kernel.name: kernel.count for kernel in kernels}


def test_operators_of_one_call_though_it_is_made_more_than_once() -> None:
    matrix = torch.randn(128, 128)
    calls = 0

    def call() -> torch.Tensor:
        nonlocal calls
        calls += 1
        return ((matrix @ matrix) @ matrix).exp()

    kernels, span_us = kernels_of(call, on_gpu=False)
    assert calls > 1
    assert counts(kernels)["aten::mm"] == 2
    assert counts(kernels)["aten::exp"] == 1
    times_us = [kernel.time_us for kernel in kernels]
    assert times_us == sorted(times_us, reverse=True)
    assert times_us[-1] >= 0
    assert 0 < sum(times_us) <= span_us


def test_the_work_is_the_operators_that_do_it_and_not_of_those_around_it() -> None:
    matrix = torch.randn(512, 512)
    kernels, span_us = kernels_of(lambda: matrix @ matrix, on_gpu=False)
    time_us = {kernel.name: kernel.time_us for kernel in kernels}
    assert kernels[0].name == "aten::mm"
    assert time_us["aten::matmul"] < time_us["aten::mm"] < span_us


def test_a_backward_pass_on_a_kept_graph() -> None:
    inputs = torch.randn(64, 64, requires_grad=True)
    out = (inputs @ inputs).sum()
    kernels, _ = kernels_of(lambda: torch.autograd.grad(out, inputs, retain_graph=True), on_gpu=False)
    assert counts(kernels)["MmBackward0"] == 1
    assert counts(kernels)["aten::mm"] == 2


def test_what_is_queued_before_a_call_is_not_of_it() -> None:
    tensor = torch.ones(8)
    kernels, _ = kernels_of(tensor.exp, on_gpu=False, before=tensor.zero_)
    assert "aten::zero_" not in counts(kernels)
    assert float(tensor.sum()) == 0


def test_a_call_without_kernels_is_an_error_that_says_so() -> None:
    with pytest.raises(RuntimeError, match="recorded nothing"):
        kernels_of(lambda: None, on_gpu=False)


def test_the_calls_own_error_comes_through() -> None:
    def failing() -> None:
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        kernels_of(failing, on_gpu=False)


def test_only_what_starts_behind_the_marker_is_of_the_last_call() -> None:
    marker = Activity("at::cuda::(anonymous namespace)::spin_kernel(long)", 100, 300)
    warm_up, first, second = Activity("mm", 10, 60), Activity("mm", 301, 350), Activity("exp", 351, 360)
    on_another_stream = Activity("copy", 150, 160)
    recorded = [second, marker, warm_up, first, on_another_stream]
    assert behind_marker(recorded) == [on_another_stream, first, second]
    assert behind_marker([warm_up, first]) == []


def test_self_time_leaves_out_what_runs_within_in_the_same_thread() -> None:
    matmul = Activity("matmul", 0, 100)
    reshape, mm, resolve = Activity("reshape", 5, 15), Activity("mm", 20, 90), Activity("resolve", 30, 32)
    elsewhere = Activity("mm", 10, 50, thread=2)
    after = Activity("exp", 100, 130)
    assert self_times_ns([resolve, matmul, elsewhere, mm, after, reshape]) == [2, 20, 40, 68, 30, 10]


def test_kernels_of_a_name_are_counted_together_longest_first() -> None:
    activities = [Activity("copy", 0, 1000), Activity("mm", 0, 2500), Activity("copy", 0, 3000)]
    kernels = by_name(activities, [1000, 2500, 3000])
    assert kernels == (Kernel(name="copy", count=2, time_us=4.0), Kernel(name="mm", count=1, time_us=2.5))


@pytest.mark.gpu
def test_the_gpus_kernels_of_one_call() -> None:
    a = torch.randn(1024, 1024, device="cuda", dtype=torch.float16)
    flush = torch.empty(64 * 1024 * 1024, dtype=torch.int32, device="cuda")
    sums = torch.zeros(1, device="cuda")

    def call() -> torch.Tensor:
        with torch.profiler.record_function("a range of the caller's"):
            sums.add_(1)
            return (a @ a) @ a

    kernels, span_us = kernels_of(call, on_gpu=True, before=flush.zero_)
    found = counts(kernels)
    assert not any("spin_kernel" in name or "range" in name for name in found)
    assert sum(count for name, count in found.items() if "elementwise" in name) == 1
    others = [kernel for kernel in kernels if "elementwise" not in kernel.name and "Mem" not in kernel.name]
    assert sum(kernel.count for kernel in others) >= 2
    assert 0 < kernels[0].time_us <= span_us
