"""What the options of `attnprof train` are planned as, and the one sentence for those that cannot be."""

from __future__ import annotations

from typing import Any

import pytest

import impls
from impls.contract import DeviceInfo
from profiler.events import Gpu
from profiler.machine.environment import Device
from profiler.plans.plan import PlanError
from profiler.training.plan import TrainingPlan, TrainingStopping, TrainingTakes
from profiler.training.presets import TRAINING_PRESETS
from tui.options.asked import AskedTraining
from tui.options.training_planning import make_training_plan

CPU = Device("cpu", DeviceInfo("cpu", "Some CPU"))
H100 = Device("cuda:0", DeviceInfo("cuda", "H100", (9, 0)), Gpu(name="H100", memory_bytes=80 * 2**30))
T4 = Device("cuda:0", DeviceInfo("cuda", "Tesla T4", (7, 5)))


def planned(device: Device = CPU, **asked: Any) -> TrainingPlan:
    return make_training_plan(AskedTraining(**asked), device)


def refusal(device: Device = CPU, **asked: Any) -> str:
    with pytest.raises((PlanError, impls.UnknownImplementation)) as refused:
        make_training_plan(AskedTraining(**asked), device)
    return str(refused.value)


def rows(plan: TrainingPlan) -> list[tuple[str, int, str, str, str]]:
    return [(row.model.name, row.context, row.dtype, row.optimizer, row.mode) for row in plan.trainings]


def test_without_options_a_gpu_trains_the_smallest_gpt2_at_the_largest_batch() -> None:
    plan = planned(H100)
    assert rows(plan) == [("gpt2-small", 1024, "float16", "adamw-foreach", "eager")]
    assert plan.batch is None
    assert plan.stopping == TrainingStopping(steps=125, last=25, precision=None)
    assert plan.takes == TrainingTakes(agreement=True, attention=True, ceilings=True)
    assert (plan.baseline, plan.seed, plan.timeout_s, plan.label) == ("pytorch", 0, 900.0, "")


def test_without_options_a_cpu_trains_what_it_does_in_a_minute() -> None:
    plan = planned()
    assert rows(plan) == [("gpt2-2x4x128", 128, "float32", "adamw-foreach", "eager")]
    assert plan.batch == 8


def test_without_names_those_of_the_study_that_run_here_are_trained() -> None:
    assert planned().implementations == ("pytorch", "sdpa-flash")
    assert planned(H100).implementations[:2] == ("pytorch", "sdpa-flash")
    assert "sdpa-flash" not in planned(T4).implementations


def test_lists_multiply_with_the_context_turning_fastest() -> None:
    plan = planned(model="small,medium", context="256..512", mode="eager,compile")
    assert [(row.mode, row.model.name, row.context) for row in plan.trainings] == [
        (mode, model, context)
        for mode in ("eager", "compile")
        for model in ("gpt2-small", "gpt2-medium")
        for context in (256, 512)
    ]


def test_sizes_of_ones_own_are_a_model() -> None:
    (row,) = planned(model="2x4x64", vocab="1k", bias=True, dropout="0.1", kv_heads="2").trainings
    model = row.model
    assert (model.name, model.layers, model.heads, model.width) == ("gpt2-2x4x64", 2, 4, 64)
    assert (model.kv_heads, model.vocab, model.bias, model.dropout) == (2, 1024, True, 0.1)


def test_each_number_of_kv_heads_is_a_model() -> None:
    plan = planned(model="small", kv_heads="1,4")
    assert [row.model.kv_heads for row in plan.trainings] == [1, 4]


@pytest.mark.parametrize(("typed", "batch"), [("auto", None), ("AUTO", None), ("16", 16)])
def test_the_batch_is_found_or_given(typed: str, batch: int | None) -> None:
    assert planned(batch=typed).batch == batch


def test_fewer_steps_than_are_measured_are_all_measured() -> None:
    assert planned(steps=10).stopping == TrainingStopping(steps=10, last=10)
    assert planned(steps=10, last=4).stopping == TrainingStopping(steps=10, last=4)


