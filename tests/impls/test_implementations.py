"""Every implementation that says it supports a shape on the CPU is right there."""

from __future__ import annotations

from functools import cache

import msgspec
import pytest
import torch

import impls
from impls import masks
from impls.contract import DeviceInfo
from profiler.worker.accuracy import Reference
from profiler.worker.inputs import make_inputs
from profiler.workload import Attention
from tests.shapes import attention

CPU = DeviceInfo("cpu", "CPU")
RUNNABLE = [item.name for item in impls.catalog() if item.unavailable(CPU) is None]

SHAPES = {
    "plain": attention(seq=64),
    "odd lengths": attention(seq=57, causal=True),
    "one query": attention(seq=33, seq_q=1, causal=True),
    "one key": attention(seq=1),
    "fewer queries": attention(seq=48, seq_q=20),
    "fewer queries, causal": attention(seq=48, seq_q=20, causal=True),
    "more queries, causal": attention(seq=20, seq_q=48, causal=True),
    "grouped": attention(heads=6, kv_heads=2, causal=True),
    "one key head": attention(heads=4, kv_heads=1),
    "grouped, fewer queries": attention(heads=4, kv_heads=2, seq=48, seq_q=20, causal=True),
    "window": attention(seq=50, window=7),
    "window, causal": attention(seq=50, window=7, causal=True),
    "window of one's own place": attention(seq=40, window=0, causal=True),
    "window, fewer queries": attention(seq=48, seq_q=20, window=5),
    "window, more queries": attention(seq=20, seq_q=48, window=3),
    "window, grouped": attention(seq=40, heads=4, kv_heads=2, window=5, causal=True),
    "head dim 4": attention(head_dim=4, causal=True),
    "head dim 8": attention(head_dim=8),
    "head dim 80": attention(seq=40, head_dim=80, causal=True),
    "head dim 256": attention(seq=40, head_dim=256),
    "softcap": attention(seq=50, softcap=1.5),
    "softcap, grouped, causal": attention(seq=48, seq_q=60, heads=4, kv_heads=2, causal=True, softcap=5.0),
    "lengths": attention(lengths=(31, 1, 40)),
    "lengths, grouped, causal": attention(lengths=(17, 40), heads=4, kv_heads=2, causal=True),
    "lengths, window": attention(lengths=(50, 9), heads=4, kv_heads=2, window=6),
    "lengths, window, causal": attention(lengths=(9, 41), window=6, causal=True),
    "lengths, softcap": attention(lengths=(12, 33), softcap=2.0),
    "decode": attention(seq=70, seq_q=1, heads=4, kv_heads=2, causal=True, decode=True),
    "decode, window": attention(seq=70, seq_q=1, window=20, causal=True, decode=True),
    "decode, some queries": attention(seq=70, seq_q=3, heads=4, kv_heads=1, causal=True, decode=True),
}
BLIND = {name: shape for name, shape in SHAPES.items() if masks.has_blind_queries(shape)}


def in_dtype(shape: Attention, dtype: str) -> Attention:
    return msgspec.structs.replace(shape, dtype=dtype)


@cache
def reference(workload: Attention) -> Reference:
    return Reference.compute(workload, "cpu", 0, backward=workload.has_backward)


def call(name: str, workload: Attention) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
    """out, and dq, dk, dv where there is a backward, of one call."""
    implementation = impls.find(name)
    inputs = make_inputs(workload, implementation.layout_of(workload), "cpu", 0)
    out = implementation.prepare(workload, "cpu")(inputs.q, inputs.k, inputs.v)
    if not workload.has_backward:
        return out, ()
    return out.detach(), torch.autograd.grad(out, (inputs.q, inputs.k, inputs.v), inputs.grad_out)


def right(shape: str) -> set[str]:
    """Those that must be among the ones that run it."""
    if SHAPES[shape].softcap is not None:
        return {"pytorch", "chunked"}
    return {"pytorch", "chunked", "sdpa", "sdpa-math"}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_implementation_that_supports_a_shape_is_right(shape: str, dtype: str) -> None:
    workload = in_dtype(SHAPES[shape], dtype)
    ran = []
    for name in RUNNABLE:
        implementation = impls.find(name)
        if implementation.supports(workload, CPU):
            continue
        out, grads = call(name, workload)
        accuracy = reference(workload).judge(out, grads, implementation.layout_of(workload))
        assert accuracy.verdict == "ok", (name, accuracy)
        ran.append(name)
    assert right(shape) <= set(ran)


def test_the_shapes_hold_queries_that_see_nothing() -> None:
    assert set(BLIND) == {"more queries, causal", "window, more queries", "softcap, grouped, causal"}


@pytest.mark.parametrize(
    ("shape", "name"), [(shape, name) for shape in BLIND for name in sorted(right(shape))]
)
def test_a_query_that_sees_no_key_gives_zeros_and_finite_gradients(name: str, shape: str) -> None:
    workload = BLIND[shape]
    blind = ~masks.visible(workload, "cpu").any(dim=1)
    assert blind.any()
    assert not blind.all()
    out, (dq, dk, dv) = call(name, workload)
    assert (out[:, :, blind] == 0).all()
    assert (dq[:, :, blind] == 0).all()
    assert (out[:, :, ~blind] != 0).any(dim=-1).all()
    assert all(grad.isfinite().all() for grad in (dq, dk, dv))


@pytest.mark.parametrize("shape", ["lengths", "lengths, grouped, causal", "lengths, window"])
@pytest.mark.parametrize("name", ["pytorch", "chunked", "sdpa", "sdpa-math"])
def test_nothing_flows_back_from_padding(name: str, shape: str) -> None:
    workload = SHAPES[shape]
    padding = ~masks.real_tokens(workload, "cpu")
    assert padding.any()
    _, grads = call(name, workload)
    for grad in grads:
        assert grad.isfinite().all()
        assert (grad.transpose(1, 2)[padding] == 0).all()


@pytest.mark.parametrize("name", ["pytorch", "sdpa", "sdpa-math"])
def test_dropout_leaves_the_mean_as_it_is(name: str) -> None:
    whole = attention(seq=8, causal=True)
    dropping = impls.find(name).prepare(msgspec.structs.replace(whole, dropout=0.25), "cpu")
    inputs = make_inputs(whole, "bhsd", "cpu", 0)
    torch.manual_seed(0)
    with torch.no_grad():
        outs = torch.stack([dropping(inputs.q, inputs.k, inputs.v) for _ in range(300)])
    mean_error = (outs.mean(dim=0) - call(name, whole)[0]).abs()
    standard_error = outs.std(dim=0) / 300**0.5
    assert (outs[0] != outs[1]).any()
    assert (mean_error < 5 * standard_error + 1e-6).all()
