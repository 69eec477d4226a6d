"""A row as a whole: the order of its events, its batches, and what costs one case only."""

from __future__ import annotations

import itertools
import math
import re
import statistics
import sys
import weakref
from collections.abc import Callable

import pytest
import torch

import impls
from impls import Workload
from impls.contract import Attend
from profiler.engine.protocol import ShapeDone, Visiting, WorkerMessage
from profiler.events import (
    BatchTried,
    Kernel,
    Log,
    Steps,
    TrainingChecked,
    TrainingFailure,
    TrainingResult,
    TrainingStarted,
)
from profiler.training.plan import TrainingStopping, TrainingTakes
from profiler.worker import cut
from profiler.worker.devices import Allocator, CpuDevice
from profiler.worker.lost import DeviceLost
from profiler.worker.training import attention_share, row
from profiler.worker.training.shared import SharedModel
from tests.profiler.worker.training.tiny import CONTEXT, known, of, own, plain, tiny, train

Prepare = Callable[[Workload, str], Attend]


def changing(change: Callable[[torch.Tensor, int], torch.Tensor]) -> Prepare:
    """Plain attention whose output is changed, by the number of the call since the first of all."""
    calls = itertools.count()

    def prepare(workload: Workload, device: str) -> Attend:
        attend = plain(workload, device)
        return lambda q, k, v: change(attend(q, k, v), next(calls))

    return prepare


