"""The presets are the experiments of the labs and of the papers, number by number."""

from __future__ import annotations

import pytest

import impls
from profiler.plans.plan import Stopping
from profiler.plans.presets import PRESETS


def shapes(name: str) -> list[tuple[int, int, int, int, bool]]:
    """(batch, seq, heads, emb dim, causal) of each of a preset's workloads."""
    return [(w.batch, w.seq_q, w.heads, w.emb_dim, w.causal) for w in PRESETS[name].workloads]


# The numbers of the labs' sheets: lab 6 asks for three lengths, causal or not; lab 5 sweeps one axis at
# a time around batch 16, seq 1024, heads 32, emb dim 256, causal.
LABS = {
    "lab6": [(32, seq, 16, 1024, causal) for causal in (False, True) for seq in (256, 512, 1024)],
    "lab5-seq": [(16, seq, 32, 256, True) for seq in (256, 512, 1024)],
    "lab5-heads": [(16, 1024, heads, 256, True) for heads in (8, 16, 32)],
    "lab5-emb": [(16, 1024, 32, emb_dim, True) for emb_dim in (128, 256, 512)],
}


def test_there_is_a_preset_for_each_experiment() -> None:
    assert list(PRESETS) == [*LABS, "fa3-paper", *(f"generations-{size}" for size in (64, 128, 256))]
    assert all(preset.name == name for name, preset in PRESETS.items())


@pytest.mark.parametrize("name", LABS)
def test_the_shapes_are_the_labs(name: str) -> None:
    assert shapes(name) == LABS[name]


@pytest.mark.parametrize("name", LABS)
def test_all_else_is_as_the_labs_script_has_it(name: str) -> None:
    preset = PRESETS[name]
    for workload in preset.workloads:
        assert workload.dtype == "float16"
        assert workload.seq_q == workload.seq_k
        assert workload.heads == workload.kv_heads
        assert workload.window is None
    assert preset.stopping.repeats == 30


@pytest.mark.parametrize("name", LABS)
def test_flash_attention_is_compared_with_plain_pytorch(name: str) -> None:
    preset = PRESETS[name]
    assert preset.baseline == "pytorch"
    assert set(preset.implementations) == {"pytorch", "flash2"}
    assert [impls.find(alias).name for alias in ("Pytorch", "Flash2")] == list(preset.implementations)


# The charts of FlashAttention-3: for each head dim and mask a curve over six lengths, 2048 wide and of
# 16k tokens in all.
LENGTHS_AND_BATCHES = [(512, 32), (1024, 16), (2048, 8), (4096, 4), (8192, 2), (16384, 1)]


def test_the_papers_charts_curve_by_curve() -> None:
    shapes = [(w.head_dim, w.heads, w.causal, w.seq_q, w.batch) for w in PRESETS["fa3-paper"].workloads]
    assert shapes == [
        (head_dim, heads, causal, seq, batch)
        for head_dim, heads in ((64, 32), (128, 16))
        for causal in (False, True)
        for seq, batch in LENGTHS_AND_BATCHES
    ]


@pytest.mark.parametrize(("head_dim", "heads"), [(64, 32), (128, 16), (256, 8)])
def test_the_generations_are_compared_over_the_same_charts(head_dim: int, heads: int) -> None:
    preset = PRESETS[f"generations-{head_dim}"]
    assert [(w.head_dim, w.heads, w.causal, w.seq_q, w.batch) for w in preset.workloads] == [
        (head_dim, heads, causal, seq, batch)
        for causal in (False, True)
        for seq, batch in LENGTHS_AND_BATCHES
    ]
    assert preset.baseline == "pytorch"
    assert {"flash1", "flash1-triton", "flash2", "flash3", "flash4"} < set(preset.implementations)
    assert [impls.find(name).name for name in preset.implementations] == list(preset.implementations)


def test_all_else_is_as_the_papers_have_it() -> None:
    for workload in PRESETS["fa3-paper"].workloads:
        assert workload.dtype == "float16"
        assert workload.seq_q == workload.seq_k
        assert workload.heads == workload.kv_heads
        assert workload.emb_dim == 2048
        assert workload.window is None


def test_the_papers_rates_are_measured_until_they_are_known() -> None:
    preset = PRESETS["fa3-paper"]
    assert preset.implementations == ("pytorch", "flash2", "sdpa-flash", "sdpa-cudnn")
    assert preset.baseline == "pytorch"
    assert preset.stopping == Stopping(repeats=None, precision=0.01)
