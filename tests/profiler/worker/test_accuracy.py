"""What the rule of right and wrong lets pass, and what it catches."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
import torch

import impls
from impls.contract import Layout
from profiler.worker import reference as definition
from profiler.worker.accuracy import Reference
from profiler.worker.inputs import make_inputs, to_bhsd
from profiler.workload import Attention
from tests.shapes import attention

Outputs = tuple[torch.Tensor, tuple[torch.Tensor, ...]]


@cache
def workload(dtype: str) -> Attention:
    return attention(seq=48, heads=4, kv_heads=2, head_dim=32, dtype=dtype, causal=True)


@cache
def reference(dtype: str) -> Reference:
    return Reference.compute(workload(dtype), "cpu", 0, backward=True)


def outputs(dtype: str, layout: Layout = "bhsd") -> Outputs:
    """Plain PyTorch's out and (dq, dk, dv) in `layout`, to be tampered with."""
    inputs = make_inputs(workload(dtype), layout, "cpu", 0)
    attend = impls.find("pytorch").prepare(workload(dtype), "cpu")
    out = attend(*(to_bhsd(tensor, layout, workload(dtype)) for tensor in (inputs.q, inputs.k, inputs.v)))
    if layout == "bshd":
        out = out.transpose(1, 2)
    grads = torch.autograd.grad(out, (inputs.q, inputs.k, inputs.v), inputs.grad_out)
    return out.detach().clone(), tuple(grad.clone() for grad in grads)


DTYPES = ["float32", "bfloat16", "float16"]


