"""The first step beside plain PyTorch's: what is right, what is wrong, and what cannot be told."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

import impls
from impls import Implementation, Workload
from impls.contract import Attend
from profiler.events import Agreement
from profiler.training.model import Training
from profiler.worker.devices import CpuDevice
from profiler.worker.training import agreement
from profiler.worker.training.agreement import Judge
from profiler.worker.training.shared import SharedModel
from profiler.worker.training.trainer import Trainer
from profiler.workload import Attention
from tests.profiler.worker.training.tiny import own, plain, tiny


def judge(
    implementation: Implementation, training: Training | None = None, batch: int = 3
) -> tuple[Agreement | None, str | None]:
    device = CpuDevice()
    shared = SharedModel(training or tiny(), device, 0)
    return Judge(shared, device).agreement(Trainer(shared, implementation, batch, device))


def verdict(implementation: Implementation, training: Training | None = None) -> str:
    found, why_not = judge(implementation, training)
    assert found is not None, why_not
    return found.verdict


def changed(name: str, change: Callable[[torch.Tensor], torch.Tensor]) -> Implementation:
    """Plain attention whose gradient of `name` (or, with "out", whose output) is changed."""

    class Changed(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, tensor: torch.Tensor) -> torch.Tensor:
            return tensor.clone()

        @staticmethod
        def backward(ctx: object, gradient: torch.Tensor) -> torch.Tensor:
            return change(gradient)

    def prepare(workload: Workload, device: str) -> Attend:
        attend = plain(workload, device)

        def mine(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            if name == "out":
                return change(attend(q, k, v))
            given = {"dq": q, "dk": k, "dv": v}
            given[name] = Changed.apply(given[name])  # type: ignore[no-untyped-call]
            return attend(*given.values())

        return mine

    return own(f"changed {name}", prepare)


def not_causal(workload: Any, device: str) -> Attend:
    import msgspec

    assert isinstance(workload, Attention)
    return plain(msgspec.structs.replace(workload, causal=False), device)


@pytest.mark.parametrize(("dtype", "kv_heads"), [("float32", 2), ("bfloat16", 4), ("float16", 2)])
@pytest.mark.parametrize("name", ["pytorch", "chunked", "sdpa-math", "sdpa"])
def test_what_computes_attention_agrees(name: str, dtype: str, kv_heads: int) -> None:
    found, _ = judge(impls.find(name), tiny(dtype=dtype, kv_heads=kv_heads))
    assert found is not None
    assert found.verdict == "ok", found
    assert found.loss == pytest.approx(math.log(64), rel=0.02)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize(
    "wrong",
    [
        own("not causal", not_causal),
        changed("dq", lambda gradient: gradient * 1.1),
        changed("dk", lambda gradient: gradient.roll(1, -1)),
        changed("dv", lambda gradient: gradient * 0.9),
        changed("out", lambda out: out * 1.1),
    ],
    ids=lambda wrong: wrong.name,
)
def test_what_computes_something_else_is_wrong(wrong: Implementation, dtype: str) -> None:
    assert verdict(wrong, tiny(dtype=dtype)) == "wrong"


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ["dk", "out"])
def test_what_is_not_finite_is_nan_and_has_no_number(name: str, dtype: str) -> None:
    found, _ = judge(changed(name, lambda tensor: tensor * math.nan), tiny(dtype=dtype))
    assert found is not None
    assert found.verdict == "nan"
    assert found.gradient_error is None
    assert (found.loss is None) == (name == "out")
    assert math.isfinite(found.gradient_limit)


def test_the_plain_ones_are_computed_in_parts_that_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def found_in(parts: int) -> Agreement:
        monkeypatch.setattr(agreement, "_sequences_at_once", lambda training, available: parts)
        found, _ = judge(impls.find("sdpa-math"), tiny(), batch=5)
        assert found is not None
        return found

    whole, in_parts = found_in(5), found_in(2)
    assert in_parts.verdict == "ok"
    assert in_parts.reference_loss == pytest.approx(whole.reference_loss, rel=1e-6)


def test_they_are_computed_once_for_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    prepared: list[int] = []
    honest = impls.find("pytorch")

    def prepare(workload: Workload, device: str) -> Attend:
        prepared.append(workload.batch)
        return honest.prepare(workload, device)

    monkeypatch.setattr(impls, "find", lambda name: replace(honest, prepare=prepare))
    device = CpuDevice()
    shared = SharedModel(tiny(), device, 0)
    judge, mine = Judge(shared, device), own("mine", honest.prepare)
    for batch in (2, 2, 3):
        assert judge.agreement(Trainer(shared, mine, batch, device))[0] is not None
    assert prepared == [2, 2, 3, 3]


def test_with_dropout_there_is_nothing_to_agree_with() -> None:
    found, why_not = judge(impls.find("pytorch"), tiny(dropout=0.1))
    assert found is None
    assert why_not == "agreement was not checked: with dropout no two steps are alike"


def test_a_reference_that_does_not_fit_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def prepare(workload: Workload, device: str) -> Attend:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    mine = own("mine", impls.find("pytorch").prepare)
    monkeypatch.setattr(impls, "find", lambda name: own(name, prepare))
    found, why_not = judge(mine)
    assert found is None
    assert why_not == "agreement was not checked: out of memory"
