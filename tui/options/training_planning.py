"""From what was typed to a training plan: presets, models, and the refusals that need no torch."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from typing import TypeVar

import impls
from profiler.machine.environment import Device
from profiler.plans import grid
from profiler.plans.plan import MOST_CASES, PlanError
from profiler.training.model import MODES, OPTIMIZERS, VOCAB, Gpt, Training, TrainingError, gpt2
from profiler.training.plan import TrainingPlan, TrainingStopping, TrainingTakes
from profiler.training.presets import TRAINING_PRESETS, TrainingPreset
from tui.options.asked import MODEL_OPTIONS, AskedTraining, given
from tui.options.planning import named_implementations, with_baseline
from tui.options.values import dropout, fraction, memory_limit, positive, seed

_T = TypeVar("_T", bound=str)

AUTO = "auto"

# What answers in seconds where the default takes minutes.
QUICK_STOPPING = TrainingStopping(steps=20, last=10)
QUICK_TAKES = TrainingTakes(agreement=False, attention=False, ceilings=False)

IMPLEMENTATIONS = ("pytorch", "sdpa-flash", "flash2")
"""Of these, those that run here are trained where none is named: the columns of the study's tables."""


@dataclass(frozen=True)
class _Defaults:
    """The run for which nothing was given."""

    model: str
    context: str
    batch: str
    dtype: str


# On a GPU the study's smallest model; on a CPU what a laptop does in a minute.
DEFAULTS = {
    "cuda": _Defaults(model="small", context="1024", batch=AUTO, dtype="fp16"),
    "cpu": _Defaults(model="2x4x128", context="128", batch="8", dtype="fp32"),
}


def make_training_plan(asked: AskedTraining, device: Device) -> TrainingPlan:
    """The plan that the options describe, on `device`.

    Raises:
        PlanError: they describe none; the message is one sentence.
        UnknownImplementation: likewise.
    """
    preset = _preset(asked)
    trainings = _narrowed(preset, asked) if preset else _trainings(asked, device)
    for dtype in dict.fromkeys(training.dtype for training in trainings):
        if lacks := device.info.lacks(dtype):
            raise PlanError(lacks)
    names, baseline = with_baseline(
        _implementations(asked, preset, device), preset.baseline if preset else None, asked.baseline
    )
    return TrainingPlan(
        trainings=trainings,
        implementations=names,
        batch=_batch(asked, preset, device),
        baseline=baseline,
        stopping=_stopping(asked, preset),
        takes=QUICK_TAKES if asked.quick else TrainingTakes(),
        memory_limit_bytes=memory_limit(asked.memory_limit, device),
        seed=seed(asked.seed),
        device=device.name,
        timeout_s=positive(asked.timeout_s, "--timeout"),
        label=asked.label if asked.label is not None else asked.preset or "",
    )


def _preset(asked: AskedTraining) -> TrainingPreset | None:
    if asked.preset is None:
        return None
    if asked.preset not in TRAINING_PRESETS:
        raise PlanError(f"there is no preset '{asked.preset}'; there are {', '.join(TRAINING_PRESETS)}")
    if others := given(asked, MODEL_OPTIONS):
        raise PlanError(
            f"the preset {asked.preset} says how its models are made and trained; drop it, or drop "
            f"{others[0]} (--model, --context and --impl narrow it)"
        )
    return TRAINING_PRESETS[asked.preset]


def _narrowed(preset: TrainingPreset, asked: AskedTraining) -> tuple[Training, ...]:
    models = None if asked.model is None else tuple(model.name for model in _models(asked.model))
    contexts = None if asked.context is None else grid.parse_sizes(asked.context, "--context")
    return preset.narrowed(models, contexts)


def _trainings(asked: AskedTraining, device: Device) -> tuple[Training, ...]:
    """Every combination of what was given in lists, the context turning fastest."""
    default = DEFAULTS[device.info.kind]
    contexts = grid.parse_sizes(default.context if asked.context is None else asked.context, "--context")
    dtypes = grid.parse_dtypes(default.dtype if asked.dtype is None else asked.dtype)
    optimizers = _listed(asked.optimizer, OPTIMIZERS, "optimizer", OPTIMIZERS[0])
    modes = _listed(asked.mode, MODES, "mode", MODES[0])
    models = _models(
        default.model if asked.model is None else asked.model,
        kv_heads=None if asked.kv_heads is None else grid.parse_sizes(asked.kv_heads, "--kv-heads"),
        vocab=VOCAB if asked.vocab is None else grid.parse_size(asked.vocab, "--vocab", takes=_SIZE),
        bias=asked.bias,
        dropout=dropout(asked.dropout),
    )
    count = math.prod(map(len, (dtypes, optimizers, modes, models, contexts)))
    if count > MOST_CASES:
        raise PlanError(f"the lists multiply into {count:,} rows; at most {MOST_CASES:,} cases are possible")
    return tuple(
        Training(model=model, context=context, dtype=dtype, optimizer=optimizer, mode=mode)
        for dtype, optimizer, mode, model, context in product(dtypes, optimizers, modes, models, contexts)
    )


_SIZE = "a size such as 16384 or 16k"


def _models(
    text: str,
    *,
    kv_heads: tuple[int, ...] | None = None,
    vocab: int = VOCAB,
    bias: bool = False,
    dropout: float = 0.0,
) -> tuple[Gpt, ...]:
    """The models of a list, each with every number of kv heads."""
    try:
        models = [
            gpt2(name, kv_heads=kv, vocab=vocab, bias=bias, dropout=dropout)
            for name in text.split(",")
            for kv in (kv_heads or (None,))
        ]
    except TrainingError as error:
        raise PlanError(str(error)) from None
    return tuple(dict.fromkeys(models))


def _listed(text: str | None, possible: Iterable[_T], noun: str, default: _T) -> tuple[_T, ...]:
    """Those of a list, each once, in the order typed."""
    if text is None:
        return (default,)
    by_name = {name.casefold(): name for name in possible}
    chosen: dict[_T, None] = {}
    for part in text.split(","):
        name = by_name.get(part.strip().casefold())
        if name is None:
            raise PlanError(f"there is no {noun} '{part.strip()}'; there are {', '.join(by_name.values())}")
        chosen[name] = None
    return tuple(chosen)


def _implementations(asked: AskedTraining, preset: TrainingPreset | None, device: Device) -> tuple[str, ...]:
    """Those asked for; else the preset's; else those of the study that run on the device."""
    if asked.impl:
        return named_implementations(asked.impl)
    if preset:
        return preset.implementations
    return tuple(name for name in IMPLEMENTATIONS if impls.find(name).unavailable(device.info) is None)


def _batch(asked: AskedTraining, preset: TrainingPreset | None, device: Device) -> int | None:
    text = asked.batch
    if text is None:
        text = AUTO if preset else DEFAULTS[device.info.kind].batch
    if text.strip().lower() == AUTO:
        return None
    return grid.parse_size(text, "--batch", takes="auto, or one number of sequences such as 16")


def _stopping(asked: AskedTraining, preset: TrainingPreset | None) -> TrainingStopping:
    """That of --quick or the preset, with what was typed in the place of its own."""
    default = QUICK_STOPPING if asked.quick else preset.stopping if preset else TrainingStopping()
    steps = default.steps if asked.steps is None else asked.steps
    last = asked.last
    if last is None:
        last = max(1, min(default.last, steps))  # of fewer steps than that, all are measured
    return TrainingStopping(
        steps=steps,
        last=last,
        precision=default.precision if asked.precision is None else fraction(asked.precision),
    )
