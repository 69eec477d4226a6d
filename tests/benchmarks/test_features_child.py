"""A cell is tried with the real first calls, past the rules, and what is wrong with it is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any, TypeVar

import msgspec
import pytest
import torch

import impls
from benchmarks.features_child import Trial
from benchmarks.features_grid import Cell, refusal
from benchmarks.features_pool import Report
from benchmarks.features_protocol import Tried
from benchmarks.features_results import judge
from impls.contract import Attend, Implementation, Workload
from profiler.worker.devices import CpuDevice, Tracked
from profiler.workload import Attention
from tests.shapes import attention

T = TypeVar("T")
Change = Callable[[torch.Tensor, Workload], torch.Tensor]

SMALL = attention(seq=17, heads=2, head_dim=8)
DROPPED = attention(seq=64, heads=4, head_dim=16, dropout=0.25, causal=True)


class Quick(CpuDevice):
    """The CPU without a look at its memory, which takes longer than all the rest."""

    def __init__(self) -> None:
        super().__init__()
        self.is_lost = False

    def track(self, call: Callable[[], T]) -> Tracked[T]:
        return Tracked(call(), 0, 0)

    def release(self) -> None: ...

    def synchronize(self) -> None:
        if self.is_lost:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")


@pytest.fixture(scope="module")
def trial() -> Trial:
    return Trial(Quick())


def doing(change: Change, **facts: Any) -> Implementation:
    """Plain PyTorch, whose output is changed."""
    honest = impls.find("pytorch")

    def prepare(workload: Workload, device: str) -> Attend:
        attend = honest.prepare(workload, device)
        return lambda q, k, v: change(attend(q, k, v), workload)

    return replace(honest, prepare=prepare, **facts)


def refusing(reason: str) -> Implementation:
    def prepare(workload: Workload, device: str) -> Attend:
        raise NotImplementedError(reason)

    return replace(impls.find("pytorch"), prepare=prepare)


@pytest.mark.parametrize(
    "workload",
    [
        SMALL,
        attention(seq=17, seq_q=9, heads=4, kv_heads=2, head_dim=8, causal=True, window=3, dtype="bfloat16"),
        attention(seq=64, seq_q=1, heads=4, kv_heads=2, head_dim=8, decode=True, dtype="float16"),
        attention(lengths=(17, 1, 9), heads=2, head_dim=8, softcap=2.0),
        DROPPED,
        attention(seq=64, heads=4, kv_heads=2, head_dim=16, dropout=0.25, window=20),
        attention(lengths=(64, 30), heads=4, head_dim=16, dropout=0.25),
    ],
    ids=["plain", "masked", "decode", "ragged", "dropout", "dropout, window", "dropout, ragged"],
)
def test_plain_pytorch_is_right(trial: Trial, workload: Attention) -> None:
    assert trial.attempt(impls.find("pytorch"), workload) == Tried("right")


def test_a_wrong_output_names_each_tensor_that_is_off_and_the_limit(trial: Trial) -> None:
    tried = trial.attempt(doing(lambda out, load: out * 1.5), SMALL)
    assert tried.outcome == "wrong"
    assert [part.split()[0] for part in tried.message.split("; ")] == ["out", "dq", "dk", "dv"]
    assert "limit" in tried.message


def test_a_wrong_gradient_is_wrong(trial: Trial) -> None:
    def twice_the_gradient(out: torch.Tensor, load: Workload) -> torch.Tensor:
        out.register_hook(lambda grad: 2 * grad)
        return out

    tried = trial.attempt(doing(twice_the_gradient), SMALL)
    assert tried.outcome == "wrong"
    assert tried.message.startswith("dq off by")


def test_values_that_are_not_finite_are_wrong(trial: Trial) -> None:
    tried = trial.attempt(doing(lambda out, load: out / 0), SMALL)
    assert tried.outcome == "wrong"
    assert tried.message.startswith("out is not finite")


def test_what_raises_is_told_in_its_own_words(trial: Trial) -> None:
    def fails(out: torch.Tensor, load: Workload) -> torch.Tensor:
        raise RuntimeError("no kernel for this head dim")

    tried = trial.attempt(doing(fails), SMALL)
    assert tried == Tried("raised", "RuntimeError: no kernel for this head dim")


def test_a_backward_that_raises_is_told_as_such(trial: Trial) -> None:
    def fails(grad: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("no such gradient")

    def without_backward(out: torch.Tensor, load: Workload) -> torch.Tensor:
        out.register_hook(fails)
        return out

    tried = trial.attempt(doing(without_backward), SMALL)
    assert tried == Tried("raised", "bwd: RuntimeError: no such gradient")


def test_a_reason_given_when_it_is_prepared_is_no_failure(trial: Trial) -> None:
    assert trial.attempt(refusing("was built without it"), SMALL) == Tried("declined", "was built without it")


def test_what_says_it_has_no_backward_is_judged_by_its_output_unless_one_insists(trial: Trial) -> None:
    forward_only = doing(lambda out, load: out.detach(), backward=False)
    assert trial.attempt(forward_only, SMALL) == Tried("right")
    insisted = trial.attempt(forward_only, SMALL, insist=True)
    assert insisted.outcome == "raised"
    assert "no gradient" in insisted.message
    assert trial.attempt(doing(lambda out, load: out, backward=False), SMALL, insist=True) == Tried("right")


def test_the_rules_are_not_asked(trial: Trial) -> None:
    modest = replace(impls.find("pytorch"), window=False, max_head_dim=4)
    assert trial.attempt(modest, attention(seq=17, heads=2, head_dim=8, window=3)) == Tried("right")


def test_lies_in_both_directions_come_to_light(trial: Trial) -> None:
    liar = doing(lambda out, load: out if load.window is None else 2 * out, softcap=False)
    cells = [
        Cell("lengths", SMALL),
        Cell("window", attention(seq=17, heads=2, head_dim=8, window=3)),
        Cell("softcap", attention(seq=17, heads=2, head_dim=8, softcap=2.0)),
    ]
    became = []
    for cell in cells:
        refused = refusal(liar, cell, impls.DeviceInfo("cpu", "CPU"))
        became.append(judge(refused, Report(trial.attempt(liar, cell.workload)))[0])
    assert became == ["passed", "failed", "understated"]


def test_a_device_that_answers_no_more_is_lost() -> None:
    device = Quick()

    def faults(out: torch.Tensor, load: Workload) -> torch.Tensor:
        device.is_lost = True
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    tried = Trial(device).attempt(doing(faults), SMALL)
    assert tried.outcome == "lost"
    assert "illegal memory access" in tried.message


def test_a_deterministic_variant_gives_the_same_gradients_each_time(trial: Trial) -> None:
    calls = count()

    def wavering(out: torch.Tensor, load: Workload) -> torch.Tensor:
        noise = 1 + 1e-7 * (next(calls) % 2)
        out.register_hook(lambda grad: grad * noise)
        return out

    assert trial.attempt(doing(wavering), SMALL) == Tried("right")
    tried = trial.attempt(doing(wavering, name="some+deterministic"), SMALL)
    assert tried.outcome == "wrong"
    assert "differ from call to call" in tried.message
    steady = doing(lambda out, load: out, name="some+deterministic")
    assert trial.attempt(steady, SMALL) == Tried("right")


def dropping(p: float, *, scale: float = 1.0) -> Implementation:
    """Plain PyTorch with another dropout than it is asked for."""
    honest = impls.find("pytorch")

    def prepare(workload: Workload, device: str) -> Attend:
        assert isinstance(workload, Attention)
        if not workload.dropout:
            return honest.prepare(workload, device)
        attend = honest.prepare(msgspec.structs.replace(workload, dropout=p), device)
        return lambda q, k, v: attend(q, k, v) * scale

    return replace(honest, prepare=prepare)


def test_dropout_that_drops_nothing_is_wrong(trial: Trial) -> None:
    tried = trial.attempt(dropping(0.0), DROPPED)
    assert tried == Tried("wrong", "two calls give the same output: nothing is dropped, or always the same")


def test_dropout_that_does_not_make_up_for_what_it_drops_is_wrong(trial: Trial) -> None:
    tried = trial.attempt(dropping(0.25, scale=0.75), DROPPED)
    assert tried.outcome == "wrong"
    assert tried.message.startswith("with dropout the output is 0.7")


def test_dropout_with_another_probability_is_wrong(trial: Trial) -> None:
    tried = trial.attempt(dropping(0.6), DROPPED)
    assert tried.outcome == "wrong"
    assert "noise" in tried.message


def test_a_backward_that_drops_other_weights_is_wrong(trial: Trial) -> None:
    honest = impls.find("pytorch")

    def prepare(workload: Workload, device: str) -> Attend:
        attend = honest.prepare(workload, device)

        def forgetful(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            out = attend(q, k, v)
            out.data = attend(q, k, v).data  # of another call than the one that is differentiated
            return out

        return forgetful

    tried = trial.attempt(replace(honest, prepare=prepare), DROPPED)
    assert tried == Tried("wrong", "forward and backward do not drop the same")


def test_dropout_from_what_is_wrong_without_it_is_wrong(trial: Trial) -> None:
    honest = impls.find("pytorch")

    def prepare(workload: Workload, device: str) -> Attend:
        assert isinstance(workload, Attention)
        return honest.prepare(msgspec.structs.replace(workload, softcap=None), device)

    tried = trial.attempt(replace(honest, prepare=prepare), msgspec.structs.replace(DROPPED, softcap=0.5))
    assert tried.outcome == "wrong"
    assert tried.message.startswith("without dropout: out off by")
