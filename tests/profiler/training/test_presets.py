"""The training presets are the study's tables, row by row."""

from __future__ import annotations

import pytest

import impls
from profiler.plans.plan import PlanError
from profiler.training.plan import TrainingStopping
from profiler.training.presets import TRAINING_PRESETS

TO_2K = (256, 512, 768, 1024, 1536, 2048)
COMPILED = {
    "gpt2-small": (*TO_2K, 3072, 4096),
    "gpt2-medium": (*TO_2K, 3072, 4096),
    "gpt2-large": TO_2K,
}


def rows(name: str) -> list[tuple[str, int]]:
    return [(row.model.name, row.context) for row in TRAINING_PRESETS[name].trainings]


def test_the_compiled_table_has_the_studys_models_and_contexts() -> None:
    assert rows("gpt2-compile") == [
        (model, context) for model, contexts in COMPILED.items() for context in contexts
    ]


def test_the_eager_table_is_of_the_medium_model() -> None:
    assert rows("gpt2-eager") == [("gpt2-medium", c) for c in (256, 512, 1024, 2048, 3072, 4096)]


@pytest.mark.parametrize(("name", "mode"), [("gpt2-compile", "compile"), ("gpt2-eager", "eager")])
def test_all_else_is_as_the_study_has_it(name: str, mode: str) -> None:
    preset = TRAINING_PRESETS[name]
    assert preset.name == name
    for row in preset.trainings:
        assert (row.mode, row.dtype) == (mode, "float16")
        assert row.optimizer == ("adamw-8bit" if row.model.name == "gpt2-large" else "adamw-foreach")
        assert (row.model.vocab, row.model.bias, row.model.dropout) == (16_384, False, 0.0)
        assert row.model.kv_heads == row.model.heads
    assert preset.stopping == TrainingStopping(steps=125, last=25, precision=None)


@pytest.mark.parametrize("name", TRAINING_PRESETS)
def test_the_columns_are_standard_attention_and_the_two_flash_attentions(name: str) -> None:
    preset = TRAINING_PRESETS[name]
    assert preset.implementations == ("pytorch", "sdpa-flash", "flash2")
    assert preset.baseline == "pytorch"
    assert [impls.find(each).name for each in preset.implementations] == list(preset.implementations)


def test_a_preset_is_narrowed_to_the_models_and_contexts_that_are_named() -> None:
    preset = TRAINING_PRESETS["gpt2-compile"]
    narrowed = preset.narrowed(("gpt2-small", "gpt2-large"), (256, 4096))
    assert [(row.model.name, row.context) for row in narrowed] == [
        ("gpt2-small", 256),
        ("gpt2-small", 4096),
        ("gpt2-large", 256),
    ]
    assert preset.narrowed(None, None) == preset.trainings


def test_a_row_that_a_preset_has_not_is_refused_with_those_it_has() -> None:
    with pytest.raises(PlanError, match="has no model gpt2-xl; it has gpt2-small, gpt2-medium, gpt2-large"):
        TRAINING_PRESETS["gpt2-compile"].narrowed(("gpt2-xl",), None)
    with pytest.raises(PlanError, match=r"has no context 4096 of these models; it has 256, 512, .*2048"):
        TRAINING_PRESETS["gpt2-compile"].narrowed(("gpt2-large",), (4096,))
