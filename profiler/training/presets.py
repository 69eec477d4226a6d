"""Training runs ready made: the rows, columns and settings of a published study, by name."""

from __future__ import annotations

from dataclasses import dataclass, field

from profiler.plans.plan import PlanError
from profiler.training.model import Mode, Optimizer, Training, gpt2
from profiler.training.plan import TrainingStopping


@dataclass(frozen=True)
class TrainingPreset:
    """A training run: what it asks, and what it trains to answer."""

    name: str
    question: str
    trainings: tuple[Training, ...]
    implementations: tuple[str, ...]
    baseline: str
    stopping: TrainingStopping = field(default_factory=TrainingStopping)

    def narrowed(
        self, models: tuple[str, ...] | None, contexts: tuple[int, ...] | None
    ) -> tuple[Training, ...]:
        """Its rows of these models and contexts; None is all there are.

        Raises:
            PlanError: it has no row of one that was named; the message is one sentence.
        """
        rows = self.trainings
        if models is not None:
            there = tuple(dict.fromkeys(row.model.name for row in rows))
            self._check("model", models, there)
            rows = tuple(row for row in rows if row.model.name in models)
        if contexts is not None:
            of_models = " of these models" if models is not None else ""
            there = tuple(str(context) for context in sorted({row.context for row in rows}))
            self._check("context", tuple(map(str, contexts)), there, of_models)
            rows = tuple(row for row in rows if row.context in contexts)
        return rows

    def _check(self, what: str, asked: tuple[str, ...], there: tuple[str, ...], among: str = "") -> None:
        for one in asked:
            if one not in there:
                raise PlanError(
                    f"the preset {self.name} has no {what} {one}{among}; it has {', '.join(there)}: "
                    "give one of them, or drop --preset"
                )


_TO_2K = (256, 512, 768, 1024, 1536, 2048)
_TO_4K = (*_TO_2K, 3072, 4096)


def _rows(
    name: str, contexts: tuple[int, ...], mode: Mode, optimizer: Optimizer = "adamw-foreach"
) -> tuple[Training, ...]:
    """One model over its contexts, in mixed precision of float16 as the study has it."""
    model = gpt2(name)
    return tuple(
        Training(model=model, context=context, dtype="float16", optimizer=optimizer, mode=mode)
        for context in contexts
    )


def _study(name: str, question: str, trainings: tuple[Training, ...]) -> TrainingPreset:
    """Standard attention, FlashAttention 1 as PyTorch 2.0 brought it, and the package of 2.

    Source: "Benchmarking FlashAttention and FlashAttention-2 on a Consumer GPU", an RTX 3080 Ti with
    12 GB, torch 2.0.1, flash-attn 2.0.4: vocabulary 16,384, no bias, no dropout, the last 25 of 125 steps.
    """
    return TrainingPreset(
        name,
        question,
        trainings,
        implementations=("pytorch", "sdpa-flash", "flash2"),
        baseline="pytorch",
    )


TRAINING_PRESETS: dict[str, TrainingPreset] = {
    preset.name: preset
    for preset in (
        _study(
            "gpt2-compile",
            "what FlashAttention does to the throughput of GPT-2 under torch.compile, small to large",
            _rows("small", _TO_4K, "compile")
            + _rows("medium", _TO_4K, "compile")
            # Its states of 32 bits left the study's 12 GB no room for a batch.
            + _rows("large", _TO_2K, "compile", "adamw-8bit"),
        ),
        _study(
            "gpt2-eager",
            "what it does to GPT-2 medium without torch.compile",
            _rows("medium", (256, 512, 1024, 2048, 3072, 4096), "eager"),
        ),
    )
}
