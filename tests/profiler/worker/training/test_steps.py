"""Single steps: what an optimizer does, what is skipped, how a block is timed."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch

import impls
from impls import Implementation
from profiler.training.model import Training
from profiler.worker import cut
from profiler.worker.devices import Allocator, CpuDevice
from profiler.worker.failures import Explanation
from profiler.worker.training import steps
from profiler.worker.training.first_steps import first_steps
from profiler.worker.training.optimizers import make_optimizer, make_states
from profiler.worker.training.shared import SharedModel
from profiler.worker.training.steps import diverged_at, run_block
from profiler.worker.training.trainer import Trainer
from tests.profiler.worker.training.tiny import own, plain, tiny


def trainer_of(training: Training | None = None, implementation: Implementation | None = None) -> Trainer:
    device = CpuDevice()
    shared = SharedModel(training or tiny(), device, 0)
    return Trainer(shared, implementation or impls.find("sdpa-math"), 2, device)


def losses_of(count: int, **training: Any) -> list[float]:
    return run_block(trainer_of(tiny(**training)), count, lead_in=0).loss


def test_training_learns_the_few_batches_that_there_are() -> None:
    losses = losses_of(120)
    assert losses[0] == pytest.approx(math.log(64), rel=0.02)
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_both_of_torchs_optimizers_take_the_same_steps(dtype: str) -> None:
    fused, foreach = (losses_of(6, dtype=dtype, optimizer=name) for name in ("adamw-fused", "adamw-foreach"))
    assert fused == pytest.approx(foreach, rel=1e-3)


def test_only_matrices_decay() -> None:
    model = SharedModel(tiny(bias=True), CpuDevice(), 0).model
    decayed = {
        id(parameter): group["weight_decay"]
        for group in make_optimizer("adamw-foreach", model.parameters()).param_groups
        for parameter in group["params"]
    }
    assert {decayed[id(each)] for each in model.parameters() if each.dim() == 2} == {0.1}
    assert {decayed[id(each)] for each in model.parameters() if each.dim() == 1} == {0.0}


def test_eight_bit_states_without_bitsandbytes_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(NotImplementedError, match=r"pip install 'attnprof\[bnb\]'"):
        make_optimizer("adamw-8bit", [torch.nn.Parameter(torch.ones(2, 2))])


def test_eight_bit_states_are_bitsandbytes_own(monkeypatch: pytest.MonkeyPatch) -> None:
    from types import ModuleType

    asked: list[dict[str, object]] = []

    class AdamW8bit(torch.optim.SGD):
        def __init__(self, groups: Any, **options: Any) -> None:
            asked.append(options)
            super().__init__(groups, lr=options["lr"])

    optim = ModuleType("bitsandbytes.optim")
    optim.AdamW8bit = AdamW8bit  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "bitsandbytes", ModuleType("bitsandbytes"))
    monkeypatch.setitem(sys.modules, "bitsandbytes.optim", optim)
    made = make_optimizer("adamw-8bit", [torch.nn.Parameter(torch.ones(2, 2))])
    assert isinstance(made, AdamW8bit)
    assert asked == [{"lr": 6e-4, "betas": (0.9, 0.95)}]


@pytest.mark.parametrize("optimizer", ["adamw-foreach", "adamw-fused"])
def test_updates_that_overflow_are_skipped_and_counted(optimizer: str) -> None:
    trainer = trainer_of(tiny(dtype="float16", optimizer=optimizer))
    weight = trainer.shared.model.tokens.weight
    trainer.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40, backoff_factor=2.0**-30)
    before = weight.detach().clone()
    assert run_block(trainer, 1, lead_in=0).skipped == 1
    assert torch.equal(weight, before)
    assert run_block(trainer, 3, lead_in=0).skipped == 0
    assert not torch.equal(weight, before)


def test_a_renewed_model_trains_as_the_first_time() -> None:
    trainer = trainer_of()
    first = run_block(trainer, 4, lead_in=0).loss
    assert run_block(trainer, 4, lead_in=0).loss != first
    trainer.renew()
    assert run_block(trainer, 4, lead_in=0).loss == first


def test_what_is_let_go_of_is_made_again_as_it_was() -> None:
    trainer = trainer_of()
    first = run_block(trainer, 2, lead_in=0).loss
    trainer.renew()
    trainer.let_go()
    assert run_block(trainer, 2, lead_in=0).loss == first


@pytest.mark.parametrize("optimizer", ["adamw-foreach", "adamw-fused"])
def test_new_states_are_those_of_no_step_and_made_with_one_gradient_at_a_time(
    optimizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_with: list[int] = []
    step = torch.optim.AdamW.step

    def watched(self: torch.optim.AdamW, closure: None = None) -> None:
        parameters = [each for group in self.param_groups for each in group["params"]]
        made_with.append(sum(each.grad is not None for each in parameters))
        step(self, closure)

    trainer = trainer_of(tiny(optimizer=optimizer))
    run_block(trainer, 2, lead_in=0)
    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    trainer.renew()
    parameters = list(trainer.shared.model.parameters())
    assert made_with == [1] * len(parameters)
    assert all(each.grad is None for each in parameters)
    states = trainer.shared.optimizer.state
    assert len(states) == len(parameters)
    assert all(not tensor.any() for state in states.values() for tensor in state.values())


def test_steps_that_are_counted_on_the_host_begin_at_none() -> None:
    class Counting(torch.optim.SGD):
        """As bitsandbytes does."""

        def step(self, closure: Any = None) -> Any:
            for group in self.param_groups:
                for parameter in group["params"]:
                    if parameter.grad is not None:
                        self.state[parameter].setdefault("step", 0)
                        self.state[parameter]["step"] += 1

    optimizer = Counting([torch.nn.Parameter(torch.ones(2, 2)), torch.nn.Parameter(torch.ones(2))], lr=1.0)
    make_states(optimizer)
    assert [state["step"] for state in optimizer.state.values()] == [0, 0]


def test_states_are_counted_as_memory_that_is_held() -> None:
    training = tiny()
    shared = SharedModel(training, CpuDevice(), 0)
    parameters = list(shared.model.parameters())
    assert shared.parameters == training.parameters
    # Two moments beside each parameter, and a count of steps.
    assert shared.nbytes == 3 * 4 * training.parameters + 4 * len(parameters)


def test_a_step_that_failed_in_backward_leaves_nothing_behind() -> None:
    fails = True

    class Fails(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, out: torch.Tensor) -> torch.Tensor:
            return out.clone()

        @staticmethod
        def backward(ctx: object, gradient: torch.Tensor) -> torch.Tensor:
            if fails:
                raise torch.OutOfMemoryError("out of memory")
            return gradient

    def prepare(workload: Any, device: str) -> Callable[..., torch.Tensor]:
        attend = plain(workload, device)
        return lambda q, k, v: Fails.apply(attend(q, k, v))  # type: ignore[no-untyped-call]

    trainer = trainer_of(tiny(dtype="float16"), own("fails", prepare))
    tried = first_steps(trainer.shared, own("fails", prepare), 2, trainer.device)
    assert isinstance(tried, Explanation) and tried.kind == "oom"
    assert all(each.grad is None for each in trainer.shared.model.parameters())
    with pytest.raises(torch.OutOfMemoryError):
        run_block(trainer, 1, lead_in=0)
    parameters = list(trainer.shared.model.parameters())
    assert any(each.grad is not None for each in parameters)
    trainer.recover()
    assert all(each.grad is None for each in parameters)
    fails = False
    trainer.renew()
    losses = run_block(trainer, 2, lead_in=0).loss
    assert losses == run_block(trainer_of(tiny(dtype="float16"), own("plain", plain)), 2, lead_in=0).loss


class _Ticks:
    """A mark a millisecond; forward, backward and optimizer take 1, 2 and 3 of them."""

    def __init__(self) -> None:
        self.marks = 0

    def mark(self) -> None:
        self.marks += 1

    def between_ms(self) -> list[float]:
        return [float(index % 3 + 1) for index in range(self.marks - 1)]


def test_a_step_lasts_from_the_end_of_one_to_the_end_of_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "marks_on", lambda device: _Ticks())
    block = run_block(trainer_of(), 3, lead_in=2)
    assert block.forward_ms == [1, 1, 1]
    assert block.backward_ms == [2, 2, 2]
    assert block.optimizer_ms == [3, 3, 3]
    assert block.step_ms == [6, 6, 6]


def test_the_steps_that_lead_in_are_made_and_not_told() -> None:
    led_in, plain_block = trainer_of(), trainer_of()
    assert run_block(led_in, 2, lead_in=2).loss == run_block(plain_block, 4, lead_in=0).loss[2:]


class _Allocating(CpuDevice):
    """A device whose allocator grows at its first readings, and gives memory back at every one."""

    def __init__(self, growing: int) -> None:
        super().__init__()
        self.growing, self.readings = growing, 0

    def allocator(self) -> Allocator:
        self.readings += 1
        return Allocator(requests=min(self.readings, self.growing), retries=self.readings)


@pytest.mark.parametrize(("growing", "led_in"), [(0, 2), (6, 4), (100, steps.MOST_LEAD_IN)])
def test_steps_lead_in_until_the_allocator_asks_for_no_more(growing: int, led_in: int) -> None:
    trainer, beside = trainer_of(), trainer_of()
    trainer.device = _Allocating(growing)
    losses = run_block(trainer, 2, lead_in=2).loss
    assert losses == run_block(beside, 2 + led_in, lead_in=0).loss[led_in:]


def test_without_a_lead_in_the_first_step_counts_whatever_it_allocates() -> None:
    trainer = trainer_of()
    trainer.device = _Allocating(100)
    assert run_block(trainer, 2, lead_in=0).loss == run_block(trainer_of(), 2, lead_in=0).loss


def test_a_block_that_is_cut_short_brings_its_steps_home(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = iter([False, False, True])
    monkeypatch.setattr(cut, "is_asked", lambda: next(asked))
    block = run_block(trainer_of(), 5, lead_in=0)
    assert [len(each) for each in (block.step_ms, block.forward_ms, block.loss)] == [2, 2, 2]


def test_nothing_is_collected_within_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    import gc

    seen: list[bool] = []

    def prepare(workload: Any, device: str) -> Callable[..., torch.Tensor]:
        attend = plain(workload, device)

        def watched(*qkv: torch.Tensor) -> torch.Tensor:
            seen.append(gc.isenabled())
            return attend(*qkv)

        return watched

    run_block(trainer_of(None, own("watched", prepare)), 2, lead_in=0)
    assert seen == [False] * 4
    assert gc.isenabled()


@pytest.mark.parametrize(
    ("losses", "at"),
    [
        ([4.0, 4.0], None),
        ([], None),
        ([4.0, math.inf, 4.0], None),
        ([4.0, math.nan, math.inf], 1),
        ([math.nan], 0),
    ],
)
def test_it_has_diverged_where_no_later_loss_is_finite(losses: list[float], at: int | None) -> None:
    assert diverged_at(losses) == at