def up_to(most: int) -> Prepare:
    """Plain attention that has memory for so many sequences."""

    def prepare(workload: Workload, device: str) -> Attend:
        attend = plain(workload, device)

        def scarce(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            if workload.batch > most:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            return attend(q, k, v)

        return scarce

    return prepare


def fails_from(call: int, error: Exception) -> Prepare:
    def change(out: torch.Tensor, number: int) -> torch.Tensor:
        if number >= call:
            raise error
        return out

    return changing(change)


def small(megabytes: float) -> CpuDevice:
    """A CPU with so much free memory, as far as it says."""
    device = CpuDevice()
    device.available_bytes = lambda: int(megabytes * 1e6)  # type: ignore[method-assign]
    return device


def kinds(messages: list[WorkerMessage]) -> list[str]:
    return [type(message).__name__ for message in messages if not isinstance(message, Visiting)]


def test_each_case_is_checked_and_warmed_up_then_all_are_visited_in_rounds() -> None:
    messages = train(["pytorch", "sdpa"], stopping=TrainingStopping(steps=9, last=5))
    ready = ["TrainingStarted", "TrainingChecked", "Steps"]
    assert kinds(messages) == [*ready * 2, *["Steps"] * 10, *["TrainingResult"] * 2, "ShapeDone"]
    for case in (0, 1):
        told = [steps for steps in of(Steps, messages) if steps.case == case]
        assert [steps.measured for steps in told] == [False] + [True] * 5
        assert [steps.round for steps in told] == [None, 0, 1, 2, 3, 4]
        assert [steps.first_step for steps in told] == [0, 4, 5, 6, 7, 8]
        assert sum(len(steps.step_ms) for steps in told) == 9
    rounds = [steps.round for steps in of(Steps, messages) if steps.measured]
    assert rounds == sorted(rounds, key=lambda number: number or 0)


def test_rounds_are_in_no_fixed_order() -> None:
    messages = train(["pytorch", "sdpa", "sdpa-math"], stopping=TrainingStopping(steps=8, last=8))
    orders = {tuple(told.case for told in of(Steps, messages) if told.round == number) for number in range(8)}
    assert len(orders) > 1


def test_whoever_gets_the_device_is_named_before() -> None:
    messages = train(["pytorch", "sdpa"])
    assert isinstance(messages[0], Visiting)
    at = None
    for message in messages:
        if isinstance(message, Visiting | TrainingStarted):
            at = message.case
        elif not isinstance(message, TrainingResult | ShapeDone):
            assert getattr(message, "case", at) == at


def test_twenty_five_steps_make_eight_rounds_of_about_three() -> None:
    assert row._dealt_out(25) == [3, *[2] * 11]
    assert row._dealt_out(2) == [1, 1]
    assert sum(row._dealt_out(1000)) == 1000


def test_a_result_is_that_of_its_measured_steps() -> None:
    messages = train(["sdpa"], batch=3, stopping=TrainingStopping(steps=12, last=10))
    (result,) = of(TrainingResult, messages)
    told = [steps for steps in of(Steps, messages) if steps.measured]
    step_ms = [ms for steps in told for ms in steps.step_ms]
    assert len(step_ms) == 10
    assert result.batch == 3
    assert result.tokens_per_s == pytest.approx(10 * 3 * CONTEXT / sum(step_ms) * 1000, rel=1e-4)
    assert result.step_ms.median == pytest.approx(sorted(step_ms)[4] / 2 + sorted(step_ms)[5] / 2, rel=1e-4)
    for name in ("forward_ms", "backward_ms", "optimizer_ms"):
        parts = [ms for steps in told for ms in getattr(steps, name)]
        assert getattr(result, name) == pytest.approx(statistics.median(parts), rel=1e-4)
    assert result.peak_bytes > 12 * tiny().parameters
    assert result.converged
    for steps in told:
        for whole, *each in zip(
            steps.step_ms, steps.forward_ms, steps.backward_ms, steps.optimizer_ms, strict=True
        ):
            assert whole == pytest.approx(sum(each), abs=1e-5)


def test_all_cases_begin_with_the_same_model_and_the_same_tokens() -> None:
    messages = train(["pytorch", "sdpa", "sdpa-math"], stopping=TrainingStopping(steps=6, last=1))
    begun = [told.loss for told in of(Steps, messages) if not told.measured]
    assert len(begun) == 3
    assert begun[0] == pytest.approx(begun[1], rel=1e-4)
    assert begun[0] == pytest.approx(begun[2], rel=1e-4)
    assert begun[0][0] == pytest.approx(math.log(64), rel=0.02)


def test_what_is_asked_for_is_taken_and_nothing_else() -> None:
    everything = train(["sdpa"], takes=TrainingTakes())
    (check,) = of(TrainingChecked, everything)
    assert check.agreement is not None and check.agreement.verdict == "ok"
    assert check.backend == "flash"
    assert check.parameters == tiny().parameters
    (result,) = of(TrainingResult, everything)
    assert result.attention_percent is not None and 0 < result.attention_percent < 100
    nothing = train(["sdpa"])
    assert of(TrainingChecked, nothing)[0].agreement is None
    assert of(TrainingResult, nothing)[0].attention_percent is None


def test_attentions_share_is_one_call_of_it_times_the_layers_over_a_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[tuple[bool, bool]] = []

    def watched(workload: Workload, device: str) -> Attend:
        attend = plain(workload, device)

        def mine(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            seen.append((q.is_contiguous(), q.requires_grad))
            return attend(q, k, v)

        return mine

    def kernels_of(
        call: Callable[[], object], *, on_gpu: bool, before: object = None
    ) -> tuple[tuple[Kernel, ...], float]:
        assert before is None  # on the CPU there is no clock to settle
        earlier = len(seen)
        call()
        each = 30.0 if len(seen) - earlier == 1 else 100.0  # a step has it in both layers
        return (Kernel(name="a", count=1, time_us=each), Kernel(name="b", count=2, time_us=each)), 1.0

    monkeypatch.setattr(attention_share, "kernels_of", kernels_of)
    messages = train(["watched"], takes=TrainingTakes(agreement=False), find=known(watched=watched))
    (result,) = of(TrainingResult, messages)
    assert result.attention_percent == 60.0
    assert result.gpu_busy_percent is None  # there is no GPU
    assert set(seen) == {(False, True)}  # views, alone as in the model


def kernel(name: str, count: int, time_us: float) -> Kernel:
    return Kernel(name=name, count=count, time_us=time_us)


def test_kernels_that_only_attention_has_count_with_their_time_in_the_step() -> None:
    call = [kernel("flash_fwd", 1, 30.0), kernel("flash_bwd", 1, 70.0), kernel("gemm", 2, 20.0)]
    step = [
        kernel("flash_fwd", 12, 12 * 36.0),
        kernel("flash_bwd", 12, 12 * 84.0),
        kernel("gemm", 12 * (2 + 4), 2_000.0),  # linear layers have it, too
    ]
    assert attention_share.attention_us(step, call, layers=12) == pytest.approx(12 * (36.0 + 84.0 + 20.0))
    assert attention_share.attention_us([], call, layers=12) == pytest.approx(12 * 120.0)


def test_on_a_gpu_the_step_that_counts_comes_behind_others(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[float] = []
    device = CpuDevice()
    device.kind = "cuda"
    monkeypatch.setattr(attention_share, "timed_ms", lambda step, device: 70.0)
    others = attention_share._others(lambda: made.append(1.0), device)
    assert others is not None
    others()
    assert len(made) == 3
    monkeypatch.setattr(attention_share, "timed_ms", lambda step, device: 1.0)
    others = attention_share._others(lambda: made.append(1.0), device)
    assert others is not None
    others()
    assert len(made) == 3 + 5


def test_the_largest_batch_is_found_for_each_implementation_by_itself() -> None:
    find = known(little=up_to(6), much=up_to(24))
    messages = train(["little", "much"], batch=None, device=small(5), find=find)
    batches = {check.case: check.batch for check in of(TrainingChecked, messages)}
    assert batches == {0: 6, 1: 24}
    assert [result.batch for result in of(TrainingResult, messages)] == [6, 24]
    for tried in of(BatchTried, messages):
        assert tried.fits == (tried.batch <= batches[tried.case])
        assert (tried.peak_bytes is not None) == tried.fits
    assert len(of(BatchTried, messages)) <= 12
    for case in (0, 1):
        of_case = [message for message in messages if getattr(message, "case", None) == case]
        names = [name for name, _ in itertools.groupby(kinds(of_case))]
        assert names[:3] == ["TrainingStarted", "BatchTried", "TrainingChecked"]


@pytest.mark.parametrize(("fits_for_good", "found"), [(16, 16), (7, 7)])
def test_a_batch_that_fits_no_longer_as_training_goes_on_gives_way_to_a_smaller_one(
    fits_for_good: int, found: int
) -> None:
    def prepare(workload: Workload, device: str) -> Attend:
        attend, calls = up_to(24)(workload, device), itertools.count()

        def splintering(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            if workload.batch > fits_for_good and next(calls) >= 2 * 3:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            return attend(q, k, v)

        return splintering

    stopping = TrainingStopping(steps=12, last=4)
    messages = train(["mine"], batch=None, device=small(5), find=known(mine=prepare), stopping=stopping)
    (result,) = of(TrainingResult, messages)
    assert result.batch == found
    assert not of(TrainingFailure, messages)
    *_, check = of(TrainingChecked, messages)
    assert "fitted at first, and later no longer" in check.notes[-1]
    # What was told of the larger batch is not taken for this one's.
    assert kinds(messages).count("TrainingStarted") == len(of(TrainingChecked, messages))


@pytest.mark.parametrize(("fits", "megabytes", "is_noted"), [(8, 50, True), (200, 4, False), (7, 50, False)])
def test_much_memory_that_the_rule_of_eight_leaves_is_noted(
    fits: int, megabytes: int, is_noted: bool
) -> None:
    find = known(mine=up_to(fits))
    (check,) = of(TrainingChecked, train(["mine"], batch=None, device=small(megabytes), find=find))
    assert any("only multiples" in note for note in check.notes) == is_noted


def test_memory_that_runs_out_in_a_measured_round_is_said_to_have_been_enough_before() -> None:
    def prepare(workload: Workload, device: str) -> Attend:
        attend, calls = up_to(24)(workload, device), itertools.count()

        def late(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            if next(calls) >= 2 * 14:  # the layers', in the first steps, the warm-up and a round or two
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            return attend(q, k, v)

        return late

    stopping = TrainingStopping(steps=12, last=8)
    takes = TrainingTakes(agreement=False, attention=False)
    messages = train(["mine", "sdpa"], batch=8, find=known(mine=prepare), stopping=stopping, takes=takes)
    (failure,) = of(TrainingFailure, messages)
    assert (failure.kind, failure.batch) == ("oom", 8)
    assert re.fullmatch(r"out of memory after \d+ steps in which its batch of 8 fitted", failure.message)
    assert any(steps.measured for steps in of(Steps, messages) if steps.case == failure.case)
    assert [result.implementation for result in of(TrainingResult, messages)] == ["sdpa"]


def test_memory_that_is_there_is_what_ends_the_search() -> None:
    """Every batch could be run; it is by its peak that a larger one cannot fit."""
    messages = train(["sdpa"], batch=None, device=small(4))
    (check,) = of(TrainingChecked, messages)
    peaks = {tried.batch: tried.peak_bytes for tried in of(BatchTried, messages) if tried.peak_bytes}
    room = 4e6 + 12 * tiny().parameters
    assert check.batch == max(peaks)
    assert 8 < check.batch < 200
    each = (peaks[check.batch] - peaks[8]) / (check.batch - 8)
    assert peaks[check.batch] + 8 * each > room * 0.98


def test_a_batch_that_was_asked_for_and_does_not_fit_is_said() -> None:
    messages = train(["scarce", "sdpa"], batch=8, find=known(scarce=up_to(4)))
    (failure,) = of(TrainingFailure, messages)
    assert (failure.kind, failure.batch, failure.requested_bytes) == ("oom", 8, 2 * 2**30)
    assert failure.message == "out of memory at a batch of 8"
    assert [result.implementation for result in of(TrainingResult, messages)] == ["sdpa"]
    assert not of(BatchTried, messages)


def test_where_not_even_one_sequence_fits_that_is_the_result() -> None:
    messages = train(["scarce"], batch=None, find=known(scarce=up_to(0)))
    (failure,) = of(TrainingFailure, messages)
    assert (failure.kind, failure.batch) == ("oom", 1)
    assert failure.message == "out of memory: not even a batch of one fits"
    assert [(tried.batch, tried.fits) for tried in of(BatchTried, messages)] == [(8, False), (1, False)]
    assert kinds(messages)[-2:] == ["TrainingFailure", "ShapeDone"]


def test_nothing_is_kept_of_a_try_that_ran_out_of_memory() -> None:
    held: list[weakref.ref[torch.Tensor]] = []
    alive: list[int] = []

    def prepare(workload: Workload, device: str) -> Attend:
        alive.append(sum(one() is not None for one in held))
        attend = up_to(4)(workload, device)

        def keeping(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            held.append(weakref.ref(q))
            return attend(q, k, v)

        return keeping

    train(["hungry"], batch=None, device=small(5), find=known(hungry=prepare))
    assert len(alive) > 2
    assert set(alive) == {0}


def test_each_case_begins_its_search_where_the_one_before_ended() -> None:
    find = known(one=up_to(24), other=up_to(24), less=up_to(6))
    messages = train(["one", "other", "less"], batch=None, device=small(50), find=find)
    tried = [[said.batch for said in of(BatchTried, messages) if said.case == case] for case in range(3)]
    assert tried[0][0] == 8
    assert tried[1] == [24, 32]
    assert tried[2][:2] == [24, 8]
    assert [result.batch for result in of(TrainingResult, messages)] == [24, 24, 6]


def errors_above(most: int, error: Exception) -> Prepare:
    def prepare(workload: Workload, device: str) -> Attend:
        if workload.batch > most:
            raise error
        return plain(workload, device)

    return prepare


def test_an_error_above_a_batch_that_fits_ends_the_search_and_is_noted() -> None:
    find = known(overflowing=errors_above(16, ValueError("int32 overflows")))
    messages = train(["overflowing"], batch=None, device=small(50), find=find)
    assert [result.batch for result in of(TrainingResult, messages)] == [16]
    notes = of(TrainingChecked, messages)[0].notes
    assert "a batch of 24 was taken for one that does not fit: ValueError: int32 overflows" in " ".join(notes)


def test_an_error_at_the_first_batch_is_the_cases() -> None:
    find = known(broken=errors_above(0, ValueError("a bug")), one=up_to(24))
    for names in (["broken"], ["one", "broken"]):  # the second begins with a large one
        messages = train(names, batch=None, device=small(50), find=find)
        (failure,) = of(TrainingFailure, messages)
        assert (failure.kind, failure.message, failure.batch) == ("error", "ValueError: a bug", 8)


def test_a_device_that_is_lost_at_a_larger_batch_is_no_batch_that_does_not_fit() -> None:
    device, heard = _FaultingDevice(), list[WorkerMessage]()

    def prepare(workload: Workload, name: str) -> Attend:
        if workload.batch > 8:
            device.lost = True
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        return plain(workload, name)

    with pytest.raises(DeviceLost):
        train(["faulting"], batch=None, device=device, find=known(faulting=prepare), hear=heard.append)
    assert [failure.kind for failure in of(TrainingFailure, heard)] == ["crashed"]
    assert [tried.batch for tried in of(BatchTried, heard)] == [8]


@pytest.mark.parametrize("at", ["agreement", "warm-up"])
def test_a_case_that_cannot_begin_anew_fails_alone(at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    renew, out_of_memory = SharedModel.renew, iter([False, True])  # the first is the row's own

    def failing(shared: SharedModel) -> None:
        if next(out_of_memory, False):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        renew(shared)

    monkeypatch.setattr(SharedModel, "renew", failing)
    takes = TrainingTakes(agreement=at == "agreement", attention=False)
    messages = train(["pytorch", "sdpa"], takes=takes)
    (failure,) = of(TrainingFailure, messages)
    assert (failure.implementation, failure.kind) == ("pytorch", "oom")
    assert bool([said for said in of(TrainingChecked, messages) if said.case == 0]) == (at == "warm-up")
    assert [result.implementation for result in of(TrainingResult, messages)] == ["sdpa"]


def test_what_a_model_asks_for_and_an_implementation_lacks_is_said() -> None:
    messages = train(["sdpa-flash", "sdpa-math"], training=tiny(dropout=0.1), batch=None, device=small(5))
    (failure,) = of(TrainingFailure, messages)
    assert (failure.implementation, failure.kind) == ("sdpa-flash", "unsupported")
    assert failure.message == "has no dropout on the CPU"
    assert [result.implementation for result in of(TrainingResult, messages)] == ["sdpa-math"]


def test_without_a_backward_nothing_is_trained() -> None:
    find = lambda name: own(name, plain, backward=False)  # noqa: E731
    (failure,) = of(TrainingFailure, train(["forward-only"], find=find))
    assert failure.kind == "unsupported"
    assert "has no backward" in failure.message


def test_an_optimizer_that_is_not_installed_fails_every_case_with_what_to_type(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    messages = train(["pytorch", "sdpa"], training=tiny(optimizer="adamw-8bit"))
    failures = of(TrainingFailure, messages)
    assert [failure.kind for failure in failures] == ["unsupported"] * 2
    assert all("pip install 'attnprof[bnb]'" in failure.message for failure in failures)
    assert isinstance(messages[-1], ShapeDone)


def test_an_error_in_rounds_costs_that_case_alone() -> None:
    # Two layers, three first steps and one before the rounds.
    find = known(faulty=fails_from(2 * 4, ValueError("the kernel has a bug")))
    messages = train(["faulty", "sdpa"], stopping=TrainingStopping(steps=5, last=4), find=find)
    (failure,) = of(TrainingFailure, messages)
    assert (failure.implementation, failure.kind, failure.batch) == ("faulty", "error", 2)
    assert failure.message == "ValueError: the kernel has a bug"
    (result,) = of(TrainingResult, messages)
    assert result.implementation == "sdpa"
    assert result.step_ms.count == 4
    assert [told.measured for told in of(Steps, messages) if told.case == 0] == [False]


@pytest.mark.parametrize(("times", "prepared_again"), [(1, 0), (2, 1)])
def test_running_out_of_memory_in_rounds_costs_the_others_what_they_keep_only_if_it_must(
    times: int, prepared_again: int
) -> None:
    prepared: list[int] = []
    out_of_memory = iter([True] * times)

    def keeping(workload: Workload, device: str) -> Attend:
        prepared.append(workload.batch)
        return plain(workload, device)

    def once(out: torch.Tensor, number: int) -> torch.Tensor:
        if number >= 2 * 4 and next(out_of_memory, False):
            raise torch.OutOfMemoryError("out of memory beside what others keep")
        return out

    find = known(keeping=keeping, hungry=changing(once))
    messages = train(["keeping", "hungry"], stopping=TrainingStopping(steps=5, last=4), find=find)
    assert not of(TrainingFailure, messages)
    assert [result.step_ms.count for result in of(TrainingResult, messages)] == [4, 4]
    assert len(prepared) == 1 + prepared_again


def test_a_loss_that_is_not_finite_is_a_result_and_poisons_nobody() -> None:
    # Alone it is well for its first steps and those before the rounds.
    find = known(poison=changing(lambda out, number: out * math.nan if number >= 2 * 5 else out))
    messages = train(["poison", "sdpa"], stopping=TrainingStopping(steps=6, last=4), find=find)
    (failure,) = of(TrainingFailure, messages)
    assert (failure.implementation, failure.kind) == ("poison", "diverged")
    assert "not finite from step 2 on" in failure.message
    assert any(None in told.loss for told in of(Steps, messages) if told.case == 0)
    (result,) = of(TrainingResult, messages)
    assert result.implementation == "sdpa"
    assert all(None not in told.loss for told in of(Steps, messages) if told.case == 1)


def test_parameters_that_are_not_finite_are_the_doing_of_who_was_last() -> None:
    """The loss comes before the update: a gradient that is no number shows in the next one's."""

    class Poison(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, out: torch.Tensor) -> torch.Tensor:
            return out.clone()

        @staticmethod
        def backward(ctx: object, gradient: torch.Tensor) -> torch.Tensor:
            return gradient * math.nan

    def change(out: torch.Tensor, number: int) -> torch.Tensor:
        poisoned: torch.Tensor = Poison.apply(out)  # type: ignore[no-untyped-call]
        return poisoned

    messages = train(
        ["poison", "sdpa"], stopping=TrainingStopping(steps=2, last=1), find=known(poison=changing(change))
    )
    (failure,) = of(TrainingFailure, messages)
    assert (failure.implementation, failure.kind) == ("poison", "diverged")
    assert "parameters are not finite after step 0" in failure.message
    (result,) = of(TrainingResult, messages)
    assert result.implementation == "sdpa"


@pytest.mark.parametrize("names", [["sdpa"], ["pytorch", "sdpa"]])
def test_rounds_go_on_until_there_are_enough_for_an_interval(names: list[str]) -> None:
    lax = TrainingStopping(steps=40, last=36, precision=1e6)
    told = of(Steps, train(names, stopping=lax))
    rounds = [steps.round for steps in told if steps.case == 0 and steps.measured]
    assert rounds == [0, 1, 2, 3, 4, 5]


def test_where_precision_is_asked_for_both_parts_may_end_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row, "_BLOCK_MS", 1e-9)  # one step a block
    lax = TrainingStopping(steps=400, last=24, precision=1e6)
    monkeypatch.setattr(row, "has_settled", lambda times_ms: len(times_ms) >= 6)
    messages = train(["sdpa"], stopping=lax)
    told = of(Steps, messages)
    assert sum(len(steps.step_ms) for steps in told if not steps.measured) == 6
    assert sum(len(steps.step_ms) for steps in told if steps.measured) == 12
    assert of(TrainingResult, messages)[0].converged


def test_what_did_not_get_precise_in_its_steps_is_not_converged() -> None:
    strict = TrainingStopping(steps=12, last=12, precision=1e-12)
    (result,) = of(TrainingResult, train(["sdpa"], stopping=strict))
    assert result.step_ms.count == 12
    assert not result.converged


def test_being_cut_short_tells_what_was_measured_and_ends() -> None:
    def hear(message: WorkerMessage) -> None:
        if isinstance(message, Steps) and message.round == 1:
            cut.ask()

    try:
        messages = train(["sdpa"], stopping=TrainingStopping(steps=8, last=8), hear=hear)
    finally:
        cut.forget()
    assert [told.round for told in of(Steps, messages)] == [0, 1]
    assert not of(TrainingResult, messages)
    assert isinstance(messages[-1], ShapeDone)


class _FaultingDevice(CpuDevice):
    """A CPU that answers no more once it is told so, as a GPU does after a fault."""

    lost = False

    def synchronize(self) -> None:
        if self.lost:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")


def test_a_device_that_is_lost_is_the_doing_of_the_case_that_had_it() -> None:
    device, heard = _FaultingDevice(), list[WorkerMessage]()

    def fault(out: torch.Tensor, number: int) -> torch.Tensor:
        if number >= 2 * 4:
            device.lost = True
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        return out

    with pytest.raises(DeviceLost):
        train(
            ["faulting", "sdpa"],
            stopping=TrainingStopping(steps=4, last=3),
            device=device,
            find=known(faulting=changing(fault)),
            hear=heard.append,
        )
    (failure,) = of(TrainingFailure, heard)
    assert (failure.implementation, failure.kind) == ("faulting", "crashed")
    assert failure.message.startswith("the GPU faulted:")
    assert not of(ShapeDone, heard)


def test_a_device_that_is_lost_after_the_rounds_costs_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    device, heard = _FaultingDevice(), list[WorkerMessage]()

    def fault(trainer: object) -> float:
        device.lost = True
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(row, "attention_share", fault)
    with pytest.raises(DeviceLost):
        train(["pytorch", "sdpa"], takes=TrainingTakes(agreement=False), device=device, hear=heard.append)
    assert [result.implementation for result in of(TrainingResult, heard)] == ["pytorch", "sdpa"]
    assert not of(TrainingFailure, heard)


def test_a_share_that_cannot_be_had_is_said_and_costs_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot(trainer: object) -> float:
        raise RuntimeError("another profiler holds CUPTI")

    monkeypatch.setattr(row, "attention_share", cannot)
    messages = train(["sdpa"], takes=TrainingTakes(agreement=False))
    (log,) = of(Log, messages)
    assert "another profiler holds CUPTI" in log.message
    assert of(TrainingResult, messages)[0].attention_percent is None


def test_how_busy_the_gpu_is_is_its_kernels_time_over_the_median_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    device = CpuDevice()

    def share(trainer: object) -> attention_share.Share:
        device.kind = "cuda"  # as far as the result is concerned
        return attention_share.Share(step_ms=1.5, attention_percent=20.0)

    monkeypatch.setattr(row, "attention_share", share)
    (result,) = of(TrainingResult, train(["sdpa"], takes=TrainingTakes(agreement=False), device=device))
    assert result.attention_percent == 20.0
    assert result.gpu_busy_percent == pytest.approx(150 / result.step_ms.median, rel=1e-3)


def test_an_allocator_that_had_to_give_memory_back_is_told_once() -> None:
    class Tight(CpuDevice):
        retries = 0

        def allocator(self) -> Allocator:
            self.retries += 1
            return Allocator(retries=self.retries)

    messages = train(["sdpa"], stopping=TrainingStopping(steps=4, last=3), device=Tight())
    (log,) = of(Log, messages)
    assert log.level == "warning"
    assert "give memory back 3 times in measured steps of sdpa" in log.message


def test_an_implementation_that_is_none_any_more_costs_that_case_alone() -> None:
    messages = train(["gone", "sdpa"], find=impls.find)
    (failure,) = of(TrainingFailure, messages)
    assert failure.kind == "error"
    assert "there is no implementation 'gone'" in failure.message
    assert len(of(TrainingResult, messages)) == 1


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("kv_heads", [4, 1])
def test_half_precision_and_shared_keys_train_too(dtype: str, kv_heads: int) -> None:
    training = tiny(dtype=dtype, kv_heads=kv_heads, optimizer="adamw-fused")
    messages = train(["pytorch", "sdpa"], training=training, takes=TrainingTakes(attention=False))
    verdicts = [check.agreement and check.agreement.verdict for check in of(TrainingChecked, messages)]
    assert verdicts == ["ok", "ok"]
    assert len(of(TrainingResult, messages)) == 2
