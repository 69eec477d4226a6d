"""FlexAttention: the block masks that are built without scores, and the kernel's answers without a GPU."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, create_mask

import impls
from impls import _compile, flex, masks
from impls.contract import DeviceInfo
from profiler.worker.accuracy import Reference
from profiler.worker.inputs import make_inputs
from profiler.workload import Attention
from tests.shapes import attention

H100 = DeviceInfo("cuda", "H100", (9, 0))

MASKED = {
    "causal": attention(seq=512, causal=True),
    "causal, no multiple of a block": attention(seq=300, causal=True),
    "causal, fewer queries": attention(seq=700, seq_q=130, causal=True),
    "causal, more queries": attention(seq=130, seq_q=700, causal=True),
    "window": attention(seq=640, window=100),
    "window, causal": attention(seq=640, window=129, causal=True),
    "window of a block": attention(seq=640, window=128),
    "window of one's own place": attention(seq=300, window=0),
    "window, fewer queries": attention(seq=700, seq_q=140, window=3),
    "window, more queries": attention(seq=140, seq_q=700, window=200),
    "window, one query": attention(seq=700, seq_q=1, window=200, causal=True),
    "wide window": attention(seq=300, window=1000),
    "packed": attention(lengths=(128, 300, 1, 129)),
    "packed, causal": attention(lengths=(257, 255, 384), causal=True),
    "packed, window": attention(lengths=(400, 90, 128), window=60),
    "packed, causal window": attention(lengths=(400, 1, 1, 300), window=200, causal=True),
    "packed, one sequence": attention(lengths=(200,)),
}


def block_mask(workload: Attention) -> BlockMask:
    built = flex._block_mask(workload, "cpu")
    assert built is not None
    return built


def listed(count: torch.Tensor | None, order: torch.Tensor | None) -> list[list[int]]:
    """The blocks of each row."""
    assert count is not None
    assert order is not None
    return [row[:n].tolist() for n, row in zip(count.flatten().tolist(), order.flatten(0, 2), strict=True)]


@pytest.mark.parametrize("shape", MASKED)
def test_the_block_mask_is_what_evaluating_every_score_would_give(shape: str) -> None:
    built = block_mask(MASKED[shape])
    queries, keys = built.seq_lengths
    wanted = create_block_mask(built.mask_mod, None, None, queries, keys, device="cpu")
    for count, order in (
        ("kv_num_blocks", "kv_indices"),
        ("full_kv_num_blocks", "full_kv_indices"),
        ("q_num_blocks", "q_indices"),
        ("full_q_num_blocks", "full_q_indices"),
    ):
        ours = listed(getattr(built, count), getattr(built, order))
        assert ours == listed(getattr(wanted, count), getattr(wanted, order)), (count, ours)
    assert built.BLOCK_SIZE == wanted.BLOCK_SIZE


@pytest.mark.parametrize("shape", [name for name in MASKED if not name.startswith("packed")])
def test_the_mask_function_shows_each_query_its_keys(shape: str) -> None:
    workload = MASKED[shape]
    seen = create_mask(
        block_mask(workload).mask_mod, None, None, workload.seq_q, workload.seq_k, device="cpu"
    )
    assert torch.equal(seen[0, 0], masks.visible(workload, "cpu"))


@pytest.mark.parametrize("shape", [name for name in MASKED if name.startswith("packed")])
def test_a_packed_query_sees_nothing_of_other_documents(shape: str) -> None:
    workload = MASKED[shape]
    lengths = workload.lengths or ()
    seen = create_mask(block_mask(workload).mask_mod, None, None, sum(lengths), sum(lengths), device="cpu")
    alone = [
        masks.visible(attention(seq=length, causal=workload.causal, window=workload.window), "cpu")
        for length in lengths
    ]
    assert torch.equal(seen[0, 0], torch.block_diag(*alone).bool())


@pytest.mark.parametrize("workload", [attention(), attention(seq=300, seq_q=1, causal=True, decode=True)])
def test_where_nothing_is_hidden_there_is_no_mask(workload: Attention) -> None:
    assert flex._block_mask(workload, "cpu") is None


def test_a_long_sequence_has_a_mask_though_all_its_scores_would_not_fit() -> None:
    built = block_mask(attention(seq=2**16, causal=True))
    assert built.kv_num_blocks.sum() == 2**9
    assert built.full_kv_num_blocks is not None
    assert built.full_kv_num_blocks.sum() == 2**9 * (2**9 - 1) / 2


def test_its_output_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    # As Dynamo captures it, but computed by PyTorch's own operators: a C++ compiler takes ten seconds.
    uncompiled: Any = partial(_compile.compile_for_one_shape, backend="aot_eager")
    monkeypatch.setattr(flex, "compile_for_one_shape", uncompiled)
    workload = attention(lengths=(20, 131, 7), heads=4, kv_heads=2, window=30, softcap=5.0)
    inputs = make_inputs(workload, "thd", "cpu", 0)
    # On the CPU it has no backward, and refuses what would need one.
    q, k, v = (tensor.detach() for tensor in (inputs.q, inputs.k, inputs.v))
    out = flex.prepare(workload, "cpu")(q, k, v)
    assert out.shape == q.shape
    assert Reference.compute(workload, "cpu", 0, backward=False).judge(out, None, "thd").verdict == "ok"


@pytest.mark.parametrize(
    ("head_dim", "padded"), [(16, 16), (17, 32), (64, 64), (80, 128), (192, 256), (256, 256)]
)
def test_it_says_which_head_dim_its_kernel_computes_with(head_dim: int, padded: int) -> None:
    pad = impls.find("flex").padded_head_dim
    assert pad is not None
    assert pad(head_dim) == padded


def test_a_head_dim_too_small_for_its_matmuls_is_refused() -> None:
    with_triton = replace(impls.find("flex"), requires=None)
    reason = with_triton.supports(attention(head_dim=8), H100)
    assert reason == "takes head dims from 16 on, not 8"
