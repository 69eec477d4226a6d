"""A case's first calls on the CPU: what they tell, what they take, and what of a failure is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import pytest
import torch

import impls
from impls import Implementation, Workload
from impls.contract import Attend, DeviceKind, Ragged
from profiler.events import CaseChecked, Failure, Result
from profiler.worker.accuracy import Reference
from profiler.worker.check import CannotRun, check, largest_batch
from profiler.worker.devices import CpuDevice, Tracked
from profiler.workload import PASSES, Pass
from tests.shapes import attention
from tests.workers import measure

SHAPE = attention(batch=2, heads=4, seq=64, head_dim=32)
INPUT_BYTES = 2 * 4 * 64 * 32 * 4
SCORES_BYTES = 2 * 4 * 64 * 64 * 4
T = TypeVar("T")
Out = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], object]


@pytest.fixture(scope="module")
def device() -> CpuDevice:
    return CpuDevice()


def implementation(attend: Out) -> Implementation:
    def prepare(workload: Workload, device: str) -> Attend:
        return attend  # type: ignore[return-value]

    return Implementation(name="mine", label="mine", summary="mine", prepare=prepare)


def explained(attend: Out, device: CpuDevice, passes: tuple[Pass, ...] = PASSES) -> str:
    with pytest.raises(CannotRun) as failed:
        check(implementation(attend), SHAPE, passes, device, 0, None)
    return f"{failed.value.explanation.kind}: {failed.value.explanation.message}"


class _BackwardFails(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, q: torch.Tensor) -> torch.Tensor:
        return q * 2

    @staticmethod
    def backward(ctx: object, grad: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("no backward for this head dim")


def without_backward(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    out: torch.Tensor = _BackwardFails.apply(q)  # type: ignore[no-untyped-call]
    return out


def test_tracked_memory_is_what_the_call_allocated(device: CpuDevice) -> None:
    mebibyte = 2**20

    def call() -> torch.Tensor:
        kept = torch.ones(3 * mebibyte, dtype=torch.uint8)
        passing = torch.ones(5 * mebibyte, dtype=torch.uint8)
        del passing
        last = torch.ones(4 * mebibyte, dtype=torch.uint8)
        return kept + last[: 3 * mebibyte]

    tracked = device.track(call)
    assert tracked.peak_bytes == (3 + 4 + 3) * mebibyte
    assert tracked.held_bytes == 3 * mebibyte
    assert tracked.result.nbytes == 3 * mebibyte


def test_plain_attention_holds_its_weights_for_backward(device: CpuDevice) -> None:
    checked = check(impls.find("pytorch"), SHAPE, PASSES, device, 0, None)
    forward = checked.memory["fwd"]
    # Scores, weights, output, and the one element that stands where a mask would.
    assert forward.working_bytes == 2 * SCORES_BYTES + INPUT_BYTES + 4
    assert forward.saved_bytes == SCORES_BYTES + INPUT_BYTES  # the weights and the output
    assert forward.absolute_bytes == 4 * INPUT_BYTES + forward.working_bytes


def test_fused_attention_holds_no_scores(device: CpuDevice) -> None:
    checked = check(impls.find("sdpa-flash"), SHAPE, PASSES, device, 0, None)
    saved = checked.memory["fwd"].saved_bytes
    assert saved is not None
    assert INPUT_BYTES <= saved < INPUT_BYTES + SCORES_BYTES


def test_on_a_gpu_the_call_that_names_the_backend_is_the_one_whose_memory_is_told() -> None:
    class Gpu(CpuDevice):
        kind: DeviceKind = "cuda"

        def track(self, call: Callable[[], T]) -> Tracked[T]:
            before = calls
            return Tracked(call(), calls - before, 1000 * calls)

    calls = 0

    def recorded(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """As a CUDA graph: a third call would replay what the second has recorded, and tell nothing."""
        nonlocal calls
        calls += 1
        return torch.nn.functional.silu(q) if calls == 2 else q * 1

    named = replace(implementation(recorded), backend_of=lambda names: str("aten::silu" in names))
    checked = check(named, SHAPE, ("fwd",), Gpu(), 0, None)
    assert checked.backend == "True"
    assert (checked.memory["fwd"].working_bytes, checked.memory["fwd"].saved_bytes) == (1, 2000)


def test_backwards_peak_stands_on_what_forward_held(device: CpuDevice) -> None:
    checked = check(impls.find("pytorch"), SHAPE, PASSES, device, 0, None)
    forward, backward, both = (checked.memory[which] for which in PASSES)
    assert backward.saved_bytes == forward.saved_bytes
    assert forward.saved_bytes is not None
    assert backward.working_bytes >= forward.saved_bytes + SCORES_BYTES + 3 * INPUT_BYTES
    assert (
        forward.working_bytes < both.working_bytes <= backward.working_bytes
    )  # its graph goes as it is used


def test_a_mask_counts_as_memory_of_the_call(device: CpuDevice) -> None:
    open_, causal = (
        check(impls.find("pytorch"), attention(causal=masked), ("fwd",), device, 0, None).memory["fwd"]
        for masked in (False, True)
    )
    assert causal.working_bytes - open_.working_bytes == 4 * 64 * 64 - 4


def test_it_is_told_what_ran_whether_it_is_right_and_how_long_the_first_calls_took(device: CpuDevice) -> None:
    reference = Reference.compute(SHAPE, "cpu", 0, backward=True)
    checked = check(impls.find("sdpa"), SHAPE, PASSES, device, 0, reference)
    assert checked.backend == "flash"
    assert checked.accuracy is not None
    assert checked.accuracy.verdict == "ok"
    assert set(checked.accuracy.errors) == {"out", "dq", "dk", "dv"}
    assert set(checked.first_call_ms) == {"fwd", "bwd"}
    assert not checked.lost


def test_forward_alone_makes_no_backward_call(device: CpuDevice) -> None:
    checked = check(implementation(without_backward), SHAPE, ("fwd",), device, 0, None)
    assert set(checked.first_call_ms) == set(checked.memory) == {"fwd"}
    assert not checked.lost


def test_a_backward_that_raises_loses_the_passes_with_backward_and_keeps_forward(device: CpuDevice) -> None:
    checked = check(implementation(without_backward), SHAPE, PASSES, device, 0, None)
    assert set(checked.lost) == {"bwd", "fwd_bwd"}
    assert {lost.message for lost in checked.lost.values()} == {"RuntimeError: no backward for this head dim"}
    assert set(checked.memory) == {"fwd"}


def test_without_a_backward_the_forward_stands_and_the_reason_is_said(device: CpuDevice) -> None:
    declared = replace(implementation(without_backward), backward=False)
    checked = check(declared, SHAPE, PASSES, device, 0, None)
    assert {which: lost.kind for which, lost in checked.lost.items()} == dict.fromkeys(
        ("bwd", "fwd_bwd"), "unsupported"
    )
    assert checked.lost["bwd"].message == "has no backward: measure it with --pass fwd"
    assert set(checked.memory) == {"fwd"}


def test_an_output_without_a_gradient_is_told_as_that(device: CpuDevice) -> None:
    checked = check(implementation(lambda q, k, v: q.detach() * 1), SHAPE, PASSES, device, 0, None)
    assert set(checked.lost) == {"bwd", "fwd_bwd"}
    assert checked.lost["bwd"].kind == "unsupported"
    assert "its output carries no gradient" in checked.lost["bwd"].message


def test_a_backward_that_cannot_be_repeated_is_measured_and_judged_with_its_forward(
    device: CpuDevice,
) -> None:
    """As CUDA graphs of torch.compile: the next call writes where this output stands."""
    attend, written = impls.find("sdpa").prepare(SHAPE, "cpu"), [torch.empty(0)]

    def overwriting(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        written[0].fill_(float("nan"))
        out = attend(q, k, v)
        written[0] = out.detach()
        return out

    once = replace(implementation(overwriting), repeats_backward=False)
    reference = Reference.compute(SHAPE, "cpu", 0, backward=True)
    checked = check(once, SHAPE, PASSES, device, 0, reference)
    assert set(checked.lost) == {"bwd"}
    assert checked.lost["bwd"].kind == "unsupported"
    assert set(checked.memory) == {"fwd", "fwd_bwd"}
    assert checked.accuracy is not None
    assert checked.accuracy.verdict == "ok"
    assert set(checked.accuracy.errors) == {"out", "dq", "dk", "dv"}


def test_a_backward_that_raises_leaves_nothing_where_no_forward_was_asked_for(device: CpuDevice) -> None:
    passes: tuple[Pass, ...] = ("bwd", "fwd_bwd")
    assert "no backward for this head dim" in explained(without_backward, device, passes)


def test_the_forward_of_a_case_that_lost_its_backward_is_measured(device: CpuDevice) -> None:
    messages = measure(device, SHAPE, ["mine"], find=lambda _: implementation(without_backward))
    failures = [message for message in messages if isinstance(message, Failure)]
    assert [failure.which for failure in failures] == ["bwd", "fwd_bwd"]
    (checked,) = (message for message in messages if isinstance(message, CaseChecked))
    assert checked.accuracy is not None
    assert set(checked.accuracy.errors) == {"out"}  # what there is, is still judged
    assert [message.which for message in messages if isinstance(message, Result)] == ["fwd"]


@pytest.mark.parametrize(
    ("attend", "told"),
    [
        (lambda q, k, v: (q, q), "error: WrongOutput: returned tuple, not a tensor"),
        (
            lambda q, k, v: q[:, :1],
            "error: WrongOutput: returned (2, 1, 64, 32) torch.float32; q is (2, 4, 64, 32) torch.float32",
        ),
        (
            lambda q, k, v: q.half(),
            "error: WrongOutput: returned (2, 4, 64, 32) torch.float16; q is (2, 4, 64, 32) torch.float32",
        ),
        (lambda q, k, v: q.new_empty(1 << 50), "oom: out of memory"),
    ],
    ids=["tuple", "shape", "dtype", "memory"],
)
def test_what_is_no_attention_output_is_said_to_be_none(attend: Out, told: str, device: CpuDevice) -> None:
    assert explained(attend, device) == told


def test_an_output_cut_off_from_its_inputs_is_a_failed_backward(device: CpuDevice) -> None:
    checked = check(implementation(lambda q, k, v: (q + k + v).detach()), SHAPE, PASSES, device, 0, None)
    assert set(checked.lost) == {"bwd", "fwd_bwd"}


def test_after_out_of_memory_the_largest_batch_that_fits_is_the_memory_over_that_of_one(
    device: CpuDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = impls.find("pytorch")
    one = check(plain, SHAPE.with_batch(1), PASSES, device, 0, None)
    each = max(memory.absolute_bytes for memory in one.memory.values())
    monkeypatch.setattr(device, "available_bytes", lambda: 5 * each + each // 2)
    assert largest_batch(plain, SHAPE.with_batch(64), PASSES, device) == 5
    assert largest_batch(plain, SHAPE.with_batch(4), PASSES, device) == 3  # 4 is known not to
    assert largest_batch(plain, SHAPE.with_batch(1), PASSES, device) is None


@pytest.mark.parametrize(("ragged", "fits"), [("packed", 5), ("padded", 2)])
def test_of_unlike_sequences_as_many_fit_as_their_tokens_do_if_they_are_packed(
    ragged: Ragged, fits: int, device: CpuDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = replace(implementation(lambda q, k, v: q * k * v), ragged=ragged)
    shape = attention(heads=4, head_dim=32, lengths=(16, 64, 16, 16, 16, 16, 16))
    one = check(mine, shape.with_batch(1), PASSES, device, 0, None)
    each = max(memory.absolute_bytes for memory in one.memory.values())
    monkeypatch.setattr(device, "available_bytes", lambda: 2 * each + each // 2)
    assert largest_batch(mine, shape, PASSES, device) == fits


def test_where_not_even_one_fits_the_largest_batch_is_zero(device: CpuDevice) -> None:
    def too_much(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return q.new_empty(1 << 50)

    assert largest_batch(implementation(too_much), SHAPE, PASSES, device) == 0


def test_no_trial_is_made_that_would_itself_take_long(device: CpuDevice) -> None:
    def must_not_run(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        raise AssertionError

    assert largest_batch(implementation(must_not_run), attention(seq=2**20), PASSES, device) is None
