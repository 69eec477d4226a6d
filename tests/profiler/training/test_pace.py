"""How long a training run may still take, judged by its steps, and the word before a long one on a CPU."""

from __future__ import annotations

import pytest

from profiler.events import Event, TrainingPlanned
from profiler.session.recording import Recording
from profiler.training.pace import left_s, takes_long
from profiler.training.plan import TrainingPlan
from profiler.training.presets import TRAINING_PRESETS
from tests.training_examples import (
    begun,
    steps,
    trained,
    training,
    training_cases,
    training_failed,
    training_plan,
)

PLAN = training_plan([training(context=context) for context in (256, 512)], ("pytorch", "flash2"), batch=8)
FIRST, SECOND, THIRD, FOURTH = training_cases(PLAN)
SETTING_UP = begun(FIRST, at_s=10.0)
IN_STEPS = steps(FIRST, [100.0] * 25, at_s=15.0)  # 2.5 s from 12.5 s on, so that setting up took as long


def left(*events: Event, now_s: float = 15.0, plan: TrainingPlan = PLAN) -> float | None:
    recording = Recording.of([TrainingPlanned(plan=plan), *events])
    return left_s(plan, recording.trainings.values(), now_s)


def of_contexts() -> float:
    """How much more work a step of the second row is."""
    one, other = (row.model_tflops(row.context) for row in PLAN.trainings)
    return other / one


def test_nothing_is_said_before_the_first_steps() -> None:
    assert left() is None and left(SETTING_UP) is None


def test_it_is_told_from_the_first_steps_on_for_all_rows() -> None:
    first_row = 100 * 0.1 + (2.5 + 125 * 0.1)
    second_row = 2 * (2.5 + 125 * 0.1 * of_contexts())
    assert left(SETTING_UP, IN_STEPS) == pytest.approx(first_row + second_row)


def test_a_case_under_way_counts_by_its_own_steps_and_one_being_set_up_by_what_is_left_of_that() -> None:
    before = left(SETTING_UP, IN_STEPS)
    assert before is not None
    later = left(SETTING_UP, IN_STEPS, begun(SECOND, at_s=15.0), now_s=16.0)
    assert later == pytest.approx(before - 1.0)


def test_what_has_failed_is_measured_or_was_skipped_takes_no_more() -> None:
    done = list(trained(FIRST, batch=8, tokens_per_s=20_000.0))
    failed = training_failed(SECOND, "oom", "nothing fits")
    third = [begun(THIRD, at_s=30.0), steps(THIRD, [100.0] * 125, at_s=50.0)]
    fourth = [begun(FOURTH, at_s=50.0), steps(FOURTH, [100.0] * 120, at_s=70.0)]
    assert left(*done, failed, *third, *fourth, now_s=70.0) == pytest.approx(0.5)
    skipped = [SETTING_UP, IN_STEPS, *third, *fourth]
    assert left(*skipped, now_s=70.0) == pytest.approx(0.5)


def test_what_cannot_run_is_told_for_later_rows_at_once_and_does_not_end_the_first() -> None:
    unsupported = training_failed(FOURTH, "unsupported", "has no backward, which training needs")
    told = left(unsupported, SETTING_UP, IN_STEPS)
    assert told is not None and told > 100 * 0.1


def test_a_study_on_a_cpu_is_said_to_be_long_and_what_a_laptop_does_is_not() -> None:
    preset = TRAINING_PRESETS["gpt2-compile"]
    study = training_plan(preset.trainings, preset.implementations, device="cpu")
    assert "on a CPU of 1 TFLOP/s it takes at least 8 hours" in takes_long(study)
    assert takes_long(training_plan(preset.trainings, preset.implementations)) == ""
    assert takes_long(training_plan([training("2x4x128", 128)], ("pytorch",), batch=8, device="cpu")) == ""