def test_quick_is_few_steps_and_nothing_beside_and_what_was_typed_stays() -> None:
    plan = planned(quick=True, last=5, precision="2%")
    assert plan.stopping == TrainingStopping(steps=20, last=5, precision=0.02)
    assert plan.takes == TrainingTakes(agreement=False, attention=False, ceilings=False)


def test_a_baseline_joins_those_it_is_compared_with() -> None:
    plan = planned(impl=("sdpa-flash",), baseline="sdpa-math")
    assert plan.implementations == ("sdpa-math", "sdpa-flash")
    assert plan.baseline == "sdpa-math"


@pytest.mark.parametrize("name", TRAINING_PRESETS)
def test_a_preset_brings_rows_implementations_stopping_and_label(name: str) -> None:
    plan, preset = planned(H100, preset=name), TRAINING_PRESETS[name]
    assert plan.trainings == preset.trainings
    assert plan.implementations == preset.implementations
    assert (plan.batch, plan.stopping, plan.label) == (None, preset.stopping, name)


def test_beside_a_preset_models_and_contexts_narrow_and_names_replace() -> None:
    plan = planned(H100, preset="gpt2-compile", model="large", context="256,512", impl=("sdpa",), batch="4")
    assert [(row.model.name, row.context) for row in plan.trainings] == [
        ("gpt2-large", 256),
        ("gpt2-large", 512),
    ]
    assert (plan.implementations, plan.baseline, plan.batch) == (("sdpa",), "sdpa", 4)


def test_a_limit_makes_the_study_reproducible_on_a_larger_card() -> None:
    assert planned(H100, preset="gpt2-compile", memory_limit="12GiB").memory_limit_bytes == 12 * 2**30


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"model": "huge"}, "there is no model 'huge'; there are gpt2-small, gpt2-medium, gpt2-large"),
        ({"model": "2x3x64"}, "a width of 64 cannot be split among 3 heads"),
        ({"model": "2x4x64", "kv_heads": "3"}, "heads must be a multiple of kv heads"),
        ({"model": "0x4x64"}, "layers must be at least 1, not 0"),
        ({"context": "0"}, "--context must be at least 1, not 0"),
        ({"mode": "fast"}, "there is no mode 'fast'; there are eager, compile, fullgraph, reduce-overhead"),
        ({"optimizer": "sgd"}, "there is no optimizer 'sgd'; there are adamw-foreach"),
        ({"batch": "many"}, "--batch takes auto, or one number of sequences such as 16, not 'many'"),
        ({"vocab": "words"}, "--vocab takes a size such as 16384 or 16k, not 'words'"),
        ({"dropout": "often"}, "--dropout takes a probability such as 0.1, not 'often'"),
        ({"dropout": "1"}, "dropout must be at least 0 and below 1"),
        ({"steps": 0}, "--steps must be at least 1, not 0"),
        ({"last": 0}, "--last must be at least 1, not 0"),
        ({"steps": 4, "last": 5}, "of 4 steps the last 5 cannot be measured"),
        ({"precision": "200%"}, "--precision takes a share"),
        ({"dtype": "fp8"}, "there is no dtype 'fp8'"),
        ({"preset": "gpt3"}, "there is no preset 'gpt3'; there are gpt2-compile, gpt2-eager"),
        ({"preset": "gpt2-eager", "mode": "compile"}, "drop it, or drop --mode"),
        ({"preset": "gpt2-eager", "model": "small"}, "has no model gpt2-small; it has gpt2-medium"),
        ({"impl": ("flash22",)}, "there is no implementation 'flash22'"),
        ({"seed": -1}, "--seed must be a whole number"),
        ({"timeout_s": 0.0}, "--timeout must be a number of seconds above 0"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(asked: dict[str, Any], said: str) -> None:
    assert said in refusal(**asked)


def test_a_dtype_that_the_gpu_has_not_is_refused() -> None:
    assert "Tesla T4 has no bfloat16" in refusal(T4, dtype="bf16")


def test_lists_that_multiply_into_too_much_are_refused_before_they_do() -> None:
    many = ",".join(map(str, range(1, 3001)))
    assert "the lists multiply into 12,000 rows" in refusal(
        context=many, mode="eager,compile", dtype="fp16,fp32"
    )
