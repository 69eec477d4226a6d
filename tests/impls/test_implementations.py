"""Every implementation that says it supports a shape on the CPU is right there."""

from __future__ import annotations

from functools import cache

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
}
BLIND = {name: shape for name, shape in SHAPES.items() if masks.has_blind_queries(shape)}


def in_dtype(shape: Attention, dtype: str) -> Attention:
    return attention(
        seq=shape.seq_k,
        seq_q=shape.seq_q,
        heads=shape.heads,
        kv_heads=shape.kv_heads,
        head_dim=shape.head_dim,
        causal=shape.causal,
        window=shape.window,
        dtype=dtype,
    )


@cache
def reference(workload: Attention) -> Reference:
    return Reference.compute(workload, "cpu", 0, backward=True)


def call(name: str, workload: Attention) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
    """out, and dq, dk, dv, of one call."""
    implementation = impls.find(name)
    inputs = make_inputs(workload, implementation.layout, "cpu", 0)
    out = implementation.prepare(workload, "cpu")(inputs.q, inputs.k, inputs.v)
    return out.detach(), torch.autograd.grad(out, (inputs.q, inputs.k, inputs.v), inputs.grad_out)


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
        accuracy = reference(workload).judge(out, grads, implementation.layout)
        assert accuracy.verdict == "ok", (name, accuracy)
        ran.append(name)
    assert {"pytorch", "sdpa", "sdpa-math"} <= set(ran)


def test_the_shapes_hold_queries_that_see_nothing() -> None:
    assert set(BLIND) == {"more queries, causal", "window, more queries"}


@pytest.mark.parametrize("shape", BLIND)
@pytest.mark.parametrize("name", ["pytorch", "sdpa", "sdpa-math"])
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


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (attention(seq=3, causal=True), ["100", "110", "111"]),
        (attention(seq=4, seq_q=2, causal=True), ["1110", "1111"]),
        (attention(seq=2, seq_q=4, causal=True), ["00", "00", "10", "11"]),
        (attention(seq=4, window=1), ["1100", "1110", "0111", "0011"]),
        (attention(seq=4, window=1, causal=True), ["1000", "1100", "0110", "0011"]),
        (attention(seq=3, window=0), ["100", "010", "001"]),
    ],
)
def test_the_mask_is_aligned_to_the_bottom_right(shape: Attention, expected: list[str]) -> None:
    seen = masks.visible(shape, "cpu")
    assert ["".join(str(int(key)) for key in row) for row in seen.tolist()] == expected


@pytest.mark.parametrize("seq_q", range(1, 7))
@pytest.mark.parametrize("seq_k", range(1, 7))
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("window", [None, 0, 1, 3])
def test_the_mask_and_the_count_of_visible_keys_agree(
    seq_q: int, seq_k: int, causal: bool, window: int | None
) -> None:
    workload = attention(seq=seq_k, seq_q=seq_q, causal=causal, window=window)
    seen = masks.visible(workload, "cpu")
    assert int(seen.sum()) == workload.visible_keys()
    assert masks.has_blind_queries(workload) == bool((~seen.any(dim=1)).any())


@pytest.mark.parametrize(
    "queries", [slice(0, 1), slice(2, 5), slice(4, 100), slice(3, 3), slice(None)], ids=str
)
@pytest.mark.parametrize("seq_k", [3, 6, 11])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("window", [None, 0, 2, 2**31 - 1])
def test_the_mask_of_some_queries_is_their_rows_of_the_whole(
    queries: slice, seq_k: int, causal: bool, window: int | None
) -> None:
    workload = attention(seq=seq_k, seq_q=6, causal=causal, window=window)
    part = masks.visible(workload, "cpu", queries)
    assert part.dtype == torch.bool
    assert torch.equal(part, masks.visible(workload, "cpu")[queries])


@pytest.mark.parametrize(
    ("operators", "backend"),
    [
        ({"aten::_scaled_dot_product_flash_attention_for_cpu", "aten::mul"}, "flash"),
        ({"aten::_scaled_dot_product_attention_math"}, "math"),
        ({"aten::_scaled_dot_product_cudnn_attention", "aten::empty"}, "cudnn"),
        ({"aten::_scaled_dot_product_efficient_attention"}, "efficient"),
        ({"aten::baddbmm"}, None),
    ],
)
def test_the_backend_is_read_off_the_operators_that_ran(operators: set[str], backend: str | None) -> None:
    name_backend = impls.find("sdpa").backend_of
    assert name_backend is not None
    assert name_backend(operators) == backend
