"""Rabe and Staats' attention where a sequence takes many chunks: right, and never with all scores at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from impls import chunked, masks, pytorch
from profiler.worker.accuracy import Reference
from profiler.worker.inputs import Tensors, make_inputs
from profiler.workload import Attention
from tests.shapes import attention

SHAPES = {
    "plain": attention(seq=48),
    "odd": attention(seq=47, seq_q=37),
    "causal": attention(seq=50, causal=True),
    "fewer queries, causal": attention(seq=50, seq_q=21, causal=True),
    "more queries, causal": attention(seq=21, seq_q=50, causal=True),
    "window": attention(seq=50, window=4),
    "window, more queries": attention(seq=21, seq_q=50, window=3),
    "grouped, window, causal": attention(seq=50, heads=4, kv_heads=2, window=20, causal=True),
    "softcap": attention(seq=40, softcap=1.5, causal=True),
    "lengths": attention(lengths=(50, 3, 24)),
    "lengths, grouped, window": attention(lengths=(12, 41), heads=4, kv_heads=2, window=5),
    "lengths, causal": attention(lengths=(30, 41), causal=True),
}


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunked, "_QUERY_CHUNK", 16)
    monkeypatch.setattr(chunked, "_KEY_CHUNK", 24)


def backward(out: torch.Tensor, inputs: Tensors) -> tuple[torch.Tensor, ...]:
    return torch.autograd.grad(out, (inputs.q, inputs.k, inputs.v), inputs.grad_out, retain_graph=True)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("shape", SHAPES)
def test_many_chunks_are_as_right_as_one(shape: str, dtype: str) -> None:
    workload = msgspec.structs.replace(SHAPES[shape], dtype=dtype)
    inputs = make_inputs(workload, "bhsd", "cpu", 0)
    out = chunked.prepare(workload, "cpu")(inputs.q, inputs.k, inputs.v)
    grads = backward(out, inputs)
    judged = Reference.compute(workload, "cpu", 0, backward=True).judge(out.detach(), grads, "bhsd")
    assert judged.verdict == "ok", judged


def test_a_query_that_sees_no_key_gives_zeros_and_finite_gradients() -> None:
    workload = SHAPES["more queries, causal"]
    inputs = make_inputs(workload, "bhsd", "cpu", 0)
    inputs.grad_out.mul_(1000)  # which no division by something small may blow up to infinity
    out = chunked.prepare(workload, "cpu")(inputs.q, inputs.k, inputs.v)
    grads = backward(out, inputs)
    blind = ~masks.visible(workload, "cpu").any(dim=1)
    assert (out[:, :, blind] == 0).all()
    assert (grads[0][:, :, blind] == 0).all()
    assert all(grad.isfinite().all() for grad in grads)


def test_chunks_whose_scores_lie_far_apart_are_weighed_without_overflow() -> None:
    workload = SHAPES["causal"]
    inputs = make_inputs(workload, "bhsd", "cpu", 0)
    wanted = (inputs.q.detach().mul(40).requires_grad_(), inputs.k, inputs.v)
    results = []
    for prepare in (chunked.prepare, pytorch.prepare):
        out = prepare(workload, "cpu")(*wanted)
        results.append((out, *torch.autograd.grad(out, wanted, inputs.grad_out)))
    for ours, plain in zip(*results, strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-3, atol=1e-3)


def test_backward_can_be_repeated_on_a_kept_graph() -> None:
    workload = SHAPES["causal"]
    inputs = make_inputs(workload, "bhsd", "cpu", 0)
    out = chunked.prepare(workload, "cpu")(inputs.q, inputs.k, inputs.v)
    assert all(map(torch.equal, backward(out, inputs), backward(out, inputs)))


def test_values_that_half_precision_could_not_add_up_are_averaged() -> None:
    workload = attention(seq=48, dtype="float16")
    inputs = make_inputs(workload, "bhsd", "cpu", 0)
    out = chunked.prepare(workload, "cpu")(inputs.q, inputs.k, torch.full_like(inputs.v, 30000))
    assert (out == 30000).all()


@contextmanager
def largest_tensor() -> Iterator[list[int]]:
    """The elements of the largest tensor that an operator gives, in a list of one."""
    most = [0]

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = func(*args, **(kwargs or {}))
            for tensor in result if isinstance(result, tuple | list) else [result]:
                if isinstance(tensor, torch.Tensor):
                    most[0] = max(most[0], tensor.numel())
            return result

    with Watch():  # type: ignore[no-untyped-call]
        yield most


def test_no_more_scores_exist_at_once_than_those_of_a_pair_of_chunks() -> None:
    workload = attention(batch=1, seq=96, heads=1, head_dim=2)
    inputs = make_inputs(workload, "bhsd", "cpu", 0)
    attend = chunked.prepare(workload, "cpu")
    with largest_tensor() as most:
        backward(attend(inputs.q, inputs.k, inputs.v), inputs)
    assert inputs.q.numel() < 16 * 24
    assert most == [16 * 24]


@pytest.mark.parametrize(
    ("workload", "pairs"),
    [
        (attention(seq=48), 3 * 2),
        (attention(seq=48, causal=True), 1 + 2 + 2),
        (attention(seq=48, seq_q=16, causal=True), 2),
        (attention(seq=96, window=8, causal=True), 1 + 2 + 1 + 2 + 2 + 1),
        (attention(seq=48, seq_q=96, causal=True), 0 + 0 + 0 + 1 + 2 + 2),
    ],
    ids=["plain", "causal", "fewer queries, causal", "window, causal", "more queries, causal"],
)
def test_pairs_of_chunks_that_the_mask_hides_are_left_out(workload: Attention, pairs: int) -> None:
    assert sum(len(keys) for _, keys in chunked._plan(workload, "cpu")) == pairs


def test_pairs_that_see_everything_have_no_mask_and_others_share_theirs() -> None:
    seen = [keys.seen for _, parts in chunked._plan(attention(seq=192, causal=True), "cpu") for keys in parts]
    masked = [mask for mask in seen if mask is not None]
    assert len({id(mask) for mask in masked}) < len(masked) < len(seen)
    assert not any(mask.all() for mask in masked)


def test_decoding_keeps_nothing_for_a_backward() -> None:
    workload = attention(seq=50, seq_q=1, heads=4, kv_heads=2, causal=True, decode=True)
    inputs = make_inputs(workload, "bhsd", "cpu", 0)
    out = chunked.prepare(workload, "cpu")(inputs.q, inputs.k, inputs.v)
    assert not out.requires_grad
    assert Reference.compute(workload, "cpu", 0, backward=False).judge(out, None, "bhsd").verdict == "ok"
