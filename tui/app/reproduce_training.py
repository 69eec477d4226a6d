"""The command that trains rows again without the app, under the plan that they were trained under."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence

from profiler.training.model import MODES, OPTIMIZERS, VOCAB, Training
from profiler.training.plan import TrainingPlan, TrainingStopping
from profiler.training.presets import TRAINING_PRESETS
from profiler.workload import SHORT_DTYPES
from tui.app.reproduce import DEFAULT_DEVICE, baseline_option, typed_size
from tui.options.asked import AskedTraining
from tui.options.training_planning import AUTO, QUICK_STOPPING, QUICK_TAKES


def training_command(
    plan: TrainingPlan,
    trainings: Sequence[Training] | None = None,
    implementations: Sequence[str] | None = None,
) -> str:
    """`attnprof train` with every option in which the plan differs from its defaults, quoted for a shell.

    `trainings` and `implementations` are those of its rows and columns that are to be trained, by default
    all. Rows that are no product of lists, and no preset's, are those of the lists that hold them.
    """
    rows = tuple(trainings or plan.trainings)
    names = tuple(implementations or plan.implementations)
    preset = next((preset for preset in TRAINING_PRESETS.values() if preset.trainings == rows), None)
    has_names, has_batch = preset is not None and preset.implementations == names, plan.batch is None
    arguments = [
        "attnprof",
        "train",
        *(("--preset", preset.name) if preset else _rows(rows)),
        *(() if has_names else ("--impl", ",".join(names))),
        *baseline_option(names, plan.baseline if plan.baseline in names else None),
        *(() if preset and has_batch else ("--batch", AUTO if plan.batch is None else str(plan.batch))),
        *_pace(plan),
        *_rest(plan),
    ]
    return shlex.join(arguments)


def _rows(rows: tuple[Training, ...]) -> Iterator[str]:
    """What rows are made of, as lists."""
    models = list(dict.fromkeys(row.model for row in rows))
    yield from ("--model", _listed(model.name.removeprefix("gpt2-") for model in models))
    yield from ("--context", _listed(str(row.context) for row in rows))
    yield from ("--dtype", _listed(SHORT_DTYPES.get(row.dtype, row.dtype) for row in rows))
    if optimizers := _unless({row.optimizer: None for row in rows}, OPTIMIZERS[0]):
        yield from ("--optimizer", optimizers)
    if modes := _unless({row.mode: None for row in rows}, MODES[0]):
        yield from ("--mode", modes)
    if any(model.kv_heads != model.heads for model in models):
        yield from ("--kv-heads", _listed(str(model.kv_heads) for model in models))
    first = models[0]
    if first.vocab != VOCAB:
        yield from ("--vocab", str(first.vocab))
    if first.bias:
        yield "--bias"
    if first.dropout:
        yield from ("--dropout", f"{first.dropout:.12g}")


def _listed(values: Iterable[str]) -> str:
    return ",".join(dict.fromkeys(values))


def _unless(values: dict[str, None], default: str) -> str:
    """The values as a list; "" where they are only what would be taken anyway."""
    return "" if list(values) == [default] else ",".join(values)


def _pace(plan: TrainingPlan) -> Iterator[str]:
    """How many steps. --quick is for a plan that takes nothing beside times and memory."""
    standard, stopping = TrainingStopping(), plan.stopping
    if plan.takes == QUICK_TAKES:
        standard = QUICK_STOPPING
        yield "--quick"
    if stopping.steps != standard.steps:
        yield from ("--steps", str(stopping.steps))
    if stopping.last != min(standard.last, stopping.steps):
        yield from ("--last", str(stopping.last))
    if stopping.precision is not None and stopping.precision != standard.precision:
        yield from ("--precision", f"{stopping.precision:.12g}")


def _rest(plan: TrainingPlan) -> Iterator[str]:
    if plan.timeout_s != AskedTraining.timeout_s:
        yield from ("--timeout", f"{plan.timeout_s:.12g}")
    if plan.memory_limit_bytes is not None:
        yield from ("--memory-limit", typed_size(plan.memory_limit_bytes))
    if plan.seed:
        yield from ("--seed", str(plan.seed))
    if plan.device != DEFAULT_DEVICE:
        yield from ("--device", plan.device)