@pytest.mark.parametrize("layout", ["bhsd", "bshd"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_plain_pytorch_is_right_in_either_layout(dtype: str, layout: Layout) -> None:
    out, grads = outputs(dtype, layout)
    accuracy = reference(dtype).judge(out, grads, layout)
    assert accuracy.verdict == "ok"
    assert set(accuracy.errors) == {"out", "dq", "dk", "dv"}
    assert accuracy.heads_checked == accuracy.heads_total == 8
    assert accuracy.queries_checked is None


def test_one_layout_taken_for_the_other_is_wrong() -> None:
    square = attention(seq=4, heads=4, head_dim=16)  # both layouts have the same shape
    judge = Reference.compute(square, "cpu", 0, backward=False)
    inputs = make_inputs(square, "bhsd", "cpu", 0)
    with torch.no_grad():
        out = impls.find("pytorch").prepare(square, "cpu")(inputs.q, inputs.k, inputs.v)
    assert judge.judge(out, None, "bhsd").verdict == "ok"
    assert judge.judge(out, None, "bshd").verdict == "wrong"


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_one_percent_off_is_wrong(dtype: str) -> None:
    out, grads = outputs(dtype)
    accuracy = reference(dtype).judge(out * 1.01, grads, "bhsd")
    assert accuracy.verdict == "wrong"
    over = {name for name, error in accuracy.errors.items() if error and error > accuracy.limits[name]}
    assert over == {"out"}
    assert accuracy.ratio is not None
    assert accuracy.ratio > 2


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("tensor", ["out", "dv"])
def test_one_value_that_is_not_finite_is_told_from_wrong(bad: float, tensor: str) -> None:
    out, grads = outputs("float32")
    {"out": out, "dv": grads[2]}[tensor][1, 1, 7, 3] = bad
    accuracy = reference("float32").judge(out, grads, "bhsd")
    assert accuracy.verdict == "nan"
    assert [name for name, error in accuracy.errors.items() if error is None] == [tensor]
    assert accuracy.ratio is None


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["out", "dq", "dk", "dv"])
@pytest.mark.parametrize("layout", ["bhsd", "bshd"])
def test_one_wrong_value_in_the_last_head_of_any_tensor_is_caught(
    name: str, dtype: str, layout: Layout
) -> None:
    out, grads = outputs(dtype, layout)
    tampered = dict(zip(("out", "dq", "dk", "dv"), (out, *grads), strict=True))[name]
    to_bhsd(tampered, layout, workload(dtype))[-1, -1, -1, -1] += 0.5
    accuracy = reference(dtype).judge(out, grads, layout)
    assert accuracy.verdict == "wrong"
    assert [key for key, error in accuracy.errors.items() if error and error > 0.4] == [name]


def test_gradients_that_were_not_given_are_not_judged() -> None:
    out, _ = outputs("float32")
    accuracy = reference("float32").judge(out, None, "bhsd")
    assert accuracy.verdict == "ok"
    assert set(accuracy.errors) == {"out"}


def test_a_reference_of_the_forward_alone_judges_the_output_alone() -> None:
    forward = Reference.compute(workload("float32"), "cpu", 0, backward=False)
    out, grads = outputs("float32")
    assert set(forward.judge(out, grads, "bhsd").errors) == {"out"}


def test_the_limit_is_twice_plain_pytorchs_error_and_the_allowance() -> None:
    judge = reference("float16")
    for name, exact in judge.tensors.items():
        half = exact.half()
        allowance = 2 * float((half + 0.3 - 0.3 - half).abs().max())
        assert judge.limits[name] == 2 * judge.plain_errors[name] + allowance
        assert judge.plain_errors[name] > 0


def test_in_float32_the_limit_is_never_below_torchs_own_tolerance() -> None:
    exact_in_float32 = attention(seq=1, head_dim=4)  # one key: the output is its value, unrounded
    judge = Reference.compute(exact_in_float32, "cpu", 0, backward=False)
    assert judge.plain_errors["out"] == 0
    inputs = make_inputs(exact_in_float32, "bhsd", "cpu", 0)
    nearly = judge.judge(inputs.v.detach() + 5e-6, None, "bhsd")
    assert (nearly.verdict, nearly.ratio) == ("ok", None)
    assert judge.judge(inputs.v.detach() + 2e-5, None, "bhsd").verdict == "wrong"


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_where_the_right_gradient_is_zero_a_trace_of_rounding_is_no_error(dtype: str) -> None:
    lone_key = attention(seq=1, head_dim=4, dtype=dtype)  # its weight is 1, whatever q and k are
    judge = Reference.compute(lone_key, "cpu", 0, backward=True)
    inputs = make_inputs(lone_key, "bhsd", "cpu", 0)
    zero, out = torch.zeros_like(inputs.q), inputs.v.detach()
    assert judge.judge(out, (zero + 1e-6, zero + 1e-6, inputs.grad_out), "bhsd").verdict == "ok"
    assert judge.judge(out, (zero + 1e-3, zero, inputs.grad_out), "bhsd").verdict == "wrong"


def test_heads_that_were_not_sampled_are_counted_as_such() -> None:
    large = attention(batch=8, seq=512, heads=8, kv_heads=4, head_dim=4, dtype="float16")
    judge = Reference.compute(large, "cpu", 0, backward=False)
    accuracy = judge.judge(torch.zeros(8, 8, 512, 4).half(), None, "bhsd")
    assert accuracy.verdict == "wrong"
    assert accuracy.heads_total == 64
    assert accuracy.heads_checked == 2 * len(judge.sample.pairs) < 64


@pytest.fixture
def sampled(monkeypatch: pytest.MonkeyPatch) -> Reference:
    """On five queries of two of the four pairs, as if the whole of one were too much."""
    one_pair = 2 * 48 * 48
    small = replace(definition._BUDGETS["cpu", "float16"], pair=one_pair - 1)
    monkeypatch.setitem(definition._BUDGETS, ("cpu", "float16"), small)
    monkeypatch.setattr(definition, "_PLACES", 5)
    return Reference.compute(workload("float16"), "cpu", 0, backward=True)


@pytest.mark.parametrize("layout", ["bhsd", "bshd"])
def test_on_sampled_queries_plain_pytorch_is_right_in_either_layout(
    layout: Layout, sampled: Reference
) -> None:
    out, grads = outputs("float16", layout)
    accuracy = sampled.judge(out, grads, layout)
    assert accuracy.verdict == "ok"
    assert set(accuracy.errors) == set(accuracy.limits) == {"out", "dq"}
    assert (accuracy.heads_checked, accuracy.heads_total) == (4, 8)
    assert accuracy.queries_checked == 5


@pytest.mark.parametrize("name", ["out", "dq"])
@pytest.mark.parametrize("layout", ["bhsd", "bshd"])
def test_a_wrong_value_is_caught_in_each_sampled_query_and_in_no_other(
    name: str, layout: Layout, sampled: Reference
) -> None:
    assert sampled.sample.queries is not None
    chosen = {query for part in sampled.sample.queries for query in range(part.start, part.stop)}
    out, grads = outputs("float16", layout)
    head = to_bhsd({"out": out, "dq": grads[0]}[name], layout, workload("float16"))[1, 3]
    caught = set()
    for query in range(48):
        right = head[query].clone()
        head[query, 7] += 0.5
        if sampled.judge(out, grads, layout).verdict == "wrong":
            caught.add(query)
        head[query] = right
    assert caught == chosen > {0, 47}
