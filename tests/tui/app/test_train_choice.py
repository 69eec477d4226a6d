"""The training form's texts make the plan that the same options on the command line do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from impls.contract import DeviceInfo
from profiler.events import Gpu
from profiler.machine.environment import Device
from profiler.plans.plan import PlanError
from profiler.training.presets import TRAINING_PRESETS
from tui.app.choice import Choice
from tui.app.train_choice import EMPTY, FIELDS, HELP, TrainChoice, extent, label, train_of

H100 = DeviceInfo("cuda", "NVIDIA H100", compute_capability=(9, 0))
GPU = Device("cuda:0", H100, gpu=Gpu(name="NVIDIA H100", memory_bytes=80 * 2**30))
CPU = Device("cpu", DeviceInfo("cpu", "a laptop"))
RUNNABLE = ("pytorch", "sdpa", "flash2")
BENCH = Choice(
    batch=4,
    seq=512,
    heads=16,
    head_dim=64,
    dtype="bfloat16",
    implementations=("pytorch", "flash2"),
    baseline="pytorch",
)


def test_it_begins_with_the_implementations_of_the_command_that_run_here() -> None:
    assert train_of(BENCH, "cuda", ("pytorch", "chunked", "sdpa-flash")).impl == "pytorch,sdpa-flash"
    elsewhere = train_of(BENCH, "cuda", ("chunked",))
    assert elsewhere.impl == "pytorch,flash2"  # the Bench's, which it was told of


def test_it_begins_with_the_smallest_model() -> None:
    plan = train_of(BENCH, "cuda", RUNNABLE).plan(GPU)
    (row,) = plan.trainings
    assert (row.model.name, row.context, row.dtype, row.mode) == ("gpt2-small", 1024, "bfloat16", "eager")
    assert (plan.implementations, plan.baseline, plan.batch) == (("pytorch", "flash2"), "pytorch", None)


def test_on_a_cpu_it_begins_with_what_a_laptop_trains_in_a_minute() -> None:
    plan = train_of(BENCH, "cpu", RUNNABLE).plan(CPU)
    (row,) = plan.trainings
    assert row.parameters < 4_000_000 and row.context <= 128
    assert row.dtype == "float32" and plan.batch is not None


def test_models_contexts_and_modes_multiply() -> None:
    choice = train_of(BENCH, "cuda", RUNNABLE).typed("model", "small,medium").typed("context", "256,1k")
    plan = choice.typed("mode", "eager,compile").plan(GPU)
    assert extent(plan) == "8 rows x 2 implementations = 16 cases over model, mode, context"


def test_batch_memory_and_steps_are_taken_as_typed() -> None:
    choice = train_of(BENCH, "cuda", RUNNABLE).typed("batch", "16").typed("memory_limit", "12GiB")
    plan = choice.typed("steps", "50").typed("last", "10").typed("precision", "1%").plan(GPU)
    assert (plan.batch, plan.memory_limit_bytes) == (16, 12 * 2**30)
    assert (plan.stopping.steps, plan.stopping.last, plan.stopping.precision) == (50, 10, 0.01)


def test_arrow_keys_go_through_usual_values_and_round() -> None:
    choice = train_of(BENCH, "cuda", RUNNABLE)
    assert choice.stepped("model", 1).model == "medium"
    assert choice.stepped("model", -1).model == "2x4x64"
    assert choice.stepped("model", -1).stepped("model", -1).model == "small,medium,large"
    assert choice.stepped("batch", 1).stepped("batch", -1) == choice
    assert choice.stepped("impl", 1) == choice


@pytest.mark.parametrize("name", TRAINING_PRESETS)
def test_a_preset_shows_its_rows_and_columns_and_makes_its_plan(name: str) -> None:
    choice = train_of(BENCH, "cuda", RUNNABLE).typed("preset", name)
    preset = TRAINING_PRESETS[name]
    assert "medium" in choice.shown("model") and choice.shown("impl") == ",".join(preset.implementations)
    assert choice.belongs_to_preset("mode") and choice.belongs_to_preset("context")
    plan = choice.plan(GPU)
    assert (plan.trainings, plan.implementations, plan.label) == (
        preset.trainings,
        preset.implementations,
        name,
    )


def test_a_preset_is_narrowed_by_model_and_context_and_left_by_another_mode() -> None:
    choice = train_of(BENCH, "cuda", RUNNABLE).typed("preset", "gpt2-eager")
    narrowed = choice.typed("context", "1k")
    assert [row.context for row in narrowed.plan(GPU).trainings] == [1024]
    left = narrowed.typed("mode", "compile")
    assert left.preset == "" and left.impl == "pytorch,sdpa-flash,flash2"
    (row,) = left.plan(GPU).trainings
    assert (row.model.name, row.context, row.mode) == ("gpt2-medium", 1024, "compile")


def test_what_was_typed_comes_back_where_no_preset_is_chosen_after_all() -> None:
    typed = train_of(BENCH, "cuda", RUNNABLE).typed("model", "large").typed("batch", "4").typed("bias", "yes")
    assert typed.stepped("preset", 1).stepped("preset", -1) == typed
    other = typed.stepped("preset", 1).stepped("preset", 1)
    assert other.preset == "gpt2-eager" and other.typed("preset", "") == typed
    narrowed = other.typed("context", "1k").typed("steps", "50").typed("preset", "")
    assert narrowed == replace(typed, context="1k", steps="50")


@pytest.mark.parametrize(
    ("field", "text", "said"),
    [
        ("model", "tiny", "there is no model 'tiny'"),
        ("context", "1k..q", "context takes sizes"),
        ("memory_limit", "12", "memory limit takes a size with its unit"),
        ("memory_limit", "96GiB", "more than the 80.0 GiB"),
        ("optimizer", "sgd", "there is no optimizer 'sgd'"),
        ("steps", "some", "steps takes a number of steps"),
        ("quick", "perhaps", "quick takes yes or no, not 'perhaps'"),
        ("kv_heads", "5", "heads must be a multiple of kv heads"),
        ("impl", "flash9", "flash9"),
    ],
)
def test_what_cannot_be_is_said_in_the_form_s_words(field: str, text: str, said: str) -> None:
    with pytest.raises(PlanError) as refused:
        train_of(BENCH, "cuda", RUNNABLE).typed(field, text).plan(GPU)
    assert said in str(refused.value) and "--" not in str(refused.value)


def test_every_field_says_what_it_takes_and_every_empty_one_what_it_stands_for() -> None:
    assert set(FIELDS) == set(HELP) == set(TrainChoice.__dataclass_fields__) - {"before"}
    assert set(EMPTY) <= set(FIELDS)
    assert all(len(f"{label(field)}: {HELP[field]}") <= 76 for field in FIELDS)


def test_a_choice_without_texts_is_the_command_without_options() -> None:
    empty = replace(TrainChoice(), batch="")
    plan = empty.plan(GPU)
    assert [row.model.name for row in plan.trainings] == ["gpt2-small"]
