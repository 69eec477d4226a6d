"""The command of a training makes the plan that it was made of."""

from __future__ import annotations

import shlex

import pytest

from impls.contract import DeviceInfo
from profiler.events import Gpu
from profiler.machine.environment import Device
from profiler.training.model import Training, gpt2
from profiler.training.plan import TrainingPlan, TrainingStopping
from profiler.training.presets import TRAINING_PRESETS
from tests.training_examples import training, training_plan
from tui.app.reproduce_training import training_command
from tui.commands import train
from tui.options.asked import AskedTraining
from tui.options.training_planning import QUICK_STOPPING, QUICK_TAKES, make_training_plan

GIB = 2**30
OWN = Training(
    model=gpt2("2x4x64", kv_heads=2, vocab=512, bias=True, dropout=0.1), context=64, dtype="float32"
)
PRESET = TRAINING_PRESETS["gpt2-compile"]


def replanned(command: str) -> TrainingPlan:
    """The plan that a command makes on a machine with an H100."""
    words = shlex.split(command)
    assert words[:2] == ["attnprof", "train"]
    context = train.command.make_context("train", words[2:])
    fields = AskedTraining.__dataclass_fields__
    asked = {name: value for name, value in context.params.items() if name in fields}
    name = context.params["device_name"]
    name = "cuda:0" if name == "auto" else name
    gpu = Gpu(name="NVIDIA H100 80GB HBM3", memory_bytes=80 * GIB)
    info = DeviceInfo("cpu" if name == "cpu" else "cuda", "NVIDIA H100 80GB HBM3", compute_capability=(9, 0))
    return make_training_plan(AskedTraining(**asked), Device(name, info, gpu=gpu))


@pytest.mark.parametrize(
    "wanted",
    [
        training_plan([training(mode="eager")]),
        training_plan([training(model, context) for model in ("small", "xl") for context in (256, 1024)]),
        training_plan([training(dtype="bfloat16", optimizer="adamw-8bit", mode="reduce-overhead")], batch=16),
        training_plan([OWN], ("pytorch", "sdpa"), batch=2, device="cpu"),
        training_plan([training()], memory_limit_bytes=12 * GIB, seed=3, timeout_s=60.0),
        training_plan([training()], stopping=TrainingStopping(steps=50, last=10, precision=0.01)),
        training_plan([training()], stopping=TrainingStopping(steps=9, last=9), device="cuda:1"),
        training_plan([training()], stopping=QUICK_STOPPING, takes=QUICK_TAKES),
        training_plan([training()], ("flash2", "pytorch"), baseline="flash2"),
    ],
)
def test_a_command_makes_the_plan_that_it_was_made_of(wanted: TrainingPlan) -> None:
    assert replanned(training_command(wanted)) == wanted


def test_a_preset_is_told_by_its_name_alone() -> None:
    wanted = training_plan(PRESET.trainings, PRESET.implementations, label=PRESET.name)
    assert training_command(wanted) == "attnprof train --preset gpt2-compile"
    assert replanned(training_command(wanted)) == wanted


def test_of_a_plan_one_row_beside_the_baseline_can_be_trained_again() -> None:
    plan = training_plan(PRESET.trainings, PRESET.implementations, memory_limit_bytes=12 * GIB)
    again = replanned(training_command(plan, [PRESET.trainings[-1]], ("pytorch", "flash2")))
    assert again.trainings == (PRESET.trainings[-1],)
    assert again.implementations == ("pytorch", "flash2")
    assert again.memory_limit_bytes == 12 * GIB


def test_a_name_with_blanks_or_worse_is_quoted() -> None:
    plan = training_plan([training()], ["my kernel.py:a;rm -rf"])
    assert "--impl 'my kernel.py:a;rm -rf'" in training_command(plan)
