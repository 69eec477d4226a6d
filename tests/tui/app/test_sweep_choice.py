"""The form's texts make the plan that the same options on the command line do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from impls.contract import DeviceInfo
from profiler.machine.environment import Device
from profiler.plans.plan import PlanError
from profiler.plans.presets import PRESETS
from profiler.workload import PASSES
from tui.app.choice import Choice
from tui.app.sweep_choice import FIELDS, HELP, SweepChoice, extent, sweep_of

GPU = Device("cuda:0", DeviceInfo("cuda", "NVIDIA H100", compute_capability=(9, 0)))
BENCH = Choice(
    batch=4,
    seq=512,
    heads=16,
    head_dim=64,
    dtype="bfloat16",
    causal=True,
    implementations=("pytorch", "flash2"),
    baseline="pytorch",
)


def test_it_begins_with_the_bench_s_choice_over_a_range_of_lengths() -> None:
    plan = sweep_of(BENCH, "cuda").plan(GPU)
    assert [shape.seq_q for shape in plan.workloads] == [1024, 2048, 4096, 8192, 16384]
    assert {shape.dtype for shape in plan.workloads} == {"bfloat16"}
    assert all(shape.causal and shape.heads == 16 and shape.head_dim == 64 for shape in plan.workloads)
    assert (plan.implementations, plan.baseline, plan.passes) == (("pytorch", "flash2"), "pytorch", PASSES)


def test_on_a_cpu_the_lengths_are_a_laptop_s() -> None:
    assert sweep_of(BENCH, "cpu").seq == "128..512"


def test_several_axes_multiply() -> None:
    sweep = sweep_of(BENCH, "cuda").typed("heads", "8,16,32").typed("causal", "yes,no")
    plan = sweep.plan(GPU)
    assert extent(plan) == "30 shapes x 2 implementations = 60 cases over seq, heads, causal"


def test_head_dim_and_emb_dim_exclude_each_other() -> None:
    sweep = sweep_of(BENCH, "cuda").typed("emb_dim", "2048")
    assert (sweep.head_dim, sweep.emb_dim) == ("", "2048")
    assert {shape.head_dim for shape in sweep.plan(GPU).workloads} == {128}


def test_decoding_sweeps_the_cache_forward_alone() -> None:
    sweep = sweep_of(BENCH, "cuda").typed("decode", "yes").typed("seq_q", "1,4")
    plan = sweep.plan(GPU)
    assert {(shape.seq_q, shape.decode) for shape in plan.workloads} == {(1, True), (4, True)}
    assert plan.passes == ("fwd",)
    assert sweep.typed("decode", "no").typed("seq_q", "").plan(GPU).passes == PASSES


def test_lengths_of_their_own_and_a_sequence_length_exclude_each_other() -> None:
    sweep = sweep_of(BENCH, "cuda").typed("seq_dist", "uniform:16..64")
    assert sweep.seq == ""
    (shape,) = sweep.plan(GPU).workloads
    assert shape.lengths is not None
    assert sweep.typed("seq", "512").seq_dist == ""


def test_what_the_bench_s_shape_has_besides_is_in_the_form() -> None:
    chosen = replace(BENCH, decode=True, seq_q=4, softcap=50.0)
    plan = sweep_of(chosen, "cuda").plan(GPU)
    assert {(shape.decode, shape.seq_q, shape.softcap) for shape in plan.workloads} == {(True, 4, 50.0)}
    dropped = sweep_of(replace(BENCH, dropout=0.1), "cuda").plan(GPU)
    assert {shape.dropout for shape in dropped.workloads} == {0.1}


def test_a_preset_brings_its_shapes_and_implementations() -> None:
    sweep = sweep_of(BENCH, "cuda").typed("preset", "fa3-paper")
    plan = sweep.plan(GPU)
    assert plan.workloads == PRESETS["fa3-paper"].workloads
    assert plan.implementations == PRESETS["fa3-paper"].implementations
    assert sweep.shown("head_dim") == "64,128"
    assert sweep.shown("dtype") == "fp16"


def test_typing_a_shape_leaves_the_preset_and_finds_the_bench_s_shape_again() -> None:
    sweep = sweep_of(BENCH, "cuda").typed("preset", "lab6").typed("heads", "8")
    assert sweep.preset == ""
    assert sweep.shown("seq") == "1k..16k"


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_can_be_planned(preset: str) -> None:
    plan = SweepChoice(preset=preset).plan(GPU)
    assert plan.workloads == PRESETS[preset].workloads
    assert plan.label == preset


@pytest.mark.parametrize(
    ("field", "text", "says"),
    [
        ("seq", "1k..3x", "seq takes sizes such as"),
        ("seq", "4k..1k", "write 1k..4k"),
        ("kv_heads", "3", "heads must be a multiple of kv heads"),
        ("decode", "maybe", "decode takes yes, no or both"),
        ("dropout", "1", "dropout must be at least 0 and below 1"),
        ("seq_dist", "1..8", "seq dist takes uniform:128..4096"),
        ("seq_dist", "list:1,8", "drop batch"),
        ("causal", "maybe", "causal takes yes, no or both"),
        ("impl", "nope", "there is no implementation 'nope'"),
        ("window", "-1", "window must be at least 0"),
        ("passes", "sideways", "there is no pass 'sideways'"),
        ("batch", ",".join(map(str, range(1, 1002))), "give shorter lists"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence_that_names_the_field(
    field: str, text: str, says: str
) -> None:
    sweep = sweep_of(BENCH, "cuda")
    with pytest.raises(PlanError, match=says) as refusal:
        sweep.typed(field, text).plan(GPU)
    assert "--" not in str(refusal.value)


def test_steps_go_round_the_usual_values() -> None:
    sweep = SweepChoice(causal="no")
    assert [(sweep := sweep.stepped("causal", 1)).causal for _ in range(3)] == ["yes", "no,yes", "no"]
    assert sweep.stepped("batch", 1) == sweep
    assert SweepChoice(dtype="odd").stepped("dtype", 1).dtype == "fp16"


def test_quick_takes_about_a_second_a_shape() -> None:
    plan = sweep_of(BENCH, "cuda").typed("quick", "yes").plan(GPU)
    assert plan.stopping.budget_s == 1.0


def test_every_field_says_what_it_takes() -> None:
    assert set(HELP) == set(FIELDS)
