"""flash1-triton's kernels in Triton's interpreter, how their work is laid over a GPU, and both on one.

The interpreter runs a kernel with NumPy, on the CPU. It must be asked for before Triton is imported, so
it gets a process of its own. Its dots take bfloat16 for integers: that dtype is for a GPU.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from impls import masks
from impls._head_dims import power_of_two
from impls.flash1_triton import IMPLEMENTATION, Gpu, Plan, Tiles, plan, prepare
from profiler.worker.accuracy import Reference
from profiler.worker.inputs import Tensors, make_inputs
from profiler.workload import Attention
from tests.shapes import attention


def one(
    seq: int,
    seq_q: int | None = None,
    *,
    causal: bool = False,
    window: int | None = None,
    dtype: str = "float32",
) -> Attention:
    """Of one head."""
    return attention(
        batch=1, heads=1, head_dim=16, seq=seq, seq_q=seq_q, causal=causal, window=window, dtype=dtype
    )


SHAPES = {
    "plain": one(32),
    "causal": one(32, causal=True),
    "odd lengths": one(35),
    "odd lengths, causal": one(35, causal=True),
    "one query": one(33, 1, causal=True),
    "one key": one(1, 3),
    "fewer queries, causal": one(35, 18, causal=True),
    "fewer queries, causal, an edge at a block's": one(46, 32, causal=True),
    "more queries": one(18, 35),
    "more queries, causal": one(18, 35, causal=True),
    "grouped, causal": attention(batch=1, heads=4, kv_heads=2, head_dim=16, seq=18, causal=True),
    "one key head": attention(batch=2, heads=2, kv_heads=1, head_dim=16, seq=16, seq_q=18),
    "window": one(35, window=7),
    "window of several blocks": one(64, window=30),
    "window, causal": one(35, window=7, causal=True),
    "window of one's own place": one(35, window=0, causal=True),
    "window beyond all": one(20, window=2**31 - 1),
    "window, fewer queries": one(35, 18, window=5),
    "window, more queries": one(18, 35, window=3),
    "float16": one(32, dtype="float16"),
    "float16, odd lengths, causal": one(35, causal=True, dtype="float16"),
    "head dim 4": attention(batch=1, heads=1, head_dim=4, seq=20, causal=True),
    "head dim 32": attention(batch=2, heads=1, head_dim=32, seq=20, causal=True),
    "head dim 80": attention(batch=1, heads=2, head_dim=80, seq=16, seq_q=18),
    "head dim 128": attention(batch=1, heads=1, head_dim=128, seq=32, dtype="float16"),
}
SMALL, WIDE, TALL = (Tiles(*blocks, warps=4, stages=2, per_sm=1) for blocks in ((16, 16), (16, 32), (32, 16)))
PLANS = {
    "whole": Plan(SMALL, SMALL, span=128, split=False),
    "split": Plan(WIDE, TALL, span=16, split=True),
    "in one block": Plan(replace(TALL, block_k=128), replace(WIDE, block_k=128), span=64, split=False),
}
# Triton's interpreter takes a quarter of a second for a case: every shape goes one of two ways, these both.
BOTH_WAYS = ("odd lengths, causal", "more queries, causal", "grouped, causal", "window, more queries")
CASES = {
    f"{shape}, {way}": (SHAPES[shape], PLANS[way])
    for index, shape in enumerate(SHAPES)
    for way in (("whole", "split") if shape in BOTH_WAYS else (("whole", "split")[index % 2],))
} | {
    f"{shape}, in one block": (SHAPES[shape], PLANS["in one block"])
    for shape in ("odd lengths", "more queries, causal", "window", "one key head")
}

Grads = tuple[torch.Tensor, ...]


def call_of(workload: Attention, way: Plan) -> Callable[..., torch.Tensor]:
    from impls.operators.flash1_triton import Call, Flash1

    call = Call(workload, way)
    differentiable: Callable[..., torch.Tensor] = Flash1.apply
    return lambda q, k, v: differentiable(q, k, v, call)


def grads_of(out: torch.Tensor, inputs: Tensors) -> Grads:
    return torch.autograd.grad(out, (inputs.q, inputs.k, inputs.v), inputs.grad_out, retain_graph=True)


def verdicts() -> dict[str, str]:
    """Of each case: ok, or what is wrong with it."""
    found = {}
    for case, (workload, way) in CASES.items():
        inputs = make_inputs(workload, "bhsd", "cpu", 0)
        out = call_of(workload, way)(inputs.q, inputs.k, inputs.v)
        grads = grads_of(out, inputs)
        judged = Reference.compute(workload, "cpu", 0, backward=True).judge(out.detach(), grads, "bhsd")
        found[case] = judged.verdict if judged.verdict == "ok" else str(judged)
        blind = ~masks.visible(workload, "cpu").any(dim=1)
        if (out[:, :, blind] != 0).any() or (grads[0][:, :, blind] != 0).any():
            found[case] = "a query that sees nothing has an output or a gradient"
    return found


def backward_again() -> dict[str, bool]:
    """Whether a second backward of one graph gives the same, and neither writes where it should not."""
    same = {}
    for way in ("whole", "split"):
        workload = one(20, causal=True)
        inputs = make_inputs(workload, "bhsd", "cpu", 0)
        before = inputs.fingerprints()
        out = call_of(workload, PLANS[way])(inputs.q, inputs.k, inputs.v)
        output = out.detach().clone()
        grads = grads_of(out, inputs)
        kept = [grad.clone() for grad in grads]
        again = grads_of(out, inputs)
        same[f"{way}, gradients"] = all(map(torch.equal, kept, again))
        same[f"{way}, first gradients kept"] = all(map(torch.equal, kept, grads))
        same[f"{way}, output"] = torch.equal(output, out)
        same[f"{way}, inputs"] = inputs.fingerprints() == before
    return same


def strides() -> dict[str, bool]:
    """Whether tensors laid out otherwise, or repeated by a stride of zero, give the same."""
    workload = attention(batch=2, heads=2, kv_heads=1, head_dim=16, seq=20, seq_q=10)
    inputs = make_inputs(workload, "bhsd", "cpu", 0)
    call = call_of(workload, PLANS["whole"])
    as_is = call(inputs.q, inputs.k, inputs.v)
    q, k, v = (
        tensor.detach().transpose(1, 2).contiguous().transpose(1, 2).requires_grad_()
        for tensor in (inputs.q, inputs.k, inputs.v)
    )
    by_token = Tensors(q, k, v, inputs.grad_out.transpose(2, 3).contiguous().transpose(2, 3))
    otherwise = call(by_token.q, by_token.k, by_token.v)
    ones = torch.ones_like(as_is)
    summed = torch.autograd.grad(as_is.sum(), (inputs.q, inputs.k, inputs.v), retain_graph=True)
    return {
        "output": torch.equal(as_is, otherwise),
        "gradients": all(map(torch.equal, grads_of(as_is, inputs), grads_of(otherwise, by_token))),
        "of a sum": all(map(torch.equal, summed, grads_of(as_is, replace(inputs, grad_out=ones)))),
    }


def interpreted(*functions: Callable[[], Mapping[str, object]]) -> dict[str, object]:
    """What functions of this module return where Triton interprets."""
    names = [function.__name__ for function in functions]
    asked = ", ".join(f"**here.{name}()" for name in names)
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import json, tests.impls.test_flash1_triton as here\nprint(json.dumps({{{asked}}}))",
        ],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_every_shape_is_right_whole_split_and_in_one_block() -> None:
    assert interpreted(verdicts) == dict.fromkeys(CASES, "ok")


def test_the_shapes_hold_queries_that_see_nothing() -> None:
    blind = {name for name, shape in SHAPES.items() if masks.has_blind_queries(shape)}
    assert blind == {"more queries, causal", "window, more queries"}


def test_backward_goes_again_on_a_kept_graph_and_strides_are_followed() -> None:
    found = interpreted(backward_again, strides)
    assert len(found) == 11
    assert found == dict.fromkeys(found, True)


H100 = Gpu((9, 0), sms=132, l2_bytes=50 * 2**20)
RTX_3090 = Gpu((8, 6), sms=82, l2_bytes=6 * 2**20)


def programs(workload: Attention, gpu: Gpu) -> tuple[int, int]:
    """Of forward and of backward."""
    laid = plan(workload, gpu)
    key_blocks = math.ceil(workload.seq_k / laid.backward.block_k)
    return (
        workload.batch * workload.heads * math.ceil(workload.seq_q / laid.span),
        workload.batch * workload.kv_heads * (key_blocks if laid.split else 1),
    )


@pytest.mark.parametrize("gpu", [H100, RTX_3090], ids=["h100", "3090"])
@pytest.mark.parametrize("head_dim", [64, 128])
@pytest.mark.parametrize("seq", [1024, 4096, 16384, 131072])
def test_few_heads_fill_the_gpu_all_the_same(seq: int, head_dim: int, gpu: Gpu) -> None:
    workload = attention(batch=1, heads=16, seq=seq, head_dim=head_dim, dtype="float16")
    for count in programs(workload, gpu):
        assert count / gpu.sms / math.ceil(count / gpu.sms) > 0.75


def test_many_heads_have_one_program_each_in_backward() -> None:
    workload = attention(batch=32, heads=32, seq=512, head_dim=64, dtype="float16")
    assert programs(workload, H100)[1] == 32 * 32


def test_outputs_under_way_fit_the_cache() -> None:
    workload = attention(batch=4, heads=64, seq=65536, head_dim=128, dtype="float16")
    laid = plan(workload, H100)
    assert laid.span * 128 * 4 * laid.forward.per_sm * H100.sms <= H100.l2_bytes


@pytest.mark.parametrize("capability", [(8, 0), (8, 6), (8, 7), (8, 9), (9, 0), (10, 0), (12, 0), (13, 0)])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_there_are_tiles_for_every_head_dim_on_every_gpu(dtype: str, capability: tuple[int, int]) -> None:
    for head_dim in (1, 16, 17, 64, 65, 128, 129, IMPLEMENTATION.max_head_dim or 0):
        workload = attention(head_dim=head_dim, dtype=dtype, seq=1000)
        laid = plan(workload, Gpu(capability, sms=60, l2_bytes=2**22))
        assert laid.span % laid.forward.block_q == 0
        assert min(laid.forward.block_q, laid.backward.block_q) >= 16


@pytest.mark.parametrize(
    ("head_dim", "size"), [(4, 16), (16, 16), (17, 32), (80, 128), (128, 128), (129, 256)]
)
def test_head_dims_are_padded_to_powers_of_two(head_dim: int, size: int) -> None:
    assert power_of_two(head_dim) == size


@pytest.mark.gpu
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("head_dim", [64, 128])
def test_it_is_right_on_the_gpu(head_dim: int, causal: bool) -> None:
    workload = attention(seq=1000, head_dim=head_dim, causal=causal, dtype="float16")
    inputs = make_inputs(workload, "bhsd", "cuda:0", 0)
    out = prepare(workload, "cuda:0")(inputs.q, inputs.k, inputs.v)
    judged = Reference.compute(workload, "cuda:0", 0, backward=True).judge(
        out.detach(), grads_of(out, inputs), "bhsd"
    )
    assert judged.verdict == "ok", judged


@pytest.mark.gpu
def test_a_graph_of_it_replays_what_it_computes() -> None:
    workload = attention(seq=1024, head_dim=64, dtype="float16")
    inputs = make_inputs(workload, "bhsd", "cuda:0", 0)
    attend = prepare(workload, "cuda:0")

    def step() -> Grads:
        out = attend(inputs.q, inputs.k, inputs.v)
        return (out.detach(), *grads_of(out, inputs))

    aside = torch.cuda.Stream()
    with torch.cuda.stream(aside):
        step()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = step()
    graph.replay()
    torch.cuda.synchronize()
    for replayed, computed in zip(captured, step(), strict=True):
        # Sums of dQ are added in another order each time: the last bit of float16 may differ.
        torch.testing.assert_close(replayed, computed, rtol=2e-3, atol=1e-5)


@pytest.mark.gpu
def test_its_deterministic_variant_gives_the_same_bits_again() -> None:
    workload = attention(batch=1, heads=2, seq=4096, head_dim=64, dtype="float16")
    inputs = make_inputs(workload, "bhsd", "cuda:0", 0)
    out = IMPLEMENTATION.variants["deterministic"].prepare(workload, "cuda:0")(inputs.q, inputs.k, inputs.v)
    assert all(map(torch.equal, grads_of(out, inputs), grads_of(out, inputs)))
